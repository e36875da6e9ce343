"""A Ray cluster whose nodes are hosts of their own: a head without CPUs, where the driver runs, and nodes with one."""

import os
import sys
from contextlib import contextmanager
from pathlib import Path

from tests.support import ROOT, hosts, ray_head
from tests.support.left_behind import until

_BIN = Path(sys.executable).parent
_OPTIONS = ("--object-store-memory=80000000", "--disable-usage-stats", "--block", *ray_head.FEWER)
ENVIRONMENT = {
    **ray_head.ENVIRONMENT,
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",  # each is a process that imports Ray Train
    "HOME": "/tmp",
}
# Prints the addresses of the nodes that are alive, once those of the wanted ones are among them, or after 90 s.
_ALIVE = """
import os, sys, time
from ray._raylet import GcsClient
head, end = GcsClient(address=os.environ["RAY_ADDRESS"]), time.monotonic() + 90
while True:
    alive = {each.node_manager_address for each in head.get_all_node_info().values() if each.state == 0}
    if alive.issuperset(sys.argv[1:]) or time.monotonic() > end:
        break
    time.sleep(0.1)
print(*alive)
"""


class RayHosts:
    """A network, the head's host and the others, by name in `nodes`."""

    def __init__(self, network, share, *, cpus=0, dashboard=False, **settings):
        """Start the head.

        Args:
            network: of tests/support/hosts.py.
            share: a folder that the head and, unless a test says otherwise, the nodes see.
            cpus: of the head, for workers.
            dashboard: whether the head takes jobs, on port 8265 of its address.
            settings: further environment variables of the head, such as those of Ray's system config.
        """
        self.network, self.share, self.nodes, self._mlflow = network, share, {}, ""
        self.head = network.add("head", sees=(ROOT, share))
        self.address = f"{self.head.address}:6379"
        own = ["--head", "--port=6379", f"--num-cpus={cpus}", f"--include-dashboard={str(dashboard).lower()}"]
        own += ["--dashboard-host=0.0.0.0"] if dashboard else []
        self._start(self.head, *own, **settings)
        self._wait()

    def add(self, name, *, sees=None, cpus=1, labels="", **settings):
        """Start a host, which sees the share unless told otherwise, and Ray on it; wait until it has joined."""
        host = self.nodes[name] = self.network.add(name, sees=(self.share,) if sees is None else sees)
        own = (f"--address={self.address}", f"--num-cpus={cpus}", *([f"--labels={labels}"] if labels else []))
        self._start(host, *own, **settings)
        self._wait()
        return host

    def remove(self, name):
        """End a node properly, and its host; the cluster knows at once."""
        host = self.nodes.pop(name)
        for process in host.processes():
            if process.name() == "raylet":
                process.terminate()
        assert until(lambda: host.address not in self.alive(), 60)
        host.stop()

    def alive(self):
        """Return the addresses of the nodes that Ray holds to be alive."""
        return self._alive(())

    def _alive(self, wanted):
        command = (sys.executable, "-c", _ALIVE, *wanted)
        return set(self.head.run(*command, RAY_ADDRESS=self.address, **ENVIRONMENT).stdout.split())

    def python(self, *arguments, folder, timeout=250, **settings):
        """Run Python on the head's host, with the cluster as its RAY_ADDRESS; return its status and output."""
        settings = {"RAY_ADDRESS": self.address, **ENVIRONMENT, **settings}
        return self.head.run(sys.executable, *arguments, folder=folder, timeout=timeout, **settings)

    def mlflow(self):
        """Return the address, on the head's host, of an MLflow server, which is started when it is first needed."""
        if not self._mlflow:
            command = (sys.executable, "-m", "mlflow", "server", "--host=127.0.0.1", "--port=5000", "--workers=1")
            places = (
                f"--backend-store-uri=sqlite:///{self.share}/server.db",
                f"--artifacts-destination={self.share}/kept",
            )
            settings = {"PATH": f"{_BIN}:{os.environ['PATH']}", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
            self.head.start(*command, *places, log=self.share / "mlflow.log", **ENVIRONMENT, **settings)
            self._mlflow = "http://127.0.0.1:5000"
            assert self.head.answers(f"{self._mlflow}/health", 90), (self.share / "mlflow.log").read_text()
        return self._mlflow

    def _start(self, host, *options, **settings):
        command = ("nice", "-n", "5", _BIN / "ray", "start", f"--node-ip-address={host.address}", *_OPTIONS, *options)
        host.start(*command, log=self.share / f"{host.name}.log", **ENVIRONMENT, **settings)

    def _wait(self):
        wanted = {self.head.address, *(host.address for host in self.nodes.values())}
        assert until(lambda: self._alive(wanted) >= wanted, 90), f"not all of {wanted} have joined; see {self.share}"


@contextmanager
def cluster(share, **settings):
    """Yield a head without other nodes yet; everything is stopped afterwards."""
    share.mkdir(exist_ok=True)
    with hosts.network() as network:
        yield RayHosts(network, share, **settings)
