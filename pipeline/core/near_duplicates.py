"""Finding images that look alike, by their 64-bit perceptual hashes."""

import numpy as np
import numpy.typing as npt

BITS = 64
_BLOCK = 2**22  # hash pairs compared at once: 40 MB


def nearest_earlier(
    hashes: npt.NDArray[np.uint64], groups: npt.NDArray[np.int64], contents: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return, for each image, the image of an earlier group whose hash differs in the fewest bits.

    Each pair of groups is searched once, with at most N^2 / 2 comparisons and in bounded memory.

    Args:
        hashes: perceptual hashes, (N,) uint64.
        groups: group of each image, (N,) int64; a smaller number is earlier.
        contents: number of each image's file content, (N,) int64; images with equal content are not compared.

    Returns:
        Index of the nearest image, (N,) int64, and its distance in bits, (N,) int64, 0..64; the first of equally near
        images. Where no earlier group has an image with other content: -1 and 65.
    """
    nearest = np.full(len(hashes), -1, np.int64)
    distances = np.full(len(hashes), BITS + 1, np.int64)
    for group in np.unique(groups)[1:]:
        candidates = np.flatnonzero(groups < group)
        members = np.flatnonzero(groups == group)
        for rows in np.array_split(members, -(-len(members) * len(candidates) // _BLOCK)):
            bits_RC = np.bitwise_count(hashes[rows, None] ^ hashes[candidates])
            bits_RC[contents[rows, None] == contents[candidates]] = BITS + 1
            best = bits_RC.argmin(axis=1)
            distances[rows] = bits_RC[np.arange(len(rows)), best]
            nearest[rows] = candidates[best]
    nearest[distances > BITS] = -1
    return nearest, distances
