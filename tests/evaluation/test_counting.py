"""Predicting several test images at once; what is counted on them is in test_evaluate.py."""

import threading

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from pipeline.artifacts.spec import Spec
from pipeline.evaluation import counting, evaluate
from pipeline.inference.predict import Predictor
from tests.support.tiny_data import CLASSES, write_raw
from tests.support.tiny_networks import ALONE


class Model(nn.Module):
    """Predicts class 1 where an image is bright; calls `during` with the number of forward passes under way."""

    def __init__(self, during):
        super().__init__()
        self.dropout, self.during, self.under_way, self.lock = nn.Dropout(0.5), during, 0, threading.Lock()

    def forward(self, x_N3HW):
        with self.lock:
            self.under_way += 1
        self.during(self.under_way)
        bright = self.dropout(x_N3HW[:, :1] / 255)
        with self.lock:
            self.under_way -= 1
        return torch.cat([1 - bright, bright], dim=1)


def predictor(during, **options):
    spec = Spec("segnet", 1.0, CLASSES, "toy", tile_height=32, tile_width=32, scale=1.0, run="r")
    return Predictor(spec, Model(during).eval(), overlap=0.5, batch_size=1, **{**ALONE, **options})


@pytest.fixture
def raw(tmp_path, monkeypatch):
    """Four images, and two threads of torch, however many cores there are."""
    masks = [np.repeat([[0] * (4 * i) + [1] * (32 - 4 * i)], 32, axis=0).astype(np.uint8) for i in range(1, 5)]
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield write_raw(tmp_path / "raw", [(32, 32)] * 4, masks), tmp_path / "raw"
    torch.set_num_threads(threads)


def test_two_images_are_predicted_at_once_with_a_thread_each(raw):
    both, threads = threading.Barrier(2), []

    def during(_):
        threads.append(torch.get_num_threads())
        both.wait(60)  # for another image's forward pass

    result = evaluate.run(predictor(during), *raw)
    assert threads == [1] * 4
    assert torch.get_num_threads() == 2
    assert result.ids == ("test/0", "test/1", "test/2", "test/3")


def test_samples_of_two_images_never_mix(raw):
    most, threads = [], []

    def during(under_way):
        threads.append(torch.get_num_threads())
        threading.Event().wait(0.01)
        most.append(under_way)

    first, second = (evaluate.run(predictor(during, samples=3), *raw) for _ in range(2))
    assert np.array_equal(first.counts, second.counts)
    assert (set(most), set(threads)) == ({1}, {2})


def test_an_error_of_one_image_ends_the_rest_and_gives_the_threads_back(raw):
    def during(_):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        evaluate.run(predictor(during), *raw)
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(
    ("side", "images", "expected"),
    [
        (32, 100, 8),  # a thread for each core
        (32, 3, 3),
        # 30 bytes of a pixel of an image, and 2,000 of each of the 32 x 32 pixels of a window: 4 GB hold 3 and 1.
        (6000, 100, 3),
        (20_000, 100, 1),
    ],
)
def test_as_many_images_are_predicted_at_once_as_memory_and_cores_allow(side, images, expected):
    test = pd.DataFrame({"height": [side] * images, "width": [side] * images})
    assert counting._at_once(predictor(lambda _: None), test, cores=8) == expected
