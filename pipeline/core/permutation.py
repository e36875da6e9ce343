"""A shuffled order of any length that is computed, not stored: the number at a place from the place and a key."""

import numpy as np
import numpy.typing as npt

_ROUNDS = 16  # of 8, orders of five numbers were far from equally frequent; of 16 they could not be told from it

Numbers = npt.NDArray[np.int64]
_Words = npt.NDArray[np.uint64]


def permuted(places: Numbers, size: int, key: tuple[int, ...]) -> Numbers:
    """Return the number at each of some places of a permutation of 0..size-1.

    A Feistel network permutes the numbers below the next power of two, and is applied again to what lies beyond `size`
    until it does not ("cycle walking", twice on average at most): so every number occurs once, in constant memory.

    Args:
        places: (N,) int64, each in 0..size-1.
        size: of the permutation, at least 1.
        key: which permutation it is; non-negative numbers.

    Returns:
        (N,) int64.

    Source: J. Black and P. Rogaway, Ciphers with Arbitrary Finite Domains, CT-RSA 2002, Sec. 3 and 4.

    Example:
        >>> sorted(permuted(np.arange(5), 5, (1, 0)).tolist())
        [0, 1, 2, 3, 4]
    """
    keys = np.random.SeedSequence(key).generate_state(_ROUNDS, np.uint64).astype(np.uint64)  # so typed, not so declared
    bits = (size - 1).bit_length()
    numbers = _network(places.astype(np.uint64), bits, keys)
    while len(beyond := np.flatnonzero(numbers >= size)):
        numbers[beyond] = _network(numbers[beyond], bits, keys)
    return numbers.astype(np.int64)


def _network(numbers: _Words, bits: int, keys: _Words) -> _Words:
    """Return the numbers of `bits` bits after all rounds: each half in turn is changed by what the other one is."""
    low_bits = np.uint64(bits // 2)
    low_mask, high_mask = np.uint64(2 ** (bits // 2) - 1), np.uint64(2 ** (bits - bits // 2) - 1)
    low, high = numbers & low_mask, numbers >> low_bits
    for i in range(0, len(keys), 2):
        high ^= _mixed(low + keys[i]) & high_mask
        low ^= _mixed(high + keys[i + 1]) & low_mask
    return high << low_bits | low


def _mixed(words: _Words) -> _Words:
    """Return 64 bits that each depend on all bits of a word.

    Source: Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014: splitmix64's finaliser.
    """
    words = (words ^ words >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ words >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return words ^ words >> np.uint64(31)
