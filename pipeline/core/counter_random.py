"""Random numbers that are computed from a key and a place, not drawn one after the other: the same on every device."""

import torch
from torch import Tensor

BITS = 24
"""Of a random number, as many as float32 holds."""
_GAMMA, _FIRST, _SECOND = 0x9E3779B97F4A7C15 - 2**64, 0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64


def keys(uniform_N: Tensor) -> Tensor:
    """Return the keys (N,) int64 of uniform random numbers (N,) in [0, 1), of which the first `BITS` bits count."""
    return _mixed((uniform_N * 2**BITS).long())


def derived(keys_N: Tensor, number: int) -> Tensor:
    """Return keys (N,) int64 for another purpose, which `number`, at least 0, names."""
    return _mixed(keys_N + _GAMMA * torch.full_like(keys_N, number + 1))  # which wraps, as Python's integers do not


def pairs(keys_N: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return `count` pairs of independent random numbers for each key: two of (N, count) int64 in 0..2**BITS - 1.

    Source: Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014: splitmix64, whose state
    after any number of steps is known, as in Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011.
    """
    places_M = torch.arange(1, count + 1, device=keys_N.device)
    words_NM = _mixed(keys_N[:, None] + _GAMMA * places_M)
    return words_NM >> 64 - BITS & 2**BITS - 1, words_NM & 2**BITS - 1


def _mixed(words: Tensor) -> Tensor:
    """Return 64 bits that each depend on all bits of a word: splitmix64's finaliser; int64 wraps as it must."""
    words = (words ^ (words >> 30 & 2**34 - 1)) * _FIRST
    words = (words ^ (words >> 27 & 2**37 - 1)) * _SECOND
    return words ^ (words >> 31 & 2**33 - 1)
