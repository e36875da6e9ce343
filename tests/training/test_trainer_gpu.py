"""What only a GPU shows."""

from contextlib import contextmanager
from copy import deepcopy

import pytest
import torch
import torch.distributed as dist
from torch import nn

from pipeline.core.augment import NUM_DRAWS
from pipeline.core.sync_batch_norm import synchronised
from pipeline.training import checkpoint
from pipeline.training.trainer import Job, Trainer
from tests.support.tiny_data import write_tiles
from tests.support.tiny_training import CPU, SETTINGS, TINY

ON_A_GPU = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
    pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype"),
]


@contextmanager
def alone(backend):
    """Be in a process group of one."""
    dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
    try:
        yield
    finally:
        dist.destroy_process_group()


@pytest.mark.parametrize(
    ("device", "backend"), [("cpu", "gloo"), pytest.param("cuda", "nccl", marks=ON_A_GPU)], ids=["cpu", "gpu"]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_one_worker_normalises_together_with_itself_as_alone(device, backend, dtype, memory_format):
    torch.manual_seed(1)
    single, x = nn.Sequential(nn.BatchNorm2d(8)).to(device), torch.randn(4, 8, 12, 10).to(device, dtype)
    x, weight = (each.contiguous(memory_format=memory_format) for each in (x, torch.randn_like(x)))
    together, found = deepcopy(single), []
    with alone(backend):
        for model in (single, synchronised(together)):
            mine = x.clone().requires_grad_()
            y = model(mine)
            y.backward(weight)
            found.append([y.detach(), mine.grad, model[0].weight.grad, model[0].bias.grad, model[0].running_var])
    atol = 1e-4 if dtype is torch.float32 else 0.05
    for expected, got in zip(*found, strict=True):
        torch.testing.assert_close(got, expected, atol=atol, rtol=0.01)


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
