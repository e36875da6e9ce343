"""From any image to its mask, by the same windows for evaluation, command line and served model.

Images are RGB, uint8; the networks take them as float in 0..255, without normalisation (pipeline/core/models).
"""

import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.artifacts.model import read_model
from pipeline.artifacts.spec import Spec
from pipeline.core import tiles
from pipeline.core.arrays import Pixels
from pipeline.core.fuse import fold
from pipeline.core.models import on_gpus
from pipeline.core.models.bayesian import sample_dropout
from pipeline.core.sliding_window import Place, interpolate, stitch
from pipeline.files.images import resize_image
from pipeline.inference.averaging import averaged
from pipeline.inference.band import Band

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
SMALLEST = 32
"""Pixels of the shortest side that is computed, since the networks pool five times; a shorter one is padded."""

PLAIN: Mapping[str, Any] = MappingProxyType(
    {"overlap": 0.5, "batch_size": 4, "precision": "float32", "flip": False, "scales": (1.0,), "samples": 0, "seed": 1}
)
"""Options of `load` where none are known: of a model in a folder; of a registered one, those that it does not keep."""


class Predictor:
    """A model, ready to predict images of any size."""

    def __init__(
        self,
        spec: Spec,
        model: nn.Module,
        *,
        overlap: float,
        batch_size: int,
        flip: bool,
        scales: Sequence[float],
        samples: int,
        seed: int,
    ) -> None:
        """Take over a model: it is moved to the GPU, if there is one, and its dropout is enabled for sampling.

        Args:
            spec: how it was trained.
            model: from RGB images (N, 3, H, W), of the dtype of its weights, 0..255 and not normalised, to logits
                (N, C, H, W); in evaluation mode.
            overlap: of neighbouring windows, as a fraction of their side, in [0, 1).
            batch_size: number of windows of one image that are predicted together.
            flip: whether to average with the prediction for the mirrored image.
            scales: the factors by which each window is resized, and over which predictions are averaged.
            samples: number of forward passes of each window with dropout, whose mean is the prediction; 0: a single
                one without dropout.
            seed: with a window's place, determines what dropout drops there; >= 0.

        Raises:
            ValueError: samples are requested of a model without dropout.
        """
        if samples:
            sample_dropout(model)
        self.spec, self._batch_size, self._flip, self._scales = spec, batch_size, flip, tuple(scales)
        self._samples, self._seed = samples, seed
        self._device = _device()
        self._model = model.to(self._device)
        self._dtype = next((each.dtype for each in model.parameters()), torch.float32)
        self._window = (spec.tile_height, spec.tile_width)
        self._stride = (max(1, round(self._window[0] * (1 - overlap))), max(1, round(self._window[1] * (1 - overlap))))

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: the model travels on the CPU."""
        return {**vars(self), "_model": copy.deepcopy(self._model).cpu()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over what was pickled on another machine, perhaps: the model is moved to the GPU, if there is one."""
        vars(self).update(state)
        self._device = _device()
        self._model.to(self._device)

    @property
    def is_reentrant(self) -> bool:
        """Return whether several threads gain by predicting at once: on a CPU, and not with samples.

        Samples draw from torch's global generator, and a GPU predicts one after the other.
        """
        return self._device.type == "cpu" and not self._samples

    @torch.inference_mode()
    def bands(self, image: Pixels) -> Iterator[Band]:
        """Yield the prediction of an image in bands of rows, from top to bottom, in one pass and bounded memory.

        The image is resized by the model's scale. If it fits into one window of the size of the training tiles, it is
        predicted in one piece; otherwise by overlapping windows, whose values are averaged with a Gaussian weight. On a
        CPU the result does not depend on `batch_size`; on a GPU, `batch_size` can change the last bits.

        Args:
            image: (H, W, 3) uint8, RGB, 0..255.

        Raises:
            ValueError: the image has another shape or dtype, or is empty.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise ValueError(f"expected an RGB image (H, W, 3) of uint8, got {image.shape} of {image.dtype}")
        size = (image.shape[0], image.shape[1])
        scaled = (max(1, round(size[0] * self.spec.scale)), max(1, round(size[1] * self.spec.scale)))
        pixels = image if scaled == size else resize_image(image, scaled)  # as in the tile stage
        bands = self._scaled_bands(pixels)
        if scaled != size:
            bands = interpolate(bands, scaled, size)
        num_classes = len(self.spec.classes)
        for top, values_KhW in bands:
            yield Band(top, values_KhW[:num_classes], values_KhW[num_classes:] if self._samples else None)

    def probabilities(self, image: Pixels) -> npt.NDArray[np.float32]:
        """Return the probability of each class at each pixel, (C, H, W) float32, of an image (H, W, 3) uint8, RGB.

        Raises:
            ValueError: the image has another shape or dtype, or is empty.
        """
        probabilities_CHW = np.empty((len(self.spec.classes), *image.shape[:2]), np.float32)
        for band in self.bands(image):
            probabilities_CHW[:, band.rows] = band.probabilities.cpu().numpy()
        return probabilities_CHW

    def mask(self, image: Pixels) -> Pixels:
        """Return the most probable class of each pixel, (H, W) uint8, of an image (H, W, 3) uint8, RGB.

        Raises:
            ValueError: the image has another shape or dtype, or is empty.
        """
        mask_HW = np.empty(image.shape[:2], np.uint8)
        for band in self.bands(image):
            mask_HW[band.rows] = band.mask.cpu().numpy()
        return mask_HW

    def _scaled_bands(self, pixels: Pixels) -> Iterator[tuple[int, Tensor]]:
        height, width = pixels.shape[:2]
        window = min(self._window[0], height), min(self._window[1], width)
        predicted = self._windows(pixels, window)
        if window == (height, width):
            return ((top, values_Khw) for (top, _), values_Khw in predicted)
        weight_hw = torch.from_numpy(tiles.gaussian_weight(window)).to(self._device)
        num_values = len(self.spec.classes) * (2 if self._samples else 1)
        return stitch(predicted, weight_hw, num_values, width)

    def _windows(self, pixels: Pixels, window: tuple[int, int]) -> Iterator[tuple[Place, Tensor]]:
        """Yield each window's place and values (K, h, w): probabilities, and their variances if there are samples.

        Where windows overlap, their variances are averaged as the probabilities are.
        """
        places = list(tiles.windows((pixels.shape[0], pixels.shape[1]), window, self._stride))
        batch_size = 1 if self._samples else self._batch_size
        for i in range(0, len(places), batch_size):
            batch = places[i : i + batch_size]
            parts = [pixels[top : top + window[0], left : left + window[1]] for top, left in batch]
            x_N3hw = torch.from_numpy(np.stack(parts)).to(self._device).permute(0, 3, 1, 2).float()
            values_NKhw = self._sampled(x_N3hw, batch[0]) if self._samples else self._forward(x_N3hw)
            yield from zip(batch, values_NKhw, strict=True)

    def _sampled(self, x_13hw: Tensor, place: Place) -> Tensor:
        """Return mean and variance of the samples' probabilities, (1, 2 C, h, w), of the window at that place."""
        mean = squares = torch.zeros(())
        seed = np.random.SeedSequence((self._seed, *place)).generate_state(1, np.uint64)
        # Dropout draws from torch's global generators, whose state is restored afterwards.
        with torch.random.fork_rng(range(torch.cuda.device_count())):
            torch.manual_seed(int(seed[0]))
            for count in range(1, self._samples + 1):  # Welford's recurrence: all samples would not fit in memory
                p_1Chw = self._forward(x_13hw)
                change = p_1Chw - mean
                mean = mean + change / count
                squares = squares + change * (p_1Chw - mean)
        return torch.cat([mean, squares / self._samples], dim=1)

    def _forward(self, x_N3hw: Tensor) -> Tensor:
        """Return probabilities (N, C, h, w), averaged over `scales`, and with the mirror image's if `flip` was set."""
        return averaged(self._network, x_N3hw, flip=self._flip, scales=self._scales)

    def _network(self, x_N3hw: Tensor) -> Tensor:
        """Return probabilities (N, C, h, w); an image too small for the network is padded with black."""
        height, width = x_N3hw.shape[2:]
        padding = (0, max(0, SMALLEST - width), 0, max(0, SMALLEST - height))
        x = F.pad(x_N3hw, padding).to(self._dtype).contiguous(memory_format=torch.channels_last)
        # CPU kernels round differently at different batch sizes, and one window at a time is as fast there.
        batches = torch.split(x, 1 if self._device.type == "cpu" else len(x))
        with on_gpus.exact_products(self._device):
            return torch.cat([self._model(batch)[:, :, :height, :width].float().softmax(dim=1) for batch in batches])


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load(
    folder: Path,
    *,
    overlap: float,
    batch_size: int,
    precision: str,
    flip: bool,
    scales: Sequence[float],
    samples: int,
    seed: int,
) -> Predictor:
    """Return the model in `folder` (artifacts/model.py), ready to predict; options are those of `Predictor`.

    Batch normalisation is folded into the convolutions: faster, and the same up to rounding. Weights and activations
    are of the `precision`, a key of PRECISIONS; probabilities are float32 in any case.

    Raises:
        ValueError: the folder holds no model of the train stage, or samples are requested of one without dropout.
    """
    spec, model = read_model(folder)
    network = fold(model).to(PRECISIONS[precision])
    return Predictor(
        spec,
        network,
        overlap=overlap,
        batch_size=batch_size,
        flip=flip,
        scales=scales,
        samples=samples,
        seed=seed,
    )


def latency_ms(predictor: Predictor, *, repeats: int) -> float:
    """Return the median time to predict an image of the tiles' size, in milliseconds, after a warm-up."""
    spec = predictor.spec
    size = (round(spec.tile_height / spec.scale), round(spec.tile_width / spec.scale), 3)
    image = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        predictor.mask(image)
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times[1:]))
