"""What only a GPU shows."""

import pytest
import torch

from pipeline.training import checkpoint
from pipeline.training.trainer import Job, Trainer
from tests.support.tiny_data import write_tiles
from tests.support.tiny_training import SETTINGS, TINY

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]


@pytest.mark.parametrize("is_kept", [False, True])
def test_no_step_waits_for_the_gpu(tmp_path, monkeypatch, is_kept):
    monkeypatch.setattr("pipeline.training.trainer.fits", lambda tiles, device: is_kept)
    worker = Trainer(Job(write_tiles(tmp_path), TINY, SETTINGS, (1.0, 3.0)), torch.device("cuda"))
    worker.train(0, checkpoint.beginning().sums, progress=lambda now: None, save=lambda sums: None)  # as a warm-up
    mode = torch.cuda.get_sync_debug_mode()
    try:
        for batch in worker._feeds["train"].batches([[0, 1, 2, 3]] * 3, iter([torch.rand(4, 7)] * 3)):
            torch.cuda.set_sync_debug_mode("error")
            worker._step(0, *batch)
    finally:
        torch.cuda.set_sync_debug_mode(mode)
