"""A probe on each node of a cluster, by which `segnet doctor` asks all of them at once."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.cluster import joining, share
from pipeline.cluster.doctor import CheckError
from pipeline.cluster.failures import ClusterError, described

if TYPE_CHECKING:
    from pipeline.params.steps import Placement

_SECONDS = 40  # for all nodes to answer; an all-reduce gives up before
Answers = dict[str, Any]
"""By the node's address."""


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process is connected to."""

    hosts: dict[str, share.Node]
    """The nodes on which workers may run, by address."""

    @property
    def gpus(self) -> bool:
        """Whether workers have GPUs."""
        return any(host["Resources"].get("GPU") for host in self.hosts.values())

    @contextmanager
    def probed(self, *, num_gpus: int = 0) -> Iterator["Probes"]:
        """Start an actor of probe.Probe on each node; they are killed afterwards, whatever they wait for."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        from pipeline.cluster.probe import Probe

        actor, actors = ray.remote(num_cpus=0, num_gpus=num_gpus)(Probe), {}
        for address, host in self.hosts.items():
            there = NodeAffinitySchedulingStrategy(host["NodeID"], soft=False)
            actors[address] = actor.options(scheduling_strategy=there).remote()
        try:
            yield Probes(actors)
        finally:
            for started in actors.values():
                ray.kill(started)


@dataclass(frozen=True)
class Probes:
    """An actor of probe.Probe on each node."""

    actors: dict[str, Any]
    """By the node's address."""

    def ask(self, method: str, *arguments: Any, by_node: Mapping[str, tuple[Any, ...]] | None = None) -> Answers:
        """Return what a method of every probe returns; `by_node` has arguments that differ, by the node's address.

        Raises:
            CheckError: a node does not answer, or the method fails there.
        """
        import ray
        from ray.exceptions import RayError

        asked = {
            address: getattr(probe, method).remote(*arguments, *(by_node or {}).get(address, ()))
            for address, probe in self.actors.items()
        }
        ray.wait(list(asked.values()), num_returns=len(asked), timeout=_SECONDS)
        answers, wrong = {}, {}
        for address, answer in asked.items():
            try:
                answers[address] = ray.get(answer, timeout=0)
            except RayError as err:
                wrong[address] = described(err)
        if wrong:
            raise CheckError(per_node(wrong), "look at its logs in /tmp/ray/session_latest/logs, and restart Ray there")
        return answers


@contextmanager
def connected(address: str, placement: "Placement") -> Iterator[Cluster]:
    """Connect to the cluster whose head is at an address, HOST:PORT.

    Raises:
        CheckError: there is none, nodes have other code, or none may run workers.
    """
    os.environ["RAY_ADDRESS"] = address
    joining.set_environment()
    import ray
    from ray.exceptions import RayError

    try:
        joining.check_head(address)  # whatever it is
        joining.join((), None, placement)
        hosts = share.hosting(ray.nodes(), placement.node_labels)
        if not hosts:
            raise CheckError("no node has CPUs or GPUs", "start Ray on other machines: ray start --address")
        yield Cluster({host["NodeManagerAddress"]: host for host in hosts})
    except (RayError, ConnectionError) as err:
        raise CheckError(f"{address}: {described(err)}", "look at the logs in /tmp/ray/session_latest/logs") from err
    except ClusterError as err:
        fault, _, fix = str(err).rpartition("; ")
        raise CheckError(fault, fix) from err
    finally:
        ray.shutdown()


def per_node(texts: Mapping[str, str]) -> str:
    """Return what was found on nodes in one line, by address."""
    return ", ".join(f"{where}: {what}" for where, what in sorted(texts.items()))
