"""Ranges of images as tasks on a real local cluster of two CPUs; on hosts: tests/cluster/test_images_hosts.py."""

import os

import pytest

from pipeline.cluster import images
from pipeline.files.threads import Images, Work, on_all_cores
from tests.cluster.test_tasks import address, cluster  # noqa: F401
from tests.support.tiny_training import ANYWHERE

SMALL = Images(100, 64 * 64)


def load(item):
    """An item is the numbers of its images."""
    yield from item


def make(number):
    yield number, os.getpid()
    yield number * 10, os.getpid()


def store(item, made):
    return [number for number, _ in made]


def fail(number):
    raise LookupError(f"image {number}")


def by_nodes(items, work, at_most=256):
    return images.by_nodes(work, items, SMALL, ANYWHERE, on_gpus=False, at_most=at_most)


@pytest.mark.ray
@pytest.mark.slow
class TestByNodes:
    @pytest.mark.parametrize("at_most", [1, 3, 256])
    def test_each_item_gets_what_was_made_of_its_images_whatever_the_ranges(self, cluster, at_most):  # noqa: F811
        items = [[0], [1, 2, 3, 4], [5, 6], [7], [8, 9]]
        made = list(by_nodes(items, Work(load, make, store), at_most=at_most))
        assert made == [[value for number in item for value in (number, number * 10)] for item in items]

    def test_images_are_made_on_nodes_and_stored_here(self, cluster):  # noqa: F811
        seen = set()

        def noted(item, made):
            seen.add(os.getpid())
            return {pid for _, pid in made}

        makers = set.union(*by_nodes([[i] for i in range(10)], Work(load, make, noted), at_most=1))
        assert seen == {os.getpid()}
        assert os.getpid() not in makers

    def test_items_that_are_alike_are_two(self, cluster):  # noqa: F811
        assert list(by_nodes([[1], [1]], Work(load, make, store))) == [[1, 10], [1, 10]]

    def test_few_images_are_loaded_ahead(self, cluster):  # noqa: F811
        loaded = []

        def noted(item):
            loaded.append(item)
            yield item

        results = by_nodes(range(100), Work(noted, make, store), at_most=2)
        assert next(results) == [0, 0]
        assert len(loaded) == 10  # five ranges of two: two that run, two that wait, and the first one
        results.close()

    def test_what_is_wrong_with_an_image_is_the_callers_error(self, cluster):  # noqa: F811
        with pytest.raises(LookupError, match=r"^image 7$"):
            list(by_nodes([[7]], Work(load, fail, store)))

    def test_what_cannot_be_stored_ends_the_work(self, cluster):  # noqa: F811
        with pytest.raises(LookupError, match=r"^image \[7\]$"):
            list(by_nodes([[7], [8]], Work(load, make, lambda item, _: fail(item))))


@pytest.mark.parametrize(
    ("known", "at_most", "number"),
    [
        (Images(10**6, 64 * 64), 256, 256),
        (Images(10**6, 480 * 360), 256, 23),  # 120 MB of 5.2 MB each
        (Images(10**6, 480 * 360), 16, 16),
        (Images(1000, 128 * 96, 270, are_drawn=True), 256, 36),
        (Images(1000, 20_000 * 20_000), 256, 1),
        (Images(1000, 0), 256, 256),
    ],
)
def test_a_range_ends_with_so_many_images_or_so_much_memory(known, at_most, number):
    assert images._images_of_a_range(known, at_most) == number


def test_few_images_stay_with_this_machine(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")  # nobody answers there
    on_all = images.on_all(ANYWHERE)
    assert list(on_all(Work(load, make, store), [[1], [2]], "images", Images(999, 1))) == [[1, 10], [2, 20]]


def test_without_a_cluster_all_images_do(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert images.on_all(ANYWHERE) is on_all_cores
