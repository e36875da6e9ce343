"""docker/: the image, and compose.yaml brought up by podman until the path's job has promoted a model."""

import base64
import io
import json
import re
import secrets
import subprocess
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import requests
from PIL import Image

from tests.support import ROOT, containers
from tests.support.left_behind import until
from tests.support.local_server import free_port
from tests.support.repository import Repository

pytestmark = [containers.needed, pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(2400)]
COMPOSE = ROOT / "docker/compose.yaml"
COMMIT = "0123456789abcdef" * 2 + "01234567"
SECRET = (
    *("POSTGRES_PASSWORD", "S3_SECRET_KEY", "RAY_AUTH_TOKEN"),
    *("MLFLOW_PASSWORD", "MLFLOW_READER_PASSWORD", "MLFLOW_SECRET_KEY"),
)
# The stand-ins have other commands than the public images.
OVERRIDE = {
    "services": {
        "postgres": {"command": ["bash", "/postgres.sh"], "stop_signal": "SIGINT"},
        "s3": {"command": ["/opt/moto/bin/python", "/s3.py"]},
        "proxy": {"user": "101:101"},
    }
}
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


class Stack:
    """The services of compose.yaml."""

    def __init__(self, podman, repository):
        self.podman = podman
        # A test that was killed leaves its hosts in podman's DNS for good: under a name of its own, none is this one's.
        self.project = f"segnet{secrets.token_hex(4)}"
        (podman.folder / "override.yaml").write_text(json.dumps(OVERRIDE))
        self.ports = {name: str(free_port()) for name in ("MLFLOW_PORT", "SERVE_PORT")}
        self.secrets = {name: secrets.token_hex(24) for name in SECRET}
        images = dict.fromkeys(("POSTGRES_IMAGE", "S3_IMAGE", "PROXY_IMAGE"), containers.STANDIN)
        sizes = {"WORKER_CPUS": "1", "RAY_SHM_SIZE": "256mb", "RAY_OBJECT_STORE_BYTES": "80000000"}
        own = {"SEGNET_IMAGE": containers.IMAGE, "SEGNET_REPOSITORY": str(repository.folder)}
        users = {"S3_ACCESS_KEY": "segnet", "MLFLOW_USER": "admin"}
        self.settings = images | sizes | own | users | self.ports | self.secrets

    def compose(self, *words, **options):
        """Run podman-compose with the stand-ins' commands; return its output."""
        command = ("podman-compose", f"--project-name={self.project}", "--file", COMPOSE)
        override = ("--file", self.podman.folder / "override.yaml")
        return self.podman.run(*command, *override, *words, **self.settings | options)

    def container(self, service):
        """Return the name of a service's container."""
        return f"{self.project}_{service}_1"

    def python(self, code):
        """Run Python in the head's container; return what it prints."""
        return self.podman("exec", self.container("ray-head"), "python", "-c", code)

    def worker(self):
        """Return the process of the worker's container, 0 if it does not run."""
        (found,) = json.loads(self.podman("inspect", self.container("ray-worker")))
        return found["State"]["Pid"] if found["State"]["Running"] else 0

    def kill_the_worker(self):
        """Kill the worker once it has written three checkpoints; return which process it was."""

        def checkpoints():
            log = self.podman.run("podman", "logs", self.container("s3"), fails=True).stderr
            return len(re.findall(r'"PUT /segnet/storage/runs/\w+/step-\d+\.json', log))

        assert until(lambda: checkpoints() >= 3, 900)
        process = self.worker()
        subprocess.run(["kill", "-9", str(process)], check=True)
        return process

    def results(self):
        """Return the record of the one job, whose results are in the bucket."""
        code = """
import boto3
s3 = boto3.client("s3")
names = [each["Key"] for each in s3.list_objects_v2(Bucket="segnet", Prefix="storage/jobs/")["Contents"]]
(name,) = [name for name in names if name.endswith("/results.json")]
print(s3.get_object(Bucket="segnet", Key=name)["Body"].read().decode())"""
        return json.loads(self.python(code))

    def mlflow(self, path, login=True, **headers):
        """Return MLflow's answer, from this machine."""
        auth = ("admin", self.secrets["MLFLOW_PASSWORD"]) if login else None
        address = f"http://127.0.0.1:{self.ports['MLFLOW_PORT']}/api/2.0/mlflow/{path}"
        return requests.get(address, auth=auth, headers=headers, timeout=60)

    def champion(self):
        """Return the champion's version."""
        answer = self.mlflow("registered-models/alias?name=segnet-scenes&alias=champion")
        assert answer.status_code == 200, answer.text
        return answer.json()["model_version"]


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


def test_the_model_server_may_read_the_registry_and_change_nothing(stack, podman):
    held = podman("exec", stack.container("serve"), "env")
    assert stack.secrets["MLFLOW_READER_PASSWORD"] in held
    assert not any(stack.secrets[name] in held for name in SECRET if name != "MLFLOW_READER_PASSWORD")
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
