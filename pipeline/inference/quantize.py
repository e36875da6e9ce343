"""An ONNX file in int8: convolutions compute on 8-bit integers, whose ranges come from validation tiles.

Static quantisation: a scale for each output channel of the weights, and one for each tensor of activations, from the
smallest and largest value that the tiles give (Jacob et al., 1712.05877, section 3). All else stays float32.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from pipeline.artifacts.spec import Spec
from pipeline.artifacts.tileset import Tileset
from pipeline.core import metrics

_CALIBRATING = 32  # tiles
_MOST_LOST = 0.01
"""Of the mean IoU of the validation tiles, as a fraction: what a file may lose."""


@dataclass(frozen=True)
class Agreement:
    """How an int8 file predicts the validation tiles, compared with the model."""

    tiles: int
    miou: float
    of_the_model: float
    """The model's mean IoU on the same tiles."""
    equal: float
    """The share of pixels whose class is the same."""


def tiles_of(folder: Path, spec: Spec) -> Tileset:
    """Return the validation tiles, made for the model.

    Raises:
        ValueError: there are none, or of another data set, other classes or another scale.
    """
    tiles = Tileset(folder, "val")
    header = tiles.header
    if (header.dataset, header.classes.names, header.scale) != (spec.dataset, spec.classes.names, spec.scale):
        raise ValueError(
            f"expected tiles in {folder} of {spec.dataset} at scale {spec.scale:g} with the model's classes "
            f"({', '.join(spec.classes.names)}), got those of {header.dataset} at {header.scale:g} with "
            f"{', '.join(header.classes.names)}; name the tiles that it was trained with"
        )
    if not len(tiles):
        raise ValueError(f"expected validation tiles in {folder}, got none; run dvc repro tile")
    return tiles


def write(source: Path, target: Path, tiles: Tileset) -> None:
    """Write the ONNX file `source` in int8; the same file and tiles give the same bytes."""
    from onnxruntime import quantization  # type: ignore[import-untyped]  # has no type annotations

    class Calibration(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._images = (image for image, _ in _pairs(tiles, _CALIBRATING))

        def get_next(self) -> dict[str, np.ndarray] | None:
            image = next(self._images, None)
            return None if image is None else {"image": image.numpy()}

    level = logging.root.level
    logging.root.setLevel(logging.ERROR)  # it warns that a file without symbolic shapes might be optimised better
    try:
        with TemporaryDirectory() as folder:
            prepared = Path(folder) / "prepared.onnx"
            quantization.quant_pre_process(source, prepared, skip_symbolic_shape=True)
            quantization.quantize_static(
                prepared,
                target,
                Calibration(),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=["Conv"],
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
            )
    finally:
        logging.root.setLevel(level)


@torch.inference_mode()
def agreement(network: Callable[[Tensor], Tensor], model: Callable[[Tensor], Tensor], tiles: Tileset) -> Agreement:
    """Return how a file predicts all validation tiles, compared with the model.

    Raises:
        ValueError: its mean IoU is lower by more than 0.01.
    """
    num_classes = len(tiles.header.classes)
    counts = [torch.zeros(num_classes, num_classes, dtype=torch.int64) for _ in range(2)]
    equal = pixels = 0
    for image, truth in _pairs(tiles, len(tiles)):
        masks = [logits(image).argmax(dim=1)[0] for logits in (network, model)]
        for count, mask in zip(counts, masks, strict=True):
            count += metrics.confusion_matrix(mask, truth, num_classes)
        equal, pixels = equal + int((masks[0] == masks[1]).sum()), pixels + truth.numel()
    ours, of_the_model = (float(metrics.scores(count.numpy()).miou) for count in counts)
    if not ours >= of_the_model - _MOST_LOST:
        raise ValueError(
            f"expected int8 to lose at most {_MOST_LOST:g} of mean IoU on {len(tiles)} validation tiles, got "
            f"{ours:.4f} where the model has {of_the_model:.4f}; nothing was written: export to onnx"
        )
    return Agreement(len(tiles), ours, of_the_model, equal / pixels)


def _pairs(tiles: Tileset, most: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield images (1, 3, h, w) float32 and masks (h, w) of at most so many tiles, evenly from all."""
    for i in np.linspace(0, len(tiles) - 1, min(most, len(tiles))).round().astype(int).tolist():
        image, mask = tiles[i]
        yield torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float().contiguous(), torch.from_numpy(mask.copy())
