"""The error of a training that all workers meet."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class TrainingError(ValueError):
    """Training cannot continue, for a reason that occurs on all workers at the same step: retrying will not help."""


@contextmanager
def enough_for_normalisation(
    images: "Tensor",
    param: str = "train.batch_size",
    more: str = "a worker's part, train.batch_size / (workers x train.accumulation)",
) -> Iterator[None]:
    """Explain why batch normalisation refuses images (N, 3, H, W) of which a layer sees one value per channel.

    `param` decides how many images there are, and `more` is what to raise for more of them.

    Raises:
        TrainingError: it does.
    """
    try:
        yield
    except ValueError as err:
        if "more than 1 value per channel" not in str(err):
            raise
        count, _, height, width = images.shape
        raise TrainingError(
            f"{param}: expected more than one value per channel in batch normalisation, got one: the network "
            f"reduces {count} tile of {height} x {width} pixels at a time to 1 x 1; raise tile.height and tile.width, "
            f"or {more}"
        ) from err
