"""What would make training fail on a cluster, found before it runs: the checks of `segnet doctor` across its nodes."""

import secrets
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from pipeline.cluster.doctor import CheckError
from pipeline.cluster.probes import Answers, Cluster, Probes, per_node
from pipeline.files import lease, repository, storage_trial
from pipeline.files.storage import Storage

_CLOCKS = 30.0  # seconds that clocks may differ; S3 refuses requests at 15 minutes, logs mislead long before
_PATIENCE = timedelta(seconds=20)  # with a storage
_VERSIONS = ("Python", "Ray", "torch")


def checks(cluster: Cluster, probes: Probes, address: str | None, cache: str) -> Mapping[str, Callable[[], str]]:
    """Return the checks by name; each returns what it found, or raises CheckError.

    Args:
        cluster: the nodes.
        probes: of the nodes.
        address: of the storage; None: there is none, and nodes must see this repository.
        cache: the folder into which nodes fetch files.
    """
    return {
        "nodes": lambda: versions(probes.ask("facts"), _own_facts()),
        "clocks": lambda: clocks(probes.ask("facts"), time.time()),
        "names": lambda: names(probes.ask("facts")),
        "connections": lambda: connections(probes),
        "all-reduce": lambda: all_reduce(cluster),
        "storage": lambda: storage(probes, address),
        "machines": lambda: machines(probes.ask("machine", cache)),
    }


def _own_facts() -> dict[str, Any]:
    from pipeline.cluster.probe import Probe

    return Probe().facts()


def versions(theirs: Answers, ours: Mapping[str, Any]) -> str:
    """Check that all nodes have this machine's versions of Python, Ray and torch."""
    wrong = {
        address: ", ".join(f"{name} {facts[name]}" for name in _VERSIONS if not _alike(name, facts[name], ours[name]))
        for address, facts in theirs.items()
    }
    own = ", ".join(f"{name} {ours[name]}" for name in _VERSIONS)
    if differing := {address: text for address, text in wrong.items() if text}:
        raise CheckError(f"{per_node(differing)}; here {own}", "install there what requirements.lock pins")
    return f"{len(theirs)}, each with {own} and this program's code"


def _alike(name: str, theirs: str, ours: str) -> bool:
    """Compare versions: of Python, patches may differ; torch's builds for a CPU and for CUDA have suffixes."""
    if name == "Python":
        return theirs.rpartition(".")[0] == ours.rpartition(".")[0]
    return theirs.partition("+")[0] == ours.partition("+")[0]


def clocks(theirs: Answers, now: float) -> str:
    """Check that the nodes' clocks agree with this machine's, `now`."""
    apart = {address: facts["clock"] - now for address, facts in theirs.items()}
    if wrong := {address: f"{seconds:+.0f} s" for address, seconds in apart.items() if abs(seconds) > _CLOCKS}:
        raise CheckError(f"clocks differ from this machine's: {per_node(wrong)}", "let NTP set the clocks")
    return f"within {max(map(abs, apart.values())):.1f} s of this machine's"


def names(theirs: Answers) -> str:
    """Check that each node has an interface with its address in Ray, which gloo and nccl are told to use."""
    lost = {address: "no interface has this address" for address, facts in theirs.items() if facts["interface"] is None}
    if lost:
        raise CheckError(
            per_node(lost), "start Ray there with --node-ip-address of an interface, or set GLOO_SOCKET_IFNAME there"
        )
    other = [f"{address} to {facts['resolved']}" for address, facts in theirs.items() if facts["resolved"] != address]
    told = f"; own names resolve elsewhere, which is avoided: {', '.join(other)}" if other else ""
    return f"interfaces {', '.join(sorted({facts['interface'] for facts in theirs.values()}))}{told}"


def connections(probes: Probes) -> str:
    """Check that every node can open a connection to every other, at any port."""
    ports = probes.ask("listen")
    peers = {mine: ({address: port for address, port in ports.items() if address != mine},) for mine in ports}
    reasons_by_node = probes.ask("unreached", by_node=peers)
    wrong = {f"{mine} to {other}": why for mine, reasons in reasons_by_node.items() for other, why in reasons.items()}
    if wrong:
        raise CheckError(
            per_node(wrong), "open all TCP ports between nodes: Ray's, gloo's and nccl's are chosen at random"
        )
    return f"TCP between all {len(ports) * (len(ports) - 1)} pairs"


def all_reduce(cluster: Cluster) -> str:
    """Add up a tensor over all nodes, as DDP does with gradients."""
    ranks = {address: rank for rank, address in enumerate(cluster.hosts)}
    with cluster.probed(num_gpus=int(cluster.gpus)) as probes:
        first = probes.ask("address_for_group")[next(iter(ranks))]
        speeds = probes.ask("reduce", first, len(ranks), by_node={address: (rank,) for address, rank in ranks.items()})
    kind = "nccl" if cluster.gpus else "gloo"
    return f"{kind} over {len(ranks)} nodes, {min(speeds.values()) / 1e6:.0f} MB/s of gradients"


def storage(probes: Probes, address: str | None) -> str:
    """Let every node write an object that every node reads; without a storage, in this repository's runs/."""
    if address is None and len(probes.actors) == 1:
        return "one node, which needs none"
    where, fix = address, ""
    if where is None:
        runs = (repository.root() / "runs").resolve()
        runs.mkdir(exist_ok=True)
        where, fix = runs.as_uri(), "mount this repository on every node, or set storage.address"
    fix = fix or "check storage.address, and the credentials of each node (AWS_ACCESS_KEY_ID ...)"
    shared = Storage(where, patience=_PATIENCE)
    if shared.folder is None:
        storage_trial.try_out(shared)  # what is wrong for all is told once
    token = f"doctor-{secrets.token_hex(4)}"
    objects = {node: f"{token}/{node}" for node in probes.actors}
    try:
        failed = probes.ask("write", where, by_node={node: (name,) for node, name in objects.items()})
        wrong = {node: reason for node, reason in failed.items() if reason}
        if not wrong:
            unread = probes.ask("unread", where, list(objects.values()))
            wrong = {node: "; ".join(reasons.values()) for node, reasons in unread.items() if reasons}
        if not wrong and shared.folder is None:
            lease.check_conditions(shared)
    finally:
        shared.delete(objects.values())
        if shared.folder is not None:
            _remove_empty(shared.folder / token)
    if wrong:
        raise CheckError(f"{where}: {per_node(wrong)}", fix)
    return f"{where}, written by each node and read by every other"


def _remove_empty(folder: Path) -> None:
    if folder.is_dir():
        folder.rmdir()


def machines(theirs: Answers) -> str:
    """Check each node's memory, shared memory, disk and GPUs."""
    wrong = {
        f"{address}, {result.name}": (result.detail, result.fix)
        for address, results in theirs.items()
        for result in results
        if not result.ok
    }
    if wrong:
        raise CheckError(
            per_node({where: detail for where, (detail, _) in wrong.items()}),
            "; ".join(sorted({fix for _, fix in wrong.values()})),
        )
    gpus = {result.detail for results in theirs.values() for result in results if result.name == "GPUs"}
    return f"memory, shared memory and disk suffice; GPUs: {', '.join(sorted(gpus))}"
