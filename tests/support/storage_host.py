"""A host with an S3 server and, if asked for, an MLflow server, on a network of hosts."""

import os
import re
import sys
from pathlib import Path

from tests.support import ROOT, stores

_BIN = Path(sys.executable).parent
_CREATE = f"import boto3; boto3.client('s3').create_bucket(Bucket='{stores.BUCKET}')"


class StorageHost:
    """The server's host."""

    def __init__(self, network, folder):
        """Start the server with an empty bucket; `folder` is for its log."""
        self.host, self._folder = network.add("storage", sees=(ROOT, folder)), folder
        self._log = folder / "storage.log"
        self.environment = stores.s3_access(self.host.address, 9000)
        """What clients on other hosts need."""
        self.host.start(*stores.s3_command(self.environment), log=self._log, HOME="/tmp")
        assert self.host.answers(f"{self.environment['AWS_ENDPOINT_URL']}/moto-api/", 60), self._log.read_text()
        created = self.host.run(sys.executable, "-c", _CREATE, **self.environment)
        assert created.returncode == 0, created.stderr
        self.address = f"s3://{stores.BUCKET}/all"

    def mlflow(self):
        """Start an MLflow server, and return its address."""
        command = (sys.executable, "-m", "mlflow", "server", "--host=0.0.0.0", "--port=5000", "--workers=1")
        places = (
            f"--backend-store-uri=sqlite:///{self._folder}/server.db",
            f"--artifacts-destination={self._folder}/kept",
        )
        settings = {
            "PATH": f"{_BIN}:{os.environ['PATH']}",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "HOME": "/tmp",
        }
        self.host.start(*command, *places, log=self._folder / "mlflow.log", **settings)
        assert self.host.answers("http://127.0.0.1:5000/health", 90), (self._folder / "mlflow.log").read_text()
        return f"http://{self.host.address}:5000"

    def steps(self, run=r"\w+"):
        """Return the number of steps after which the newest checkpoint of a run was written; 0: none yet.

        The server's log says so: this is asked all the time, and a client on the network's side would be a new process.
        """
        found = re.findall(rf'"PUT /\S+/runs/{run}/step-(\d+)\.json HTTP/1\.1" 200', self._log.read_text())
        return max(map(int, found), default=0)

    def objects(self, prefix=""):
        """Return the names of all objects below the address."""
        code = f"from pipeline.files.storage import Storage; print(*Storage('{self.address}').names('{prefix}'))"
        done = self.host.run(sys.executable, "-c", code, folder=ROOT, **self.environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()
