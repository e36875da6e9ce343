"""What only a GPU shows."""

import pytest
import torch

from pipeline.core.augment import NUM_DRAWS
from pipeline.training import checkpoint
from pipeline.training.trainer import Job, Trainer
from tests.support.tiny_data import write_tiles
from tests.support.tiny_training import CPU, SETTINGS, TINY

ON_A_GPU = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
    pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype"),
]


def steps(folder, device, **changes):
    """Yield before each of three steps, which are taken after an epoch to warm up."""
    settings = SETTINGS.model_copy(update=changes)
    worker = Trainer(Job(write_tiles(folder), TINY, settings, (1.0, 3.0)), device)
    worker.train(0, checkpoint.beginning().sums, progress=lambda now: None, save=lambda sums: None)
    draws = iter([torch.rand(4, NUM_DRAWS)] * 3)
    for batch in worker._feeds["train"].batches([[0, 1, 2, 3]] * 3, draws):
        yield
        worker._step(0, *batch)


def test_the_steps_that_are_watched_on_a_gpu_can_be_taken(tmp_path):
    assert len(list(steps(tmp_path, CPU, compile=False))) == 3


@pytest.mark.parametrize("is_kept", [pytest.param(kept, marks=ON_A_GPU) for kept in (False, True)])
@pytest.mark.parametrize("compile_", [False, True])
def test_no_step_waits_for_the_gpu(tmp_path, monkeypatch, is_kept, compile_):
    monkeypatch.setattr("pipeline.training.trainer.fits", lambda tiles, device: is_kept)
    mode = torch.cuda.get_sync_debug_mode()
    try:
        for _ in steps(tmp_path, torch.device("cuda"), compile=compile_):
            torch.cuda.set_sync_debug_mode("error")
    finally:
        torch.cuda.set_sync_debug_mode(mode)
