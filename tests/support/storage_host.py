"""A host with an S3 server, on a network of hosts."""

import sys

from tests.support import ROOT, stores
from tests.support.left_behind import until

_CREATE = f"import boto3; boto3.client('s3').create_bucket(Bucket='{stores.BUCKET}')"


class StorageHost:
    """The server's host."""

    def __init__(self, network, folder):
        """Start the server with an empty bucket; `folder` is for its log."""
        self.host, self._log = network.add("storage", sees=(ROOT,)), folder / "storage.log"
        self.environment = stores.s3_access(self.host.address, 9000)
        """What clients on other hosts need."""
        self.host.start(*stores.s3_command(self.environment), log=self._log, HOME="/tmp")
        create = (sys.executable, "-c", _CREATE)
        assert until(lambda: self.host.run(*create, **self.environment).returncode == 0, 60), self._log.read_text()
        self.address = f"s3://{stores.BUCKET}/all"

    def objects(self, prefix=""):
        """Return the names of all objects below the address."""
        code = f"from pipeline.files.storage import Storage; print(*Storage('{self.address}').names('{prefix}'))"
        done = self.host.run(sys.executable, "-c", code, folder=ROOT, **self.environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()
