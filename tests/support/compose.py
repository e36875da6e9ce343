"""The services of docker/compose.yaml, brought up by podman-compose."""

import json
import re
import secrets
import subprocess

import requests

from tests.support import ROOT, containers
from tests.support.left_behind import until
from tests.support.local_server import free_port

COMPOSE = ROOT / "docker/compose.yaml"
SECRET = (
    *("POSTGRES_PASSWORD", "S3_SECRET_KEY", "RAY_AUTH_TOKEN"),
    *("MLFLOW_PASSWORD", "MLFLOW_TRAINER_PASSWORD", "MLFLOW_READER_PASSWORD", "MLFLOW_SECRET_KEY"),
)
# The stand-ins have other commands than the public images.
OVERRIDE = {
    "services": {
        "postgres": {"command": ["bash", "/postgres.sh"], "stop_signal": "SIGINT"},
        "s3": {"command": ["/opt/moto/bin/python", "/s3.py"]},
        "proxy": {"user": "101:101"},
    }
}


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

    def held(self, service):
        """Return which secrets a service's environment has."""
        environment = self.podman("exec", self.container(service), "env")
        return {name for name in SECRET if self.secrets[name] in environment}

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
