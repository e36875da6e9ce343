import numpy as np
import pytest

from pipeline.core import near_duplicates


def by_three_loops(hashes, groups, contents, max_bits):
    nearest, distances = [-1] * len(hashes), [65] * len(hashes)
    for i, one in enumerate(hashes):
        for j, other in enumerate(hashes):
            bits = bin(int(one) ^ int(other)).count("1")
            if groups[j] < groups[i] and contents[j] != contents[i] and bits < min(distances[i], max_bits + 1):
                nearest[i], distances[i] = j, bits
    return nearest, distances


def alike(generator, count, spread):
    """Return hashes of which many differ in few bits: of 8 in all, `spread` bits of each flipped at random."""
    flips = np.zeros(count, np.uint64)
    for _ in range(spread):
        flips ^= np.uint64(1) << generator.integers(0, 64, count, dtype=np.uint64)
    return generator.integers(0, 2**64, 8, dtype=np.uint64)[generator.integers(0, 8, count)] ^ flips


@pytest.mark.parametrize("bands", [None, 0, 3, 4, 5, 9])
@pytest.mark.parametrize("max_bits", [0, 1, 8, 11])
@pytest.mark.parametrize("block", [1, 50, 2**22])
def test_it_finds_what_plain_loops_find_whatever_bands_and_block(bands, max_bits, block, monkeypatch):
    generator = np.random.default_rng(3)
    hashes = np.concatenate([alike(generator, 50, 4), generator.integers(0, 2**64, 10, dtype=np.uint64)])
    groups, contents = generator.integers(0, 3, 60), generator.integers(0, 40, 60)
    monkeypatch.setattr(near_duplicates, "_BLOCK", block)
    if bands is not None:
        monkeypatch.setattr(near_duplicates, "_bands", lambda *_: bands)

    nearest, distances = near_duplicates.nearest_earlier(hashes, groups, contents, max_bits)

    expected = by_three_loops(hashes, groups, contents, max_bits)
    assert (nearest.tolist(), distances.tolist()) == expected
    assert max_bits < 8 or (np.array(expected[0]) >= 0).sum() > 20


@pytest.mark.slow
def test_of_a_million_hashes_only_those_that_share_a_band_are_compared(monkeypatch):
    generator = np.random.default_rng(3)
    hashes = generator.integers(0, 2**64, 1_000_000, dtype=np.uint64)
    hashes[999_000:] = hashes[:1_000] ^ np.uint64(0x8001_0000_0400_0021)  # five bits
    groups = (np.arange(len(hashes)) >= 900_000).astype(np.int64)
    compared = []
    original = near_duplicates._pairs
    monkeypatch.setattr(near_duplicates, "_pairs", lambda *of: (compared.append(len(p[0])) or p for p in original(*of)))

    nearest, distances = near_duplicates.nearest_earlier(hashes, groups, np.arange(len(hashes)), 8)

    assert nearest[999_000:].tolist() == list(range(1_000))
    assert set(distances[999_000:].tolist()) == {5}
    assert (nearest[:900_000] == -1).all()
    assert sum(compared) < 100_000 * 900_000 / 1_000


def test_many_images_of_one_hash_take_no_longer():
    hashes = np.zeros(400_000, np.uint64)  # all blank
    groups = (np.arange(len(hashes)) >= 200_000).astype(np.int64)
    contents = np.where(np.arange(len(hashes)) % 2, 7, np.arange(len(hashes)))
    nearest, distances = near_duplicates.nearest_earlier(hashes, groups, contents, 8)
    assert nearest[:200_000].tolist() == [-1] * 200_000
    assert nearest[200_000:].tolist() == [0] * 200_000  # the content of 0 is no other's
    assert distances[200_000:].tolist() == [0] * 200_000


def test_the_first_image_of_another_content_is_found_behind_many_of_the_same():
    hashes = np.full(5, 9, np.uint64)
    nearest, _ = near_duplicates.nearest_earlier(hashes, np.array([0, 0, 0, 0, 1]), np.array([1, 1, 2, 3, 1]), 0)
    assert nearest.tolist() == [-1, -1, -1, -1, 2]


def test_distance_counts_differing_bits_and_the_first_of_equals_wins():
    hashes = np.array([0b0011, 0b0000, 0b0110, 0b0111], np.uint64)
    nearest, distances = near_duplicates.nearest_earlier(hashes, np.array([0, 0, 0, 1]), np.arange(4), 8)
    assert nearest.tolist() == [-1, -1, -1, 0]
    assert distances.tolist() == [65, 65, 65, 1]


@pytest.mark.parametrize(("max_bits", "expected"), [(64, (0, 64)), (63, (-1, 65))])
def test_opposite_hashes_are_64_bits_apart(max_bits, expected):
    hashes = np.array([0, 2**64 - 1], np.uint64)
    nearest, distances = near_duplicates.nearest_earlier(hashes, np.array([0, 1]), np.arange(2), max_bits)
    assert (nearest[1], distances[1]) == expected


def test_pictures_of_equal_content_are_not_compared():
    hashes = np.array([5, 5], np.uint64)
    nearest, distances = near_duplicates.nearest_earlier(hashes, np.array([0, 1]), np.array([7, 7]), 8)
    assert nearest.tolist() == [-1, -1]
    assert distances.tolist() == [65, 65]


def test_no_pictures_give_no_pairs():
    none = np.array([], int)
    nearest, distances = near_duplicates.nearest_earlier(np.array([], np.uint64), none, none, 8)
    assert (nearest.size, distances.size) == (0, 0)
