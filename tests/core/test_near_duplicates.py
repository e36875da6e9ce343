import numpy as np
import pytest

from pipeline.core import near_duplicates


def by_three_loops(hashes, groups, contents):
    nearest, distances = [-1] * len(hashes), [65] * len(hashes)
    for i, one in enumerate(hashes):
        for j, other in enumerate(hashes):
            bits = bin(int(one) ^ int(other)).count("1")
            if groups[j] < groups[i] and contents[j] != contents[i] and bits < distances[i]:
                nearest[i], distances[i] = j, bits
    return nearest, distances


@pytest.mark.parametrize("block", [1, 50, 2**22])
def test_it_finds_what_plain_loops_find_whatever_the_block(block, monkeypatch):
    generator = np.random.default_rng(3)
    hashes = generator.integers(0, 2**64, 60, dtype=np.uint64)
    groups, contents = generator.integers(0, 3, 60), generator.integers(0, 40, 60)
    monkeypatch.setattr(near_duplicates, "_BLOCK", block)

    nearest, distances = near_duplicates.nearest_earlier(hashes, groups, contents)

    expected = by_three_loops(hashes, groups, contents)
    assert (nearest.tolist(), distances.tolist()) == expected


def test_distance_counts_differing_bits_and_the_first_of_equals_wins():
    hashes = np.array([0b0011, 0b0000, 0b0110, 0b0111], np.uint64)
    nearest, distances = near_duplicates.nearest_earlier(hashes, np.array([0, 0, 0, 1]), np.arange(4))
    assert nearest.tolist() == [-1, -1, -1, 0]
    assert distances.tolist() == [65, 65, 65, 1]


def test_opposite_hashes_are_64_bits_apart():
    hashes = np.array([0, 2**64 - 1], np.uint64)
    nearest, distances = near_duplicates.nearest_earlier(hashes, np.array([0, 1]), np.arange(2))
    assert (nearest[1], distances[1]) == (0, 64)


def test_pictures_of_equal_content_are_not_compared():
    hashes = np.array([5, 5], np.uint64)
    nearest, distances = near_duplicates.nearest_earlier(hashes, np.array([0, 1]), np.array([7, 7]))
    assert nearest.tolist() == [-1, -1]
    assert distances.tolist() == [65, 65]


def test_no_pictures_give_no_pairs():
    nearest, distances = near_duplicates.nearest_earlier(np.array([], np.uint64), np.array([], int), np.array([], int))
    assert (nearest.size, distances.size) == (0, 0)
