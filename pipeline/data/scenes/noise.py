"""Randomness that depends only on a key.

Here and in all of `scenes`, pixels are computed only with operations whose rounding IEEE 754 defines (+ - * /, floor,
comparisons; no sin, exp, sums or matrix products), so that every processor gives the same bytes.
"""

from enum import IntEnum

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


class Purpose(IntEnum):
    """The use of random numbers, part of their key: no two uses share numbers."""

    PLAN = 0
    GROUND = 1
    EAVES = 2
    WALLS = 3
    FURNITURE = 4
    TRAFFIC = 5
    WALKERS = 6
    CYCLIST = 7
    EXPOSURE = 8


def generator(*key: int) -> np.random.Generator:
    """Return the random generator of `key`, non-negative integers; different keys give different numbers."""
    # With the key's length, since numpy's seeding does not distinguish (1, 2) from (1, 2, 0).
    return np.random.Generator(np.random.PCG64((len(key), *key)))


def hashed(seed: int, across: Floats, along: Floats) -> Floats:
    """Return for each point a number in [0, 1) that is constant within each unit cell of the plane.

    Args:
        seed: below 2**32; different seeds give different numbers.
        across: one coordinate of each point, any shape.
        along: the other, of a shape that broadcasts with it.
    """
    state = (_cell(across) ^ np.uint32(seed)) * np.uint32(0x9E3779B1)
    state = (_stirred(state, 15) ^ (_cell(along) * np.uint32(0x85EBCA77))) * np.uint32(0xC2B2AE3D)
    state = _stirred(state, 13) * np.uint32(0x27D4EB2F)
    return (state >> np.uint32(8)).astype(np.float32) * 2**-24  # 24 bits: float32's precision


def smooth(rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int]) -> Floats:
    """Return a smooth field in [0, 1) of `shape`: random at the corners of `cells`, interpolated between them."""
    field = rng.random((cells[0] + 1, cells[1] + 1), dtype=np.float32)
    for axis in (0, 1):
        place = (np.arange(shape[axis], dtype=np.float32) + 0.5) * (cells[axis] / shape[axis])
        before = np.minimum(place.astype(np.int64), cells[axis] - 1)
        weight = (place - before.astype(np.float32)).reshape((-1, 1) if axis == 0 else (1, -1))
        low, high = field.take(before, axis), field.take(before + 1, axis)
        field = low + (high - low) * weight
    return field


def _stirred(state: npt.NDArray[np.uint32], bits: int) -> npt.NDArray[np.uint32]:
    return state ^ (state >> np.uint32(bits))


def _cell(coordinate: Floats) -> npt.NDArray[np.uint32]:
    return np.floor(coordinate).astype(np.int32).view(np.uint32)
