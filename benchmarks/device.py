"""What the benchmarks on a GPU share: where to measure, how large, and how time and memory are taken."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from benchmarks.models import UsualSegNet
from pipeline.core.models import MODELS

CLASSES = 11
LAST = torch.channels_last


@dataclass(frozen=True)
class Bench:
    """Where to measure, and how large; `dry`: tiny and on the CPU, to see that everything runs."""

    dry: bool

    @property
    def device(self) -> torch.device:
        """Where to compute."""
        return torch.device("cpu" if self.dry else "cuda")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of images."""
        return (32, 64) if self.dry else (360, 480)

    @property
    def width(self) -> float:
        """Factor on the network's channels."""
        return 1 / 16 if self.dry else 1.0

    @property
    def levels(self) -> tuple[tuple[int, int, int], ...]:
        """Channels, height and width of what SegNet's levels compute; of one, and small, in a dry run.

        A processor without instructions for bfloat16 is slow at it: 1.3 GFLOP/s in a product of matrices.
        """
        if self.dry:
            return ((16, 8, 12),)
        return (64, 360, 480), (128, 180, 240), (256, 90, 120), (512, 45, 60), (512, 23, 30)

    @contextmanager
    def group(self) -> Iterator[None]:
        """Be in a process group of this process alone, whose messages go the way that workers' do."""
        backend = "gloo" if self.dry else "nccl"
        store = dist.HashStore()  # type: ignore[attr-defined]  # missing in its list of names
        dist.init_process_group(backend, store=store, rank=0, world_size=1)
        try:
            yield
        finally:
            dist.destroy_process_group()

    def wait(self) -> None:
        """Wait for the device."""
        if not self.dry:
            torch.cuda.synchronize()

    def milliseconds(self, action: Callable[[], object], repeats: int = 20) -> float:
        """Return the median of three means over `repeats` calls that do not wait for each other, as in training."""
        times, repeats = [], 2 if self.dry else repeats
        for _ in range(2 if self.dry else 5):
            action()
        for _ in range(3):
            self.wait()
            began = time.perf_counter()
            for _ in range(repeats):
                action()
            self.wait()
            times.append(1000 * (time.perf_counter() - began) / repeats)
        return statistics.median(times)

    def megabytes(self, action: Callable[[], object]) -> float:
        """Return the peak of the allocated memory during a call."""
        if self.dry:
            return 0.0
        torch.cuda.reset_peak_memory_stats()
        action()
        return torch.cuda.max_memory_allocated() / 1e6

    def compiled(self, action: Callable[..., Any]) -> Callable[..., Any]:
        """Return it compiled for the sizes that it is called with, as training does; as it is in a dry run."""
        return action if self.dry else torch.compile(action, dynamic=False)

    def batch(self, num: int) -> tuple[Tensor, Tensor]:
        """Return random images in channels_last and masks, of which a twelfth is void."""
        generator = torch.Generator(self.device).manual_seed(1)
        images = torch.rand(num, 3, *self.size, device=self.device, generator=generator) * 255
        masks = torch.randint(0, CLASSES + 1, (num, *self.size), device=self.device, generator=generator)
        return images.contiguous(memory_format=LAST), masks

    def network(self, name: str = "segnet") -> nn.Module:
        """Return a network of this project, or "usual": SegNet with nn.MaxUnpool2d, in PyTorch's own memory format."""
        torch.manual_seed(1)
        if name == "usual":
            return UsualSegNet(CLASSES, self.width).to(self.device)
        return MODELS[name](CLASSES, self.width).to(self.device).to(memory_format=LAST)  # type: ignore[call-overload,no-any-return]
