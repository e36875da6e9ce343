"""Finding images that look alike, by their 64-bit perceptual hashes."""

import math
from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt

BITS = 64
_BLOCK = 2**22  # hash pairs compared at once: some 100 MB
_MAX_WIDTH = 22  # bits of a band: a table of its values takes 32 MB
_LOOKUP = 4  # comparisons that take as long as looking a value up

Numbers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


def nearest_earlier(hashes: Hashes, groups: Numbers, contents: Numbers, max_bits: int) -> tuple[Numbers, Numbers]:
    """Return, for each image, the image of an earlier group whose hash differs in the fewest bits, `max_bits` at most.

    Exact, in bounded memory. Many images are not compared with all earlier ones: the bits are divided into bands, and
    if two hashes differ in at most r bits, then in one of b bands they differ in at most r / b (Norouzi, Punjani and
    Fleet, Fast Exact Search in Hamming Space With Multi-Index Hashing, 1307.2982, Sec. 3); only such pairs are
    compared.

    Args:
        hashes: perceptual hashes, (N,) uint64.
        groups: group of each image, (N,) int64; a smaller number is earlier.
        contents: number of each image's file content, (N,) int64; images with equal content are not compared.
        max_bits: 0..64.

    Returns:
        Index of the nearest image, (N,) int64, and its distance in bits, (N,) int64; the first of equally near images.
        Where there is none within max_bits: -1 and 65.
    """
    best = np.full(len(hashes), (BITS + 1) << 32, np.int64)  # distance, then index: the smaller the better
    for group in np.unique(groups)[1:]:
        members, earlier = np.flatnonzero(groups == group), np.flatnonzero(groups < group)
        # Images of one hash and content find the same, and of a hash's images only two contents' first can be found.
        rows, same = _distinct(hashes[members], contents[members])
        candidates = _first_two(hashes, contents, earlier)
        nearest_of = _search(hashes, contents, members[rows], candidates, max_bits)
        best[members] = nearest_of[same]
    distances, nearest = best >> 32, best & (2**32 - 1)
    nearest[distances > BITS] = -1
    return nearest, distances


def _distinct(hashes: Hashes, contents: Numbers) -> tuple[Numbers, Numbers]:
    """Return the first row of each pair of hash and content, and for each row the number of its pair."""
    pairs = np.stack([hashes, contents.astype(np.uint64)], axis=1)
    _, first, inverse = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    return first, inverse.reshape(-1)


def _first_two(hashes: Hashes, contents: Numbers, rows: Numbers) -> Numbers:
    """Return, of the rows of each hash, the first one and the first one with another content, in ascending order."""
    order = rows[np.argsort(hashes[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(hashes[order], prepend=~hashes[order[:1]]))
    run = np.repeat(starts, np.diff(starts, append=len(order)))  # where each row's hash begins
    others = np.flatnonzero(contents[order] != contents[order[run]])
    _, second = np.unique(run[others], return_index=True)
    return np.sort(order[np.concatenate([starts, others[second]])])


def _search(hashes: Hashes, contents: Numbers, rows: Numbers, candidates: Numbers, max_bits: int) -> Numbers:
    """Return the best candidate of each row: its distance << 32 | its index."""
    best = np.full(len(rows), (BITS + 1) << 32, np.int64)
    for queries, matches in _pairs(hashes[rows], hashes[candidates], max_bits):
        earlier = candidates[matches]
        bits = np.bitwise_count(hashes[rows[queries]] ^ hashes[earlier]).astype(np.int64)
        near = (bits <= max_bits) & (contents[rows[queries]] != contents[earlier])
        np.minimum.at(best, queries[near], bits[near] << 32 | earlier[near])
    return best


def _pairs(queries: Hashes, candidates: Hashes, max_bits: int) -> Iterator[tuple[Numbers, Numbers]]:
    """Yield blocks of numbers of queries and candidates, with all pairs that differ in at most max_bits."""
    bands = _bands(len(queries), len(candidates), max_bits)
    if bands == 0:
        rows = max(1, _BLOCK // max(1, len(candidates)))
        for start in range(0, len(queries), rows):
            block = np.arange(start, min(start + rows, len(queries)))
            yield np.repeat(block, len(candidates)), np.tile(np.arange(len(candidates)), len(block))
        return
    for band in range(bands):
        bits = list(range(band, BITS, bands))  # neighbouring bits are alike in many images
        keys, values = _band(candidates, bits), _band(queries, bits)
        order = np.argsort(keys, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(keys, minlength=2 ** len(bits)))])
        for flipped in range(max_bits // bands + 1):
            for places in combinations(range(len(bits)), flipped):
                wanted = values ^ sum(1 << place for place in places)
                for numbers, matches in _ranges(starts[wanted], starts[wanted + 1]):
                    yield numbers, order[matches]


def _bands(num_queries: int, num_candidates: int, max_bits: int) -> int:
    """Return the number of bands for which the fewest comparisons are expected; 0: compare all."""
    costs: dict[int, float] = {0: num_queries * num_candidates}
    fewest = -(-BITS // _MAX_WIDTH)
    for bands in range(fewest, max(fewest, max_bits + 1) + 1):
        width = BITS / bands
        lookups = bands * sum(math.comb(math.ceil(width), flipped) for flipped in range(max_bits // bands + 1))
        costs[bands] = num_queries * lookups * (_LOOKUP + num_candidates / 2**width)
    return min(costs, key=lambda bands: costs[bands])


def _band(hashes: Hashes, bits: list[int]) -> Numbers:
    """Return the value of these bits of each hash."""
    values = np.zeros(len(hashes), np.uint64)
    for place, bit in enumerate(bits):
        values |= (hashes >> np.uint64(bit) & np.uint64(1)) << np.uint64(place)
    return values.astype(np.int64)


def _ranges(starts: Numbers, ends: Numbers) -> Iterator[tuple[Numbers, Numbers]]:
    """Yield blocks of numbers i and of each n in range(starts[i], ends[i])."""
    filled = np.flatnonzero(ends > starts)
    lengths = (ends - starts)[filled]
    total = np.cumsum(lengths)
    first = 0
    while first < len(filled):
        before = total[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(total, before + _BLOCK, side="right")))
        some, sizes = filled[first:last], lengths[first:last]
        offsets = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        yield np.repeat(some, sizes), np.repeat(starts[some], sizes) + offsets
        first = last
