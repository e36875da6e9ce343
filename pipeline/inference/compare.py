"""What networks cost, measured side by side on this machine: the columns of the paper's Tables 6 and 1.

Each network runs in its own process, so that none is affected by what another left in memory or caches.
"""

import ctypes
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from pipeline.core.fuse import fold
from pipeline.core.models import MODELS, on_gpus

NUM_CLASSES = 11
_INFERENCE_BATCH, _TRAINING_BATCH = 1, 4  # Table 6
_M_MMAP_THRESHOLD = -3  # malloc.h


@dataclass(frozen=True)
class Subject:
    """A network to measure. Its functions must be picklable: they are sent to another process."""

    build: Callable[[int, float], nn.Module]
    """From number of classes and width to the network."""
    prepare: Callable[[nn.Module], nn.Module]
    """Prepares the network for inference."""
    memory_format: torch.memory_format


@dataclass(frozen=True)
class Setting:
    """How to measure."""

    height: int
    """Of the images, pixels."""
    width: int
    """Of the images, pixels."""
    channels: float
    """Factor on every channel count of the networks."""
    repeats: int
    """Runs of each timing; the fastest counts, as the one least disturbed by other processes."""
    device: str
    """cpu, or cuda."""


@dataclass(frozen=True)
class Cost:
    """What a network costs."""

    parameters: int
    model_mb: float
    """Of the float32 parameters and statistics."""
    gmacs: float
    """Multiply-accumulate operations in convolutions and matrix products, for one image, in billions (1e9)."""
    forward_ms: float
    """Inference of one image."""
    backward_ms: float
    """Backward pass of one image, in training."""
    inference_mb: float
    """Peak memory of the inference of one image, above the model's."""
    training_mb: float
    """Peak memory of a training step of four images, above the model's."""
    index_bytes: int
    """Saved per image for unpooling: of all tensors saved for the backward pass, the integer ones."""
    matrix_share: float
    """Multiplication rate of inference as a fraction of that of a 2048 x 2048 float32 matrix product."""


def subject(name: str) -> Subject:
    """Return the network `name` of MODELS as prediction uses it: folded, and in channels_last.

    Raises:
        ValueError: there is no such network.
    """
    if name not in MODELS:
        raise ValueError(f"expected one of {', '.join(MODELS)}, got {name}")
    return Subject(MODELS[name], fold, torch.channels_last)


def run(subjects: Mapping[str, Subject], setting: Setting) -> Iterator[tuple[str, Cost]]:
    """Yield each subject's name and cost, as soon as it is measured.

    Raises:
        ValueError: the networks do not support the image size or width, or the device is not available.
    """
    if min(setting.height, setting.width) < 32 or not 0 < setting.channels <= 4 or setting.repeats < 1:
        raise ValueError(f"expected images of at least 32x32, channels in (0, 4] and repeats >= 1, got {setting}")
    if setting.device not in ("cpu", "cuda"):
        raise ValueError(f"expected cpu or cuda as device, got {setting.device}; correct it")
    if setting.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("expected a GPU for device cuda, got none; choose cpu")
    for name, candidate in subjects.items():
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            yield name, pool.submit(measure, candidate, setting).result()


def measure(subject: Subject, setting: Setting) -> Cost:
    """Return what a network costs; call it in a process that has not computed anything before."""
    with on_gpus.products():
        return _measure(subject, setting)


