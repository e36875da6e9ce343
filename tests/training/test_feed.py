"""What a step is given, read from tiles or picked from those that the device keeps."""

import threading
import tracemalloc
from itertools import repeat

import pytest
import torch

from pipeline.artifacts.tileset import Tileset
from pipeline.training import feed
from pipeline.training.feed import Feed, ahead, fits
from tests.support.tiny_data import write_tiles
from tests.support.tiny_training import CPU

PARTS = [[0, 1], [4, 2, 8], [3]]


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    """Open nine tiles of 32 x 32 pixels."""
    return Tileset(write_tiles(tmp_path_factory.mktemp("toy")), "val")


@pytest.mark.parametrize(("keep", "at_once"), [(False, 16), (True, 16), (True, 2)])  # of nine tiles
def test_a_batch_comes_as_images_of_channels_and_masks_of_integers_with_its_draw(tiles, monkeypatch, keep, at_once):
    monkeypatch.setattr(feed, "_AT_ONCE", at_once)
    draws = [torch.full((2,), float(i)) for i in range(3)]
    batches = list(Feed(tiles, CPU, keep=keep).batches(PARTS, iter(draws)))
    for (images, masks, drawn), (pixels, classes), expected in zip(batches, tiles.batches(PARTS), draws, strict=True):
        assert (images.dtype, masks.dtype) == (torch.float32, torch.int64)
        assert torch.equal(images, torch.from_numpy(pixels).movedim(3, 1).float())
        assert torch.equal(masks, torch.from_numpy(classes).long())
        assert images.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(drawn, expected)


def test_tiles_that_the_device_keeps_pass_through_the_hosts_memory_a_few_at_a_time(tmp_path, monkeypatch):
    tiles = Tileset(write_tiles(tmp_path, side=256), "val")
    monkeypatch.setattr(feed, "_AT_ONCE", 1)
    tracemalloc.start()  # numpy's arrays are counted, torch's tensors, which stand for the device's memory, are not
    try:
        Feed(tiles, CPU, keep=True)
        assert tracemalloc.get_traced_memory()[1] < 9 * 256 * 256 * 4 / 2
    finally:
        tracemalloc.stop()


def test_a_split_without_tiles_can_be_kept_too(tiles, tmp_path):
    none = Tileset(write_tiles(tmp_path), "none")
    assert list(Feed(none, CPU, keep=True).batches([], iter([]))) == []


def test_draws_may_have_no_end(tiles):
    assert len(list(Feed(tiles, CPU, keep=False).batches(PARTS, repeat(torch.zeros(0))))) == 3


@pytest.mark.parametrize(("free", "expected"), [(8 * 9 * 32 * 32 * 4, True), (8 * 9 * 32 * 32 * 4 - 1, False)])
def test_a_gpu_keeps_tiles_that_take_at_most_an_eighth_of_its_free_memory(tiles, monkeypatch, free, expected):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10**12))
    assert fits(tiles, torch.device("cuda")) is expected
    assert not fits(tiles, CPU)
    assert feed._SHARE == 8


def test_the_next_item_is_made_by_another_thread_while_one_is_used():
    made, threads = [threading.Event() for _ in range(3)], set()

    def items():
        for i, each in enumerate(made):
            threads.add(threading.get_ident())
            each.set()
            yield i

    taken = []
    for item in ahead(items()):
        taken.append(item)
        assert item == 2 or made[item + 1].wait(60)  # while this one is used
    assert taken == [0, 1, 2]
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_an_error_of_what_makes_items_is_raised_where_they_are_used():
    def items():
        yield 1
        raise ValueError("a tile is gone")

    taken = ahead(items())
    assert next(taken) == 1
    with pytest.raises(ValueError, match="a tile is gone"):
        next(taken)
