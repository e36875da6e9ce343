"""Whether the nodes of a cluster have what workers need: this program's code, their data, and the run's folder."""

import logging
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.cluster import node, share
from pipeline.cluster.failures import ClusterError, described
from pipeline.files import digest

PACKAGE = "pipeline"
SHOWN = 12  # hexadecimal digits of a SHA-256
EVERY = 10.0  # seconds between lines that say what is waited for
_SHARED = "put it on storage that every node mounts at this path"

_log = logging.getLogger(__name__)
Facts = dict[str, dict[str, Any]]
"""What `node.facts` returned on each node, by the node's address."""


def code_is_missing(hosts: Sequence[share.Node], reads: Sequence[Path], folder: Path | None) -> bool:
    """Ask nodes what they have, before workers are started; return whether one lacks this program's code.

    What is missing here will still be missing when workers are restarted, so it ends the run before any is started.

    Args:
        hosts: the nodes on which workers may run.
        reads: absolute paths of what workers read.
        folder: the run's folder, absolute; exists. None: nodes need not see it.

    Raises:
        ClusterError: nodes have other code, do not see `reads` as this machine does, or do not see or cannot write to
            `folder`; the message names each node and path.
    """
    with _token(folder):
        ours = node.facts(PACKAGE, reads, folder)
        theirs = _ask(hosts, reads, folder)
    if faults := list(_faults(ours, theirs, reads, folder)):
        raise ClusterError("; ".join(faults))
    return any(facts["code"] is None for facts in theirs.values())


@contextmanager
def _token(folder: Path | None) -> Iterator[None]:
    """Leave a random token in the folder, which tells it from another of the same name."""
    if folder is None:
        yield
        return
    token = folder / node.TOKEN
    token.write_text(secrets.token_hex(8))
    try:
        yield
    finally:
        token.unlink()


def _ask(hosts: Sequence[share.Node], reads: Sequence[Path], folder: Path | None) -> Facts:
    """Return the answers of nodes; one that is lost meanwhile is left out."""
    import ray
    from ray import cloudpickle
    from ray.exceptions import RayError, RayTaskError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    for module in (node, digest):
        cloudpickle.register_pickle_by_value(module)
    try:
        task = ray.remote(num_cpus=0, max_retries=0)(node.facts)
        asked = {}
        for each in hosts:
            there = task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(each["NodeID"], soft=False))
            asked[there.remote(PACKAGE, reads, folder)] = each["NodeManagerAddress"]
    finally:
        for module in (node, digest):
            cloudpickle.unregister_pickle_by_value(module)
    answers, waiting = {}, list(asked)
    while waiting:
        done, waiting = ray.wait(waiting, num_returns=len(waiting), timeout=EVERY)
        if waiting:
            _log.info(f"waiting for an answer from {_named([asked[answer] for answer in waiting])}")
        for answer in done:
            try:
                answers[asked[answer]] = ray.get(answer)
            except RayTaskError:  # not the node, but the question failed
                raise
            except RayError as err:
                _log.info(f"no answer from {_named([asked[answer]])}: {described(err)}")
    return answers


def _faults(ours: dict[str, Any], theirs: Facts, reads: Sequence[Path], folder: Path | None) -> Iterator[str]:
    """Yield what is wrong, one text for all nodes on which the same is wrong."""
    for code in sorted({facts["code"] for facts in theirs.values()} - {None, ours["code"]}):
        where = [address for address, facts in theirs.items() if facts["code"] == code]
        yield (
            f"expected {_named(where)} to have this program's code, package {PACKAGE} with SHA-256 "
            f"{ours['code'][:SHOWN]}, or none, got {code[:SHOWN]}; install the same version there, or remove it: a run "
            "then brings its own code"
        )
    for number, path in enumerate(reads):
        for wrong, got in ((True, node.NOTHING), (False, "other files")):
            seen = {address: facts["reads"][number] for address, facts in theirs.items()}
            where = [a for a, it in seen.items() if it != ours["reads"][number] and (it == node.NOTHING) == wrong]
            if where:
                yield f"expected {_named(where)} to see {path} as this machine does, got {got}; {_SHARED}"
    unseen = [address for address, facts in theirs.items() if facts["folder"] != ours["folder"]]
    if unseen:
        yield f"expected {_named(unseen)} to see the run's folder {folder}, got another folder or none; {_SHARED}"
    for address in sorted(theirs.keys() - set(unseen)):
        if reason := theirs[address]["writes"]:
            yield f"expected node {address} to write to the run's folder {folder}, got: {reason}; make it writable"


def _named(addresses: Sequence[str]) -> str:
    return f"{'node' if len(addresses) == 1 else 'nodes'} {', '.join(sorted(addresses))}"
