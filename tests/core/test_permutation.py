from collections import Counter
from itertools import permutations

import numpy as np
import pytest

from pipeline.core.permutation import permuted


def whole(size, *key):
    return permuted(np.arange(size), size, key)


def test_every_number_occurs_once():
    edges = [2**bits + more for bits in range(10, 15) for more in (-1, 0, 1)]
    for size in [*range(1, 1025), *edges]:  # halves of up to five bits each, and then of more
        assert np.array_equal(np.sort(whole(size, 7, 3)), np.arange(size)), size


@pytest.mark.parametrize("size", [2**16 - 1, 2**16, 2**16 + 1, 1_000_003])
def test_every_number_of_a_large_permutation_occurs_once(size):
    assert np.array_equal(np.sort(whole(size, 1, 0)), np.arange(size))


def test_a_part_is_that_of_the_whole():
    places = np.array([4, 99, 0, 4])
    assert permuted(places, 100, (5, 2)).tolist() == whole(100, 5, 2)[places].tolist()


def test_permutations_of_different_keys_agree_by_chance_alone():
    keys = [(seed, number) for seed in range(20) for number in range(20)]
    orders = np.stack([whole(1000, *key) for key in keys])
    # Two random orders agree at one place on average, and so does one with its own places, and with its successors.
    same = (orders[:, None] == orders[None]).sum(axis=2)[np.triu_indices(len(keys), 1)]
    assert same.mean() == pytest.approx(1, abs=0.02)
    assert same.max() < 12
    assert (orders == np.arange(1000)).sum(axis=1).mean() == pytest.approx(1, abs=0.2)
    assert (np.diff(orders, axis=1) == 1).sum(axis=1).mean() == pytest.approx(1, abs=0.2)


def test_neighbouring_places_are_unrelated():
    orders = [whole(1000, 1, number) for number in range(400)]
    for lag in (1, 2, 4, 8, 16, 32, 500):
        mean = np.mean([np.corrcoef(order[:-lag], order[lag:])[0, 1] for order in orders])
        assert abs(mean) < 0.01, lag  # of so many pairs, 1 / sqrt(400 * 1000) = 0.0016 by chance


@pytest.mark.parametrize(("size", "num_keys"), [(3, 1200), (4, 4800), pytest.param(5, 6000, marks=pytest.mark.slow)])
def test_every_order_of_a_few_numbers_is_equally_frequent(size, num_keys):
    seen = Counter(tuple(whole(size, 1, number).tolist()) for number in range(num_keys))
    orders = list(permutations(range(size)))
    expected = num_keys / len(orders)
    squares = sum((seen[order] - expected) ** 2 / expected for order in orders)
    freedom = len(orders) - 1
    assert squares < freedom + 4 * (2 * freedom) ** 0.5  # chi-squared; with half of the rounds, 14 deviations above
