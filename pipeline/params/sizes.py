"""What a training step sees of a tile: the rules of the sections tile and train together."""

from pipeline.params.section import SMALLEST
from pipeline.params.training import Train


def check_sizes(tile: tuple[int, int], train: Train) -> None:
    """Check that crops and early phases fit tiles of a height and width.

    Raises:
        ValueError: the crop is larger than a tile, tiles are to be turned but are not square, or what a step sees in
            an early phase is smaller than the networks take.
    """
    seen = train.crop or tile
    if seen[0] > tile[0] or seen[1] > tile[1]:
        raise ValueError(
            f"train.crop: expected at most the {tile[0]} x {tile[1]} pixels of a tile, got {seen[0]} x {seen[1]}; "
            "lower it, or raise tile.height and tile.width"
        )
    if train.turns and seen[0] != seen[1]:
        raise ValueError(
            f"train.turns: expected square tiles or crops, got {seen[0]} x {seen[1]} pixels; set train.crop to "
            f"[{min(seen)}, {min(seen)}], or train.turns to false"
        )
    for i, phase in enumerate(train.early_phases):
        height, width = (round(side * phase.scale) for side in seen)
        if min(height, width) < SMALLEST:
            raise ValueError(
                f"train.early_phases.{i}.scale: expected at least {SMALLEST} x {SMALLEST} pixels, got {height} x "
                f"{width} at scale {phase.scale:g}; raise it"
            )
