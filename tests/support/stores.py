"""The stores that teams keep MLflow's records in, real ones on this machine, for the length of a test."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.local_server import answers, free_port, running, serving

BUCKET = "segnet"
USER, PASSWORD = "segnet-admin", "kept-by-the-first-start"  # a later start with the same database cannot change it


@dataclass(frozen=True)
class Server:
    """An MLflow server that asks for a password."""

    uri: str
    environment: Mapping[str, str]
    """All that a client needs to reach it, MLFLOW_TRACKING_URI among it."""


@contextmanager
def stack(folder, *, proxied, workers=1):
    """Yield an MLflow server on PostgreSQL and S3 of its own; `folder` keeps their logs."""
    with (
        postgresql() as database,
        s3(folder) as bucket,
        mlflow_server(folder, database, bucket, proxied=proxied, workers=workers) as server,
    ):
        yield server


@contextmanager
def mlflow_server(folder, database, bucket, *, proxied, workers=1, port=None):
    """Yield an MLflow server with basic auth.

    Args:
        folder: where its log and its settings lie; nobody else's.
        database: SQLAlchemy's address of what keeps the records, and the users.
        bucket: environment of those who reach the artifacts: the server if proxied, else its clients.
        proxied: whether artifacts go through the server.
        workers: processes that answer.
        port: on 127.0.0.1; a free one unless given.
    """
    folder.mkdir(exist_ok=True)
    (folder / "auth.ini").write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = {database}\n"
        f"admin_username = {USER}\nadmin_password = {PASSWORD}\n"
        "auth_cache_ttl_seconds = 60\n"  # else every request waits for a slow hash
    )
    place = "--artifacts-destination" if proxied else "--default-artifact-root"
    command = ["server", "--app-name", "basic-auth", "--backend-store-uri", database, place, f"s3://{BUCKET}"]
    settings = {
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    if proxied:
        settings |= bucket
    else:
        command.append("--no-serve-artifacts")
    with serving(folder, *command, health="/health", workers=workers, port=port, **settings) as uri:
        login = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_TRACKING_USERNAME": USER, "MLFLOW_TRACKING_PASSWORD": PASSWORD}
        yield Server(uri, login if proxied else login | bucket)


@contextmanager
def s3(folder):
    """Yield the environment of clients of a new S3 server that holds the empty bucket BUCKET."""
    import boto3

    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    key, secret, region = "segnet", secrets.token_hex(), "us-east-1"
    with running(command, folder / "s3.log", answers(f"{endpoint}/moto-api/")):
        client = boto3.client("s3", region, endpoint_url=endpoint, aws_access_key_id=key, aws_secret_access_key=secret)
        client.create_bucket(Bucket=BUCKET)
        yield {
            "MLFLOW_S3_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_DEFAULT_REGION": region,
        }


@contextmanager
def postgresql():
    """Yield SQLAlchemy's address of an empty database of a new PostgreSQL server; skip the test where there is none."""
    programs, account = _programs(), _account()
    with TemporaryDirectory() as name:  # not pytest's folder, which the account cannot enter
        folder, password, port = Path(name), secrets.token_hex(), str(free_port())
        (folder / "password").write_text(password)
        for path in (folder, folder / "password"):
            os.chown(path, account.get("user", -1), account.get("group", -1))
        create = [programs / "initdb", "--pgdata", folder / "data", "--username", "postgres", "--no-sync"]
        create += ["--auth", "scram-sha-256", "--pwfile", folder / "password", "--no-locale", "--encoding", "UTF8"]
        done = subprocess.run(create, cwd=folder, capture_output=True, text=True, **account)
        assert done.returncode == 0, done.stdout + done.stderr
        serve = [programs / "postgres", "-D", folder / "data", "-h", "127.0.0.1", "-p", port, "-k", folder, "-F"]
        ask = [programs / "pg_isready", "--quiet", "--host", "127.0.0.1", "--port", port]

        def ready():
            return subprocess.run(ask).returncode == 0

        # SIGTERM would wait for clients to leave.
        with running(serve, folder / "log", ready, end=signal.SIGINT, cwd=folder, **account):
            yield f"postgresql+psycopg2://postgres:{password}@127.0.0.1:{port}/postgres"


def _programs():
    """The folder of PostgreSQL's programs: Debian keeps the servers' of each version off the PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    places = [*map(str, reversed(folders)), os.environ["PATH"]]
    found = shutil.which("initdb", path=os.pathsep.join(places))
    return Path(found).parent if found else pytest.skip("no PostgreSQL server is installed (initdb was not found)")


def _account():
    """How to start a process that PostgreSQL runs in: it refuses root."""
    if os.geteuid() != 0:
        return {}
    try:
        account = pwd.getpwnam("postgres")
        subprocess.run(["true"], user=account.pw_uid, check=True)
    except (KeyError, PermissionError) as err:
        pytest.skip(f"PostgreSQL refuses to run as root, and we may not be the user postgres: {err}")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
