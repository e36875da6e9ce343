"""From any image to its mask, by the same windows wherever it is asked for: evaluation, command line, served model."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.core import tiles
from pipeline.files.checkpoint import Spec, read_model
from pipeline.files.images import resize_image

Pixels = npt.NDArray[np.uint8]
_SMALLEST = 32  # the networks pool five times


class Predictor:
    """A model, ready to predict images of any size."""

    def __init__(self, spec: Spec, model: nn.Module, *, overlap: float, batch_size: int) -> None:
        """Keep a model.

        Args:
            spec: how it was trained.
            model: from RGB images (N, 3, H, W), 0..255, to logits (N, C, H, W), in evaluation mode.
            overlap: of neighbouring windows, as a fraction of their side, in [0, 1).
            batch_size: windows of one image that are predicted together.
        """
        self.spec, self._batch_size = spec, batch_size
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model = model.to(self._device)
        self._window = (spec.tile_height, spec.tile_width)
        self._stride = tuple(max(1, round(side * (1 - overlap))) for side in self._window)

    @torch.inference_mode()
    def probabilities(self, image: Pixels) -> npt.NDArray[np.float32]:
        """Return the probability of each class at each pixel.

        The image is resized by the model's scale. If it fits into one window, of the size of the training tiles, it
        is predicted whole; else by windows that overlap, whose probabilities are averaged with a Gaussian weight.

        Args:
            image: (H, W, 3) uint8, RGB.

        Returns:
            (C, H, W) float32, in [0, 1]; the classes sum to 1.

        Raises:
            ValueError: not such an image.
        """
        return self._probabilities(image).cpu().numpy()

    @torch.inference_mode()
    def mask(self, image: Pixels) -> Pixels:
        """Return the likeliest class of each pixel, (H, W) uint8, of an image (H, W, 3) uint8, RGB.

        Raises:
            ValueError: not such an image.
        """
        return self._probabilities(image).argmax(dim=0).to(torch.uint8).cpu().numpy()

    def _probabilities(self, image: Pixels) -> Tensor:
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise ValueError(f"expected an RGB image (H, W, 3) of uint8, got {image.shape} of {image.dtype}")
        size = image.shape[:2]
        scaled = (max(1, round(size[0] * self.spec.scale)), max(1, round(size[1] * self.spec.scale)))
        # As the tile stage does it. A copy, where not: torch cannot hold a read-only array without a warning.
        pixels = image.copy() if scaled == size else resize_image(image, scaled)
        x_3HW = torch.from_numpy(pixels).to(self._device).permute(2, 0, 1).float()
        fits = scaled[0] <= self._window[0] and scaled[1] <= self._window[1]
        p_CHW = self._whole(x_3HW) if fits else self._stitched(x_3HW)
        if scaled != size:
            p_CHW = F.interpolate(p_CHW[None], size, mode="bilinear")[0]
        return p_CHW

    def _whole(self, x_3HW: Tensor) -> Tensor:
        return self._forward(x_3HW[None])[0]

    def _stitched(self, x_3HW: Tensor) -> Tensor:
        height, width = x_3HW.shape[1:]
        window = min(self._window[0], height), min(self._window[1], width)
        weight_HW = torch.from_numpy(tiles.gaussian_weight(window)).to(self._device)
        total_CHW = torch.zeros(len(self.spec.classes), height, width, device=self._device)
        weights_HW = torch.zeros(height, width, device=self._device)
        for places in self._batches((height, width), window):
            parts = [x_3HW[:, top : top + window[0], left : left + window[1]] for top, left in places]
            for (top, left), p_Chw in zip(places, self._forward(torch.stack(parts)), strict=True):
                total_CHW[:, top : top + window[0], left : left + window[1]] += p_Chw * weight_HW
                weights_HW[top : top + window[0], left : left + window[1]] += weight_HW
        return total_CHW / weights_HW

    def _batches(self, size: tuple[int, int], window: tuple[int, int]) -> Iterator[list[tuple[int, int]]]:
        places = list(tiles.windows(size, window, (self._stride[0], self._stride[1])))
        for i in range(0, len(places), self._batch_size):
            yield places[i : i + self._batch_size]

    def _forward(self, x_N3HW: Tensor) -> Tensor:
        """Return probabilities (N, C, H, W); an image too small for the network is padded with black."""
        height, width = x_N3HW.shape[2:]
        padding = (0, max(0, _SMALLEST - width), 0, max(0, _SMALLEST - height))
        x = F.pad(x_N3HW, padding).contiguous(memory_format=torch.channels_last)
        logits: Tensor = self._model(x)
        return logits[:, :, :height, :width].softmax(dim=1)


def load(folder: Path, *, overlap: float = 0.5, batch_size: int = 4) -> Predictor:
    """Return the model in `folder` (files/checkpoint.py), ready to predict.

    Raises:
        ValueError: not a model that the train stage wrote.
    """
    spec, model = read_model(folder)
    return Predictor(spec, model, overlap=overlap, batch_size=batch_size)
