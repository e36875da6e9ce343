"""Stores in which teams keep MLflow's records: real local ones, for the duration of a test."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import pytest

from pipeline.tracking import store
from tests.support.local_server import answers, free_port, running, serving

BUCKET = "segnet"
USER, PASSWORD = "segnet-admin", "kept-by-the-first-start"  # a later start with the same database cannot change it


@dataclass(frozen=True)
class Server:
    """An MLflow server with a login."""

    uri: str
    environment: Mapping[str, str]
    """Everything that a client needs to reach it, including MLFLOW_TRACKING_URI."""


@cache
def _without_records():
    """Return the content of a new store's file; that is made once, since to create the tables takes seconds."""
    with TemporaryDirectory() as folder:
        store.client(f"sqlite:///{folder}/mlflow.db")
        return Path(folder, "mlflow.db").read_bytes()


def sqlite(folder):
    """Put a new MLflow store into the file mlflow.db of a folder; return its address."""
    (folder / "mlflow.db").write_bytes(_without_records())
    return f"sqlite:///{folder}/mlflow.db"


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
        folder: for its log and settings, not shared with another server.
        database: SQLAlchemy address of the database of records and users.
        bucket: environment for access to the artifacts, used by the server if proxied, else by its clients.
        proxied: whether artifacts go through the server.
        workers: number of server processes.
        port: on 127.0.0.1; a free one unless given.
    """
    folder.mkdir(exist_ok=True)
    (folder / "auth.ini").write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = {database}\n"
        f"admin_username = {USER}\nadmin_password = {PASSWORD}\n"
        "auth_cache_ttl_seconds = 60\n"  # otherwise every request computes a slow hash
    )
    option = "--artifacts-destination" if proxied else "--default-artifact-root"
    command = ["server", "--app-name", "basic-auth", "--backend-store-uri", database, option, f"s3://{BUCKET}"]
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
    """Yield the environment for clients of a new S3 server with the empty bucket BUCKET.

    If SEGNET_TEST_S3 names a server on this machine, http://127.0.0.1:PORT, it is that server, with a new bucket.
    """
    import boto3

    given = os.environ.get("SEGNET_TEST_S3")
    environment = s3_access("127.0.0.1", urlsplit(given).port if given else free_port())
    endpoint = environment["AWS_ENDPOINT_URL"]
    started = (
        nullcontext()
        if given
        else running(s3_command(environment), folder / "s3.log", answers(f"{endpoint}/moto-api/"))
    )
    with started:
        keys = {f"aws_{each}": environment[f"AWS_{each.upper()}"] for each in ("access_key_id", "secret_access_key")}
        client = boto3.client("s3", environment["AWS_DEFAULT_REGION"], endpoint_url=endpoint, **keys)
        client.create_bucket(Bucket=BUCKET)
        yield environment


def s3_access(host, port):
    """Return the environment for clients of an S3 server there."""
    return {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "MLFLOW_S3_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "segnet",
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(),
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def s3_command(environment):
    """Return the command that runs the S3 server to which `environment` gives access."""
    address = urlsplit(environment["AWS_ENDPOINT_URL"])
    return [sys.executable, "-m", "moto.server", "-H", address.hostname, "-p", str(address.port)]


@contextmanager
def postgresql():
    """Yield the SQLAlchemy address of an empty database on a new PostgreSQL server; skip the test if not installed."""
    programs, account = _programs(), _account()
    with TemporaryDirectory() as name:  # not pytest's folder, which the account cannot access
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

        # SIGTERM would wait for clients to disconnect.
        with running(serve, folder / "log", ready, end=signal.SIGINT, cwd=folder, **account):
            yield f"postgresql+psycopg2://postgres:{password}@127.0.0.1:{port}/postgres"


def _programs():
    """Return the folder of PostgreSQL's programs; Debian keeps each version's server programs off the PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    places = [*map(str, reversed(folders)), os.environ["PATH"]]
    initdb = shutil.which("initdb", path=os.pathsep.join(places))
    return Path(initdb).parent if initdb else pytest.skip("no PostgreSQL server is installed (initdb was not initdb)")


def _account():
    """Return subprocess options for a user that PostgreSQL accepts: it refuses root."""
    if os.geteuid() != 0:
        return {}
    try:
        account = pwd.getpwnam("postgres")
        subprocess.run(["true"], user=account.pw_uid, check=True)
    except (KeyError, PermissionError) as err:
        pytest.skip(f"PostgreSQL refuses to run as root, and we cannot run as the user postgres: {err}")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