def _measure(subject: Subject, setting: Setting) -> Cost:
    torch.manual_seed(1)
    device = torch.device(setting.device)
    model = subject.build(NUM_CLASSES, setting.channels).to(device)
    gmacs = _gmacs(subject, setting)
    ready = subject.prepare(model.eval()).to(memory_format=subject.memory_format)  # type: ignore[call-overload]
    images = _images(_TRAINING_BATCH, subject, setting)
    one = images[:_INFERENCE_BATCH]
    with torch.inference_mode():
        ready(one[:, :, :32, :32])  # warm-up: the first call loads libraries
        forward_ms = 1000 * _seconds(lambda: ready(one), setting)
    model = model.train().to(memory_format=subject.memory_format)  # type: ignore[call-overload]  # missing in its stub
    backward_ms, index_bytes = _backward_ms(model, one, setting), _index_bytes(model, one)
    _map_tensors()
    ready.eval()
    with torch.inference_mode():
        inference_mb = min(_peak_mb(lambda: ready(one), device) for _ in range(3))
    model.train()
    return Cost(
        parameters=sum(p.numel() for p in model.parameters()),
        model_mb=sum(t.nbytes for t in model.state_dict().values() if t.is_floating_point()) / 1e6,
        gmacs=gmacs,
        forward_ms=forward_ms,
        backward_ms=backward_ms,
        inference_mb=inference_mb,
        training_mb=_peak_mb(lambda: _step(model, images), device),
        index_bytes=index_bytes,
        matrix_share=2 * gmacs / (forward_ms / 1000) / _matrix_gflops(setting),
    )


def _images(num: int, subject: Subject, setting: Setting) -> Tensor:
    shape = (num, 3, setting.height, setting.width)
    images = torch.randint(256, shape, generator=torch.Generator().manual_seed(1)).float()
    return images.to(setting.device).contiguous(memory_format=subject.memory_format)


def _gmacs(subject: Subject, setting: Setting) -> float:
    """Count on PyTorch's meta device, which computes only shapes."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        subject.build(NUM_CLASSES, setting.channels).eval()(torch.zeros(1, 3, setting.height, setting.width))
    return float(counter.get_total_flops() / 2 / 1e9)


def _step(model: nn.Module, images: Tensor) -> None:
    _loss(model, images).backward()  # type: ignore[no-untyped-call]
    model.zero_grad(set_to_none=True)


def _loss(model: nn.Module, images: Tensor) -> Tensor:
    logits = model(images)
    return F.cross_entropy(logits, torch.zeros(len(images), *logits.shape[2:], dtype=torch.long, device=logits.device))


def _index_bytes(model: nn.Module, images: Tensor) -> int:
    bytes_by_address: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        if tensor.dtype in (torch.uint8, torch.int64) and tensor.ndim == 4:
            bytes_by_address[tensor.data_ptr()] = tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        _loss(model, images)
    return sum(bytes_by_address.values())


def _map_tensors() -> None:
    """Return allocations of a megabyte or more to the system when freed, so that memory in use is memory needed.

    glibc's own threshold grows with what was freed before. This slows down computation: not for timings.
    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 2**20)


def _peak_mb(compute: Callable[[], object], device: torch.device) -> float:
    """Return the peak increase of memory in use while `compute` runs; NaN where the system does not report it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        compute()
        return (torch.cuda.max_memory_allocated(device) - before) / 1e6
    if not sys.platform.startswith("linux"):
        compute()
        return float("nan")
    ctypes.CDLL(None).malloc_trim(0)  # returns freed memory, whose reuse would go unnoticed
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM, the peak resident size
    at_rest = _status_mb("VmRSS")
    compute()
    return _status_mb("VmHWM") - at_rest


def _status_mb(key: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(key + ":"))


def _seconds(compute: Callable[[], object], setting: Setting) -> float:
    return min(_timed(compute, torch.device(setting.device)) for _ in range(setting.repeats))


def _timed(compute: Callable[[], object], device: torch.device) -> float:
    _wait(device)
    start = time.perf_counter()
    compute()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _backward_ms(model: nn.Module, images: Tensor, setting: Setting) -> float:
    def seconds() -> float:
        loss = _loss(model, images)
        duration = _timed(loss.backward, images.device)
        model.zero_grad(set_to_none=True)
        return duration

    return 1000 * min(seconds() for _ in range(setting.repeats))


def _matrix_gflops(setting: Setting) -> float:
    """Return the device's best rate in products of two float32 matrices, in billions (1e9) of operations per second."""
    a = torch.ones(2048, 2048, device=setting.device)
    torch.mm(a, a)
    return 2 * 2048**3 / min(_timed(lambda: torch.mm(a, a), a.device) for _ in range(10)) / 1e9
