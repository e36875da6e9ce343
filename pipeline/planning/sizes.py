"""Tile, scale, batch and epochs for images of given sizes on a given machine."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, prod

from pipeline.core.tiles import origins
from pipeline.files import cores
from pipeline.params.section import SMALLEST

_SCALES = (1.0, 0.75, 0.5, 0.375, 0.25, 0.125)
_CPU_PIXELS = 250_000
"""Trained a second by a core: 41 images of 128 x 96 on two, SegNet at a quarter of its width (decisions/layout.md)."""
_CPU_SECONDS, _CPU_EPOCHS = 600, (10, 30, 100)  # the training's time; fewest, wanted and most epochs
_GPU_STEPS, _GPU_EPOCHS = 6000, (20, 200)
_BYTES_PER_PIXEL = 8000  # SegNet in training: 6803 MB for 5 images of 360 x 480 (the paper's Table 6)
_WHOLE = {"cpu": 200_000, "gpu": 600_000}  # pixels up to which an image is one tile
_TILE = {"cpu": 256, "gpu": 512}
LEAST_SIDE = 96
"""Pixels that the shorter side of an image keeps."""


@dataclass(frozen=True)
class Machine:
    """What trains."""

    cores: int
    gpus: int
    gpu_bytes: int
    """Memory of the smallest GPU; 0 without one."""

    @property
    def kind(self) -> str:
        """Return gpu or cpu."""
        return "gpu" if self.gpus else "cpu"

    def __str__(self) -> str:
        """Return it in words."""
        if self.gpus:
            return f"{self.gpus} GPU{'s' if self.gpus > 1 else ''} of {self.gpu_bytes / 1e9:.0f} GB"
        return f"{self.cores} core{'s' if self.cores > 1 else ''}"


@dataclass(frozen=True)
class Sizes:
    """Values of the sections tile, model and train."""

    scale: float
    height: int
    width: int
    stride_y: int
    stride_x: int
    tiles: int
    """About how many training tiles there are."""
    batch_size: int
    epochs: int
    model_width: float
    is_whole: bool
    """Whether a tile is an entire image."""
    effort: str
    """What a training of so many epochs takes, in words."""


def this_machine() -> Machine:
    """Return what this process may use."""
    import torch  # takes a second

    gpus = torch.cuda.device_count()
    memory = min((torch.cuda.get_device_properties(i).total_memory for i in range(gpus)), default=0)
    return Machine(len(cores.usable()), gpus, memory)


def propose(sizes: Sequence[tuple[int, int]], num_training: int, machine: Machine) -> Sizes:
    """Return sizes with which a training takes minutes on cores, and as much detail as fits on GPUs.

    Args:
        sizes: height and width of images, pixels.
        num_training: how many training images there are.
        machine: what trains.
    """
    scale = next((each for each in _SCALES if _fits(sizes, num_training, each, machine)), _SCALES[-1])
    scale = max(scale, min(1.0, next((s for s in reversed(_SCALES) if _shortest(sizes, s) >= LEAST_SIDE), 1.0)))
    height, width, is_whole = _tile(sizes, scale, machine)
    stride_y, stride_x = (_stride([size[axis] for size in sizes], scale, (height, width)[axis]) for axis in (0, 1))
    tiles = max(1, round(num_training * _mean_tiles(sizes, scale, (height, width), (stride_y, stride_x))))
    batch = _batch(height * width, tiles, machine)
    seconds = tiles * height * width / (_CPU_PIXELS * machine.cores)
    if machine.gpus:
        epochs = min(max(_GPU_STEPS * batch // tiles, _GPU_EPOCHS[0]), _GPU_EPOCHS[1])
        effort = f"{epochs * max(1, tiles // batch)} steps"
    else:
        epochs = min(max(int(_CPU_SECONDS / seconds), _CPU_EPOCHS[0]), _CPU_EPOCHS[2])
        effort = f"{max(1, round(seconds * epochs / 60))} min of training at the usual speed"
    network_width = 1.0 if machine.gpus else 0.25
    return Sizes(scale, height, width, stride_y, stride_x, tiles, batch, epochs, network_width, is_whole, effort)


def _fits(sizes: Sequence[tuple[int, int]], num_training: int, scale: float, machine: Machine) -> bool:
    if machine.gpus:
        return True
    pixels = sum(height * width for height, width in sizes) / len(sizes) * scale**2 * num_training
    return pixels * _CPU_EPOCHS[1] <= _CPU_PIXELS * machine.cores * _CPU_SECONDS


def _shortest(sizes: Sequence[tuple[int, int]], scale: float) -> float:
    return min(min(size) for size in sizes) * scale


def _tile(sizes: Sequence[tuple[int, int]], scale: float, machine: Machine) -> tuple[int, int, bool]:
    """Return height and width of a tile, and whether it is an entire image."""
    scaled = Counter((max(1, round(height * scale)), max(1, round(width * scale))) for height, width in sizes)
    height, width = (max(size[axis] for size in scaled) for axis in (0, 1))
    if len(scaled) == 1 and height * width <= _WHOLE[machine.kind]:
        return max(height, SMALLEST), max(width, SMALLEST), True
    most = _TILE[machine.kind]
    return min(most, _up(height)), min(most, _up(width)), False


def _up(side: int) -> int:
    return max(SMALLEST, ceil(side / 32) * 32)


def _stride(sides: Sequence[int], scale: float, tile: int) -> int:
    """Return the stride along one axis.

    Where all images are alike, it is one with which as few tiles as cover an image end at its edge: with a fixed
    overlap, half of the tiles may be little more than padding.
    """
    longest = round(max(sides) * scale)
    if longest <= tile:
        return tile
    if len(set(sides)) > 1:
        return tile * 3 // 4
    return ceil((longest - tile) / (ceil(longest / tile) - 1))


def _mean_tiles(
    sizes: Sequence[tuple[int, int]], scale: float, tile: tuple[int, int], stride: tuple[int, int]
) -> float:
    """Return how many tiles an image has on average."""
    counts = [
        prod(len(origins(round(size[axis] * scale), tile[axis], stride[axis])) for axis in (0, 1)) for size in sizes
    ]
    return sum(counts) / len(counts)


def _batch(pixels: int, tiles: int, machine: Machine) -> int:
    """Return the batch size, a multiple of the number of GPUs."""
    workers = max(1, machine.gpus)
    if not machine.gpus:
        return min(4, max(1, tiles // 2))
    room = int(machine.gpu_bytes * 0.7 / (pixels * _BYTES_PER_PIXEL))
    return workers * max(1, min(16 // workers or 1, room, max(1, tiles // (4 * workers))))
