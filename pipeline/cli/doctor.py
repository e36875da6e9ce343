"""`segnet doctor`."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from datetime import timedelta
from itertools import chain
from typing import Annotated

import typer

from pipeline import params
from pipeline.cluster import doctor as checks
from pipeline.cluster.jobs import Jobs
from pipeline.files import repository, storage_trial
from pipeline.files.storage import Storage
from pipeline.files.storage_address import chosen_address
from pipeline.files.terminal import complain, say, say_json
from pipeline.params import Params
from pipeline.params.dataset import CamvidDataset, FolderDataset
from pipeline.tracking import reached, round_trip, store

_PATIENCE = timedelta(seconds=20)  # with a storage


def doctor(
    *,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    address: Annotated[
        str | None,
        typer.Option(
            envvar="RAY_ADDRESS", help="HOST:PORT of a Ray cluster's head, or its dashboard, http://HOST:8265."
        ),
    ] = None,
    megabytes: Annotated[int, typer.Option(min=1, help="Size of the file that MLflow's store is tried with.")] = 200,
) -> None:
    """Check beforehand what would make the pipeline fail on this machine or a cluster; each failure names its fix.

    With a dashboard's address, a job checks the head and the nodes, as segnet submit would use them. If a check fails,
    the exit code is 1. Nothing that it writes stays, but a deleted run in MLflow's store.
    """
    if address and not address.startswith("http"):
        os.environ["RAY_ADDRESS"] = address  # the store must then be a server's, as in a training there
    results = []
    for result in chain(
        checks.examine(_checks(megabytes)), checks.unbroken("cluster", _on_cluster(address, megabytes))
    ):
        results.append(result)
        if not json:
            first, *others = result.detail.splitlines()
            say(f"{'ok' if result.ok else 'FAILS':6} {result.name}: {first}", *(f"       {line}" for line in others))
            if not result.ok:
                say(f"       fix: {result.fix}")
    failed = [result.name for result in results if not result.ok]
    if json:
        say_json({"ok": not failed, "checks": [asdict(result) for result in results]})
    if failed:
        complain(f"segnet: {len(failed)} of {len(results)} checks fail: {', '.join(failed)}")
        raise typer.Exit(1)


def _checks(megabytes: int) -> Mapping[str, Callable[[], str]]:
    return {
        "packages": checks.packages,
        "params": _params,
        "data set": _data_set,
        "git": checks.git,
        "dvc": checks.dvc,
        "memory": checks.memory,
        "shared memory": checks.shared_memory,
        "disk": checks.disk,
        "sockets": checks.sockets,
        "GPUs": checks.gpus,
        "MLflow": lambda: _store(megabytes),
    }


def _store(megabytes: int) -> str:
    """Check that MLflow's store does all that is asked of it."""
    uri = store.run_address()
    try:
        return round_trip.round_trip(uri, megabytes)
    except Exception as err:
        if (said := reached.explained(err)) is err:
            raise
        raise said from err


def _on_cluster(address: str | None, megabytes: int) -> Iterator[checks.Result]:
    if not address:
        return _storage("storage")
    return _by_job(address, megabytes) if address.startswith("http") else _on_nodes(address)


def _by_job(address: str, megabytes: int) -> Iterator[checks.Result]:
    """Yield what a job finds at a cluster's head and nodes, and whether this machine reaches the storage."""
    from pipeline.cluster import doctor_job  # imported here, as all that talks to a head

    results = list[checks.Result]()

    def ask() -> str:
        storage = chosen_address(_settings().storage.address)
        results.extend(doctor_job.results(Jobs(address), storage, megabytes))
        return f"{address} runs jobs"

    yield from checks.examine({"jobs": ask})
    yield from results
    yield from _storage("storage from here")


def _storage(name: str) -> Iterator[checks.Result]:
    """Yield, as a check of that name, whether this machine can use the storage; nothing if there is none."""
    try:
        address = chosen_address(params.load().storage.address)
    except params.ParamsError:  # which a check of their own tells
        return
    if address is not None:
        yield from checks.examine({name: lambda: _tried(address)})


def _tried(address: str) -> str:
    storage_trial.try_out(Storage(address, patience=_PATIENCE))
    return f"{address}, written, read and removed"


def _on_nodes(address: str) -> Iterator[checks.Result]:
    """Yield the results of the checks on a cluster's nodes, if it can be reached."""
    from pipeline.cluster import doctor_nodes, probes  # imported here, since they import Ray

    with ExitStack() as stack:
        clusters = []

        def join() -> str:
            settings = _settings()
            cluster = stack.enter_context(probes.connected(address, settings.placement))
            clusters.append((cluster, stack.enter_context(cluster.probed()), settings.storage))
            return f"{len(cluster.hosts)} nodes for workers, head at {address}"

        yield from checks.examine({"cluster": join})
        for cluster, asked, storage in clusters:
            yield from checks.examine(
                doctor_nodes.checks(cluster, asked, chosen_address(storage.address), storage.cache)
            )


def _settings() -> Params:
    """Return the params; what is wrong with them, a check of their own tells."""
    try:
        return params.load()
    except params.ParamsError as err:
        raise checks.CheckError("not known without params.yaml", "correct params.yaml first") from err


def _params() -> str:
    settings = params.load()
    return f"{settings.model.name} on {settings.dataset.name}, {settings.train.epochs} epochs"


def _data_set() -> str:
    """Check that the images are available."""
    from pipeline.data import camvid, object_store  # here: what fetches files takes a third of a second to import

    match _settings().dataset:
        case CamvidDataset():
            return camvid.available()
        case FolderDataset(path=path) if "://" in path:
            return object_store.available(path)
        case FolderDataset(path=path):
            if not repository.user_path(path).is_dir():
                raise checks.CheckError(f"no folder {path}", "correct dataset.path in params.yaml")
            return f"in {path}"
        case other:
            return f"{other.name}, which the program draws"
