"""Running a function on N workers with Ray Train, and passing on what they report: the one file that imports ray."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from pipeline.files import atomic
from pipeline.files.checkpoint import Metrics

# Read when Ray is imported or started; what the user has set wins.
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",  # at its default of 2 s, each report() blocks the workers for 1.8 s
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",  # prints would appear twice
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the old default warns
}
# A local cluster ends with its driver and listens on loopback; a token file in the home folder would lock others out.
_LOCAL_ENVIRONMENT = {"RAY_AUTH_MODE": "disabled"}
_STORE_BYTES = 150_000_000  # Ray's object store carries reports, not data


Listener = Callable[[Metrics], None]


class Function(Protocol):
    """What runs on each worker; see pipeline.train.fit."""

    def __call__(
        self,
        job: Any,
        *,
        report: Callable[[Metrics, Path | None], None],
        progress: Listener,
        state: Path | None,
        device: Any,
    ) -> None:
        """Work, and report after each epoch, every worker alike."""


@dataclass(frozen=True)
class Plan:
    """Where and on how many workers a function runs."""

    name: str
    """Of the run, below `storage`."""
    storage: Path
    """Folder that all nodes see, where the states lie."""
    num_workers: int | Literal["auto"]
    """auto: one for each GPU of the cluster, or one where there is none."""
    max_failures: int
    """How often lost workers are started again."""


class ClusterError(RuntimeError):
    """The workers cannot be had, or failed more often than allowed; the message holds their first error."""


def run(
    function: Function,
    job: Any,
    plan: Plan,
    *,
    on_report: Listener,
    on_progress: Listener,
) -> Path:
    """Run `function` on workers until it ends; return a folder that holds its last reported state.

    The cluster is the one that RAY_ADDRESS names, or one of this machine's own for as long as it is needed. A run of
    the same name and storage goes on from its last state; a finished one returns it at once.

    Args:
        function: called once in each worker, inside torch's process group (nccl with GPUs, else gloo).
        job: its first argument.
        plan: where and on how many workers.
        on_report: called in this process, in a thread of its own, with the metrics of each epoch whose state is
            stored. An error of it, or of `on_progress`, ends the calls, and is raised when the state
            is there.
        on_progress: likewise, about once a second.

    Raises:
        ClusterError: the cluster lacks the resources, or a worker failed once too often.
    """
    local = "RAY_ADDRESS" not in os.environ
    for key, value in {**_ENVIRONMENT, **(_LOCAL_ENVIRONMENT if local else {})}.items():
        os.environ.setdefault(key, value)
    import ray

    own = {"num_cpus": os.cpu_count(), "include_dashboard": False, "object_store_memory": _STORE_BYTES} if local else {}
    ray.init(address="local" if local else None, log_to_driver=False, logging_level="ERROR", **own)
    try:
        share = _share(ray.nodes(), plan.num_workers)
        last, error = _fit(function, job, plan, share, (on_report, on_progress))
        state = plan.storage / plan.name / "state"
        with atomic.replacing(state) as temporary:
            last.to_directory(str(temporary))
    finally:
        ray.shutdown()
    if error:
        raise error
    return state


def _fit(
    function: Function, job: Any, plan: Plan, share: "_Share", listeners: tuple[Listener, Listener]
) -> tuple[Any, Exception | None]:
    """Train; return Ray's last checkpoint, and the error that ended the listeners' calls, if any."""
    from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer
    from ray.train.v2.api.exceptions import TrainingFailedError
    from ray.util.queue import Queue

    queue = Queue(actor_options={"num_cpus": 0})
    resources = {"CPU": share.cpus, **({"GPU": 1} if share.use_gpu else {})}
    trainer = TorchTrainer(
        _on_worker,
        train_loop_config={"function": function, "job": job, "queue": queue, "threads": share.cpus},
        scaling_config=ScalingConfig(num_workers=share.workers, use_gpu=share.use_gpu, resources_per_worker=resources),
        run_config=RunConfig(
            name=plan.name,
            storage_path=str(plan.storage.resolve()),
            failure_config=FailureConfig(max_failures=plan.max_failures),
            checkpoint_config=CheckpointConfig(num_to_keep=2),
        ),
    )
    with ThreadPoolExecutor(1) as threads:
        listening = threads.submit(_listen, queue, *listeners)
        try:
            last = trainer.fit().checkpoint
        except TrainingFailedError as err:
            raise ClusterError(_first_cause(err)) from err
        finally:
            queue.put(None)
    if last is None:
        raise ClusterError("expected the workers to report a state, got none; does the function report?")
    return last, listening.result()


@dataclass(frozen=True)
class _Share:
    """How the cluster is shared out."""

    workers: int
    cpus: int
    """Of each worker."""
    use_gpu: bool
    """Whether each has one."""


def _share(nodes: list[dict[str, Any]], num_workers: int | Literal["auto"]) -> _Share:
    """Return how the alive nodes are shared out."""
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    gpus = int(sum(node.get("GPU", 0) for node in alive))
    workers = (gpus or 1) if num_workers == "auto" else num_workers
    if gpus and workers > gpus:
        raise ClusterError(f"train.num_workers: expected at most the cluster's {gpus} GPUs, got {workers}")
    slots = [node.get("GPU", 0) if gpus else node.get("CPU", 0) for node in alive]
    if workers > sum(slots):
        raise ClusterError(f"train.num_workers: expected at most the cluster's {sum(slots):g} CPUs, got {workers}")
    # The fullest node decides: workers are alike, and Ray may place as many on a node as it has slots.
    per_node = -(-workers // sum(1 for slot in slots if slot))
    cpus = min(int(node.get("CPU", 0) // per_node) for node, slot in zip(alive, slots, strict=True) if slot)
    return _Share(workers, max(1, cpus), bool(gpus))


def _on_worker(config: dict[str, Any]) -> None:
    """Run the function in a Ray worker."""
    import ray.train
    import torch
    from ray.train.torch import get_device

    torch.set_num_threads(config["threads"])  # Ray sets OMP_NUM_THREADS=1
    queue = config["queue"]
    first = ray.train.get_context().get_world_rank() == 0

    def report(metrics: Metrics, folder: Path | None) -> None:
        checkpoint = None if folder is None else ray.train.Checkpoint.from_directory(str(folder))
        ray.train.report(metrics, checkpoint=checkpoint)
        if first:  # after the state is stored: what is reported can be gone on from
            queue.put(("report", metrics))

    def progress(metrics: Metrics) -> None:
        queue.put(("progress", metrics))

    saved = ray.train.get_checkpoint()
    call = config["function"]
    if saved is None:
        call(config["job"], report=report, progress=progress, state=None, device=get_device())
    else:
        with saved.as_directory() as folder:
            call(config["job"], report=report, progress=progress, state=Path(folder), device=get_device())


def _listen(queue: Any, on_report: Listener, on_progress: Listener) -> Exception | None:
    """Pass on what the first worker sends, until None comes; return the error that ended it earlier, if any."""
    error: Exception | None = None
    while (message := queue.get()) is not None:
        kind, metrics = message
        try:
            if error is None:
                (on_report if kind == "report" else on_progress)(metrics)
        except Exception as err:  # whatever it is: training goes on, and its result is kept
            error = err
    return error


def _first_cause(err: Any) -> str:
    """Return the workers' first own error in one line, as far as Ray kept it."""
    failures = getattr(err, "worker_failures", {})
    for rank, failure in sorted(failures.items()):
        return f"worker {rank}: {type(failure).__name__}: {failure}"
    return str(err)
