"""Road scenes drawn from a seed, with CamVid's classes: images and masks without a download."""

import dataclasses

import numpy as np

from pipeline.core.arrays import Pixels
from pipeline.core.classes import CAMVID
from pipeline.data.scenes import backdrop, street
from pipeline.data.scenes.canvas import Camera, Canvas
from pipeline.data.scenes.labels import Label
from pipeline.data.scenes.light import weather
from pipeline.data.scenes.noise import Floats, Purpose, generator, smooth

CLASSES = dataclasses.replace(CAMVID, published_weights=None)
MIN_SIDE = 32  # pixels
BYTES_PER_PIXEL = 270  # measured: peak memory of drawing

_SAMPLES = 2  # along each side of a pixel
_EDGES_VOID = 0.42  # fraction of the borders between classes


def draw(seed: int, sequence: int, frame: int, *, height: int, width: int) -> tuple[Pixels, Pixels]:
    """Return the image, (H, W, 3) uint8 RGB, and the mask, (H, W) uint8, of one frame of a sequence.

    The frames of a sequence show one street, in the same light, from a moving camera. The same arguments give the same
    bytes. The mask holds the values of `Label`. Drawing takes BYTES_PER_PIXEL of memory.

    Args:
        seed: of the data set, >= 0.
        sequence: number of the street, >= 0.
        frame: number of the camera's position along it, >= 0.
        height: pixels, >= 32.
        width: pixels, >= 32.

    Raises:
        ValueError: a number is negative or a side too short.
    """
    if min(seed, sequence, frame) < 0:
        raise ValueError(f"expected seed, sequence and frame >= 0, got {seed}, {sequence} and {frame}")
    if min(height, width) < MIN_SIDE:
        raise ValueError(f"expected height and width >= {MIN_SIDE} pixels, got {height} x {width}; draw a larger scene")
    canvas = _paint((seed, sequence), frame, height * _SAMPLES, width * _SAMPLES)
    rng = generator(seed, sequence, Purpose.EXPOSURE, frame)
    return _expose(canvas.image, rng), _annotate(canvas.mask, rng)


def _paint(key: tuple[int, int], frame: int, height: int, width: int) -> Canvas:
    """Return a canvas of height x width samples with the entire scene."""
    rng = generator(*key, Purpose.PLAN)
    place, light = street.plan(key, rng), weather(rng)
    camera = Camera(
        x=place.lane + rng.uniform(-0.3, 0.3),
        z=place.pace * frame,
        height=rng.uniform(1.3, 1.8),
        focal=min(height * 3 / 2, width * 9 / 8) * rng.uniform(0.9, 1.1),  # the same for both at 3 : 4
        column=width * rng.uniform(0.42, 0.58),
        row=height * rng.uniform(0.45, 0.55),
        bend=rng.uniform(-0.002, 0.002),
    )
    canvas = Canvas(height, width, camera, light)
    backdrop.sky(canvas, rng)
    backdrop.skyline(canvas, place, rng)
    backdrop.ground(canvas, place)
    street.paint(canvas, [*street.standing(place, camera.z), *street.moving(place, frame)])
    return canvas


def _expose(image: Floats, rng: np.random.Generator) -> Pixels:
    """Return samples (S*H, S*W, 3) as an image: averaged, with slightly varied brightness, and noisy."""
    columns = image[:, 0::_SAMPLES] + image[:, 1::_SAMPLES]
    pixels = (columns[0::_SAMPLES] + columns[1::_SAMPLES]) * (rng.uniform(0.92, 1.08) / _SAMPLES**2)
    noise = rng.random(pixels.shape, dtype=np.float32) - rng.random(pixels.shape, dtype=np.float32)
    return (np.clip(pixels + noise * 0.04, 0, 1) * 255 + 0.5).astype(np.uint8)


def _annotate(samples: Pixels, rng: np.random.Generator) -> Pixels:
    """Return the mask of the samples; as in manual annotation, some borders between classes are left void."""
    mask = np.ascontiguousarray(samples[::_SAMPLES, ::_SAMPLES])
    reach = max(1, mask.shape[0] // 120)
    border = np.zeros(mask.shape, np.bool_)
    border[reach:] |= mask[reach:] != mask[:-reach]
    border[:, reach:] |= mask[:, reach:] != mask[:, :-reach]
    mask[border & (smooth(rng, mask.shape, (6, 8)) < _EDGES_VOID)] = Label.VOID
    return mask
