import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
import torch

from pipeline.training import estimate, initial
from tests.support.tiny_data import write_tiles
from tests.support.tiny_training import CPU, SETTINGS, TINY, fit


def test_a_training_is_as_many_times_an_epoch():
    assert estimate.in_words(42.4, 1272, 30) == "42 s per epoch, 21 min for 30 epochs"
    assert estimate.in_words(0.25, 0.5, 2) == "0.2 s per epoch, 0.5 s for 2 epochs"


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    return write_tiles(tmp_path_factory.mktemp("toy"))


@pytest.mark.parametrize("average", [pytest.param(0.0, marks=pytest.mark.slow), 0.9])
@pytest.mark.parametrize("optimizer", ["sgd", "nesterov", "adamw"])
def test_checkpoints_are_as_large_as_those_that_are_written(tiles, tmp_path, optimizer, average):
    settings = SETTINGS.model_copy(update={"optimizer": optimizer, "ema_decay": average, "keep_states": 2})
    fit(tiles, settings, tmp_path / "run")
    written = sum(file.stat().st_size for file in (tmp_path / "run").rglob("*.safetensors"))
    network = initial.network(TINY, ("a", "b"), None)
    assert estimate.checkpoint_bytes(network, settings) == pytest.approx(written, rel=0.05)


def _peaks():
    """Return the most memory before and after 200 MB were held for a moment."""
    before = estimate.peak_bytes(CPU)
    np.ones(25_000_000)
    return before, estimate.peak_bytes(CPU)


@pytest.mark.slow
def test_memory_is_the_most_that_was_held():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        before, after = pool.submit(_peaks).result()
    assert 190_000_000 < after - before < 230_000_000


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_memory_of_a_gpu_is_the_most_that_was_held():
    device = torch.device("cuda")
    before = torch.cuda.memory_allocated()
    torch.ones(50_000_000, device=device)
    assert estimate.peak_bytes(device) - before >= 200_000_000
