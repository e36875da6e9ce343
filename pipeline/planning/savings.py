"""Which values of params.yaml would make the pipeline faster, and by how much: arithmetic on what was measured.

A step is taken to last as long as its pixels are many, an epoch as long as any other of its size, and evaluation as
long as the pixels that it predicts are many. Nothing is timed for this.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, prod

from pydantic import ValidationError

from pipeline.artifacts.manifest import Manifest
from pipeline.core.tiles import origins
from pipeline.params import Params
from pipeline.planning.sizes import LEAST_SIDE
from pipeline.training import estimate

_LEAST, _MOST = 0.1, 4  # of the whole time, that a saving is worth; savings
_SMALL = "thin and small objects suffer first; a crop and weed set had mIoU 0.533 in place of 0.538 (docs/results.md)"
_FEWER = "the built-in scenes have mIoU 0.475 after 20 epochs, 0.532 after 36 (docs/results.md)"
_RARELY = "fewer epochs to take the best from"
_SEAMS = "less context at the windows' edges; what it costs in accuracy is not measured"
_MIRROR = "without mirror images, CamVid had mIoU 0.388 in place of 0.398 (docs/results.md)"
_ONE_SIZE = "at one size in place of two, CamVid had mIoU 0.398 in place of 0.408 (docs/results.md)"
_CERTAIN = "no uncertainty is computed"
Values = Mapping[str, object]


@dataclass(frozen=True)
class Effort:
    """What a run of the pipeline has to compute, or the ratio of two such runs."""

    tiles: float
    """Of an image, on average, in training."""
    tile_pixels: float
    """Of a tile, as a step sees it."""
    predicted_pixels: float
    """Of a scored image, on average, in all windows and passes."""

    def __truediv__(self, other: "Effort") -> "Effort":
        """Return the ratios."""
        return Effort(
            self.tiles / other.tiles,
            self.tile_pixels / other.tile_pixels,
            self.predicted_pixels / other.predicted_pixels,
        )


@dataclass(frozen=True)
class Saving:
    """Other values, what the stages would take with them, and what that may cost."""

    values: Mapping[str, tuple[object, object]]
    """By key of params.yaml: the value now, and the other one."""
    minutes: Mapping[str, float]
    """Of the stages that would be faster, by estimate."""
    loses: str
    """In accuracy, in words."""


def effort(settings: Params, manifest: Manifest) -> Effort:
    """Return what training and evaluation compute for the images of a manifest, of which both splits have some."""
    cut, options = settings.tile, settings.evaluate
    tile, stride = (cut.height, cut.width), (cut.stride_y, cut.stride_x)
    step = max(1, round(tile[0] * (1 - options.overlap))), max(1, round(tile[1] * (1 - options.overlap)))
    passes = sum(scale**2 for scale in options.scales) * (2 if options.flip else 1) * max(1, options.samples)
    scored = [
        _number(size, tile, step) * min(tile[0], size[0]) * min(tile[1], size[1])
        for size in _scaled(manifest, manifest.scored_split, cut.scale)
    ]
    return Effort(
        _mean([_number(size, tile, stride) for size in _scaled(manifest, "train", cut.scale)]),
        prod(settings.train.crop or tile),
        _mean(scored) * passes,
    )


def propose(
    settings: Params, manifest: Manifest, minutes: Callable[[Params, Effort], Mapping[str, float]]
) -> tuple[Saving, ...]:
    """Return up to four changes of values that each save a tenth of the whole time or more, the largest first.

    Of what takes ten minutes or less, nothing is returned.

    Args:
        settings: the params now.
        manifest: images of each split.
        minutes: returns the minutes of each stage with other params, and with so many times the effort.
    """
    now, own = effort(settings, manifest), settings.model_dump(mode="json", by_alias=True)
    whole = minutes(settings, Effort(1, 1, 1))
    if sum(whole.values()) <= estimate.PATIENCE / 60:
        return ()
    savings: list[tuple[float, Saving]] = []
    for values, loses in _candidates(settings, manifest, now):
        changed = _changed(own, values)
        if changed is None:
            continue
        then = minutes(changed, effort(changed, manifest) / now)
        less = {stage: then[stage] for stage in whole if then[stage] < 0.99 * whole[stage]}
        saved = sum(whole.values()) - sum(then.values())
        if saved >= _LEAST * sum(whole.values()):
            both = {key: (_value(own, key), value) for key, value in values.items()}
            savings.append((saved, Saving(both, less, loses)))
    savings.sort(key=lambda each: -each[0])
    return tuple(saving for _, saving in savings[:_MOST])


def _candidates(settings: Params, manifest: Manifest, now: Effort) -> list[tuple[Values, str]]:
    train, options = settings.train, settings.evaluate
    candidates: list[tuple[Values, str]] = [({"train.epochs": train.epochs // 2}, _FEWER)]
    if train.epochs_per_validation < 5 <= train.epochs / 2:
        candidates.append(({"train.epochs_per_validation": 5}, _RARELY))
    scale = settings.tile.scale / 2
    if min(map(min, _scaled(manifest, "train", scale))) >= LEAST_SIDE:
        candidates.append(({"tile.scale": scale, **(_halved(settings) if now.tiles == 1 else {})}, _SMALL))
    if options.overlap:
        candidates.append(({"evaluate.overlap": 0.0}, _SEAMS))
    if options.flip:
        candidates.append(({"evaluate.flip": False}, _MIRROR))
    if options.scales != (1.0,):
        candidates.append(({"evaluate.scales": [1.0]}, _ONE_SIZE))
    if options.samples > 1:
        candidates.append(({"evaluate.samples": 0}, _CERTAIN))
    return candidates


def _halved(settings: Params) -> Values:
    """Return half the sides, for tiles that are entire images: smaller images in the same tiles would save nothing."""
    sides = {key: ceil(getattr(settings.tile, key) / 2) for key in ("height", "width", "stride_y", "stride_x")}
    crop = settings.train.crop
    return {f"tile.{key}": side for key, side in sides.items()} | (
        {"train.crop": [ceil(crop[0] / 2), ceil(crop[1] / 2)]} if crop else {}
    )


def _changed(own: Mapping[str, Mapping[str, object]], values: Values) -> Params | None:
    """Return params with other values; None: they would be refused."""
    tree = {section: dict(each) for section, each in own.items()}
    for key, value in values.items():
        section, _, name = key.partition(".")
        tree[section][name] = value
    try:
        return Params.model_validate_json(json.dumps(tree))
    except ValidationError:
        return None


def _value(own: Mapping[str, Mapping[str, object]], key: str) -> object:
    section, _, name = key.partition(".")
    return own[section][name]


def _scaled(manifest: Manifest, split: str, scale: float) -> list[tuple[int, int]]:
    """Return height and width of a split's images at a scale, as the tile stage has them."""
    rows = manifest.usable
    rows = rows[rows["split"] == split]
    return [
        (max(1, round(height * scale)), max(1, round(width * scale)))
        for height, width in zip(rows["height"].tolist(), rows["width"].tolist(), strict=True)
    ]


def _number(size: tuple[int, int], tile: tuple[int, int], stride: tuple[int, int]) -> int:
    return prod(len(origins(size[axis], tile[axis], stride[axis])) for axis in (0, 1))


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)
