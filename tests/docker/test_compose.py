"""docker/: the image, and compose.yaml brought up by podman until the path's job has promoted a model."""

import base64
import io
import json
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import requests
from PIL import Image

from tests.support import containers
from tests.support.compose import Stack
from tests.support.repository import Repository

pytestmark = [containers.needed, pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(2400)]
COMMIT = "0123456789abcdef" * 2 + "01234567"
CHANGES = {
    r"\n  epochs: \d+": "\n  epochs: 10",
    r"precision: auto": "precision: float32",
    r"deterministic: false": "deterministic: true",
}
COMPILERS = ("gcc", "g++", "cc", "clang", "make", "ld", "cargo", "nvcc")


@pytest.fixture(scope="module")
def podman():
    with containers.podman() as podman:
        containers.images(podman, COMMIT)
        yield podman


@pytest.fixture(scope="module")
def stack(podman, tmp_path_factory):
    """Return the services, once the job has ended, whose worker was killed in training, and the champion is served."""
    repository = Repository(tmp_path_factory.mktemp("repository"))
    repository.folder.chmod(0o755)  # the job is sent by user 10001
    path = repository.folder / "params.yaml"
    text = path.read_text()
    for old, new in CHANGES.items():
        text, count = re.subn(old, new, text)
        assert count, old
    path.write_text(text)
    stack = Stack(podman, repository)
    try:
        with ThreadPoolExecutor(1) as threads:
            stack.killed = threads.submit(stack.kill_the_worker)
            stack.compose("up", "--detach", "--no-build")
        yield stack
    finally:
        print(podman("ps", "--all"))
        print(podman("logs", stack.container("path"), fails=True))
        stack.compose("down", "--volumes", "--timeout=1", fails=True)


def test_the_image_has_no_root_no_compiler_and_no_secret(podman):
    code = f"""
import os, shutil, sys
from pathlib import Path
assert os.getuid() == 10001, os.getuid()
assert [name for name in {COMPILERS} if shutil.which(name)] == []
assert not Path("/build").exists() and not Path("/etc/pip.conf").exists()
assert list(Path("/root").glob(".cache/pip/*")) + list(Path("/var/lib/apt/lists").iterdir()) == []
assert not any(Path("/repository", name).exists() for name in (".venv", "runs", "mlruns", "docker/.env", "tests"))
try:
    Path("/repository/x").touch()
except OSError:
    print("read-only")
"""
    safe = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp", "--network=none")
    assert podman("run", "--rm", *safe, containers.IMAGE, "python", "-c", code) == "read-only"
    assert podman("run", "--rm", *safe, containers.IMAGE, "segnet", "--version").startswith("segnet")
    login = podman(
        "run", "--rm", *safe, "--entrypoint=bash", containers.IMAGE, "-lc", "ray --version"
    )  # as KubeRay does
    assert login.startswith("ray, version"), "KubeRay starts Ray by a login shell"
    (made,) = json.loads(podman("image", "inspect", containers.IMAGE))
    assert made["Labels"]["org.opencontainers.image.revision"] == COMMIT
    assert made["User"] == "10001:10001"
    assert made["Config"]["Entrypoint"] == ["tini", "--"]
    assert made["Healthcheck"]["Test"] == ["CMD", "python", "/opt/segnet/healthcheck.py"]
    history = podman("history", "--no-trunc", containers.IMAGE) + json.dumps(made)
    assert (podman.folder / "pip.conf").read_text() not in history
    assert not re.search(r"(?i)(password|token|secret_key)=", history)


def test_up_ends_with_a_champion_in_postgresql_and_its_files_in_s3(stack, podman):
    (path,) = json.loads(podman("inspect", stack.container("path")))
    assert path["State"]["ExitCode"] == 0
    assert stack.champion()["version"] == "1"
    ask = "select version from model_versions where name = 'segnet-scenes'"
    login = ("--env", f"PGPASSWORD={stack.secrets['POSTGRES_PASSWORD']}")
    connect = ("psql", "--host=127.0.0.1", "--username=mlflow", "--tuples-only", "--command", ask)
    assert podman("exec", *login, stack.container("postgres"), *connect).split() == ["1"]
    record = stack.results()
    assert (record["status"], record["versions"]) == ("succeeded", ["models:/segnet-scenes/1"])
    assert record["origin"]["changed"] == ["params.yaml"]
    code = "import boto3; print(boto3.client('s3').list_objects_v2(Bucket='segnet', Prefix='mlflow/')['KeyCount'])"
    assert int(stack.python(code)) > 20


def test_mlflow_asks_for_a_login_and_knows_its_hosts(stack):
    assert stack.mlflow("experiments/get?experiment_id=0", login=False).status_code == 401
    assert stack.mlflow("experiments/get?experiment_id=0", Host="elsewhere.invalid").status_code == 403


def test_jobs_have_no_login_of_mlflows_administrator(stack):
    for service in "ray-head", "ray-worker":
        assert stack.held(service) == {"MLFLOW_TRAINER_PASSWORD", "S3_SECRET_KEY", "RAY_AUTH_TOKEN"}
    code = """
from mlflow.server.auth.client import AuthServiceClient
try:
    AuthServiceClient("http://mlflow:5000").update_user_password("admin", "taken over by a job")
except Exception as err:
    print("refused:", err)"""
    assert stack.python(code).startswith("refused:")


def test_the_model_server_may_read_the_registry_and_change_nothing(stack, podman):
    assert stack.held("serve") == {"MLFLOW_READER_PASSWORD"}
    code = """
from mlflow import MlflowClient as Client
print(Client().get_model_version_by_alias("segnet-scenes", "champion").version)
for change, *words in (Client.set_registered_model_alias, "champion", "1"), (Client.delete_model_version, "1"):
    try:
        change(Client(), "segnet-scenes", *words)
    except Exception as err:
        print("refused:", err)"""
    version, *refused = podman("exec", stack.container("serve"), "python", "-c", code).splitlines()
    assert (version, len(refused)) == ("1", 2)
    assert all("Permission denied" in each for each in refused)


def test_only_mlflow_and_the_proxy_are_published_and_on_loopback(stack, podman):
    found = {line.partition(" -> ")[2] for line in podman("port", "--all").splitlines()}
    assert found == {f"127.0.0.1:{port}" for port in stack.ports.values()}


def test_a_posted_image_is_answered_and_a_large_request_is_refused(stack):
    address = f"http://127.0.0.1:{stack.ports['SERVE_PORT']}"
    picture = io.BytesIO()
    Image.fromarray(np.zeros((32, 48, 3), np.uint8)).save(picture, "PNG")
    row = base64.b64encode(picture.getvalue()).decode()
    asked = {"dataframe_split": {"columns": ["image"], "data": [[row]]}}
    answer = requests.post(f"{address}/invocations", json=asked, timeout=60)
    assert answer.status_code == 200, answer.text
    mask = Image.open(io.BytesIO(base64.b64decode(answer.json()["predictions"][0]["mask"])))
    assert mask.size == (48, 32)
    assert requests.post(f"{address}/invocations", data=bytes(33 << 20), timeout=60).status_code == 413
    assert requests.get(f"{address}/metrics", timeout=60).status_code == 404
    assert requests.get(f"{address}/ping", timeout=60).status_code == 200


def test_a_worker_that_is_killed_comes_back_and_its_training_resumes(stack, podman):
    assert stack.worker() not in (0, stack.killed.result())
    log = podman.run("podman", "logs", stack.container("path")).stdout
    assert re.search(r"resuming run \w+ at epoch", log), log


def test_down_and_up_keep_champion_records_and_files(stack, podman):
    before = stack.champion()
    stack.compose("down", "--timeout=20")
    assert podman("ps", "--all", "--quiet") == ""
    stack.compose("up", "--detach", "--no-build", "mlflow")
    podman("wait", "--condition=healthy", stack.container("mlflow"))
    assert stack.champion() == before
    files = stack.mlflow(f"artifacts/list?run_id={before['run_id']}").json()["files"]
    assert "environment.json" in {file["path"] for file in files}
    got = f"http://127.0.0.1:{stack.ports['MLFLOW_PORT']}/get-artifact?path=environment.json&run_id={before['run_id']}"
    assert "packages" in requests.get(got, auth=("admin", stack.secrets["MLFLOW_PASSWORD"]), timeout=60).json()
