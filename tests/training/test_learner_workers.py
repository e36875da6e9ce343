"""What several workers publish when each has its own statistics, and compute in when their devices differ."""

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from pipeline.training import compilation
from pipeline.training.learner import Learner
from tests.support.tiny_training import SETTINGS

APART = SETTINGS.model_copy(update={"optimizer": "sgd", "sync_batch_norm": False, "precision": "float32"})


def one_of(rank, world_size, address, folder):
    """Take two steps on images all of whose values are 10 for the first worker and 20 for the second."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=world_size)
    try:
        for decay in (0.0, 0.75):
            model = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 2, 1))
            learner = Learner(model, APART.model_copy(update={"ema_decay": decay}), (1.0, 1.0))
            for _ in range(2):
                images, masks = torch.full((2, 3, 8, 8), 10.0 * (rank + 1)), torch.zeros(2, 8, 8, dtype=torch.int64)
                learner.learn(images, masks, dropout=torch.zeros(len(images)), step=10**6, learning_rate=0.0)
            torch.save(learner.published().state_dict(), folder / f"{decay}-{rank}.pt")
    finally:
        dist.destroy_process_group()


def one_of_two_kinds(rank, world_size, address, folder):
    """Make learners of which the first worker's alone could compute in bfloat16 and compile."""
    torch.cpu.get_capabilities = lambda: {"avx512_bf16": rank == 0}
    compilation.is_wanted = lambda choice, device: rank == 0
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=world_size)
    try:
        learner = Learner(nn.Conv2d(3, 2, 1), APART.model_copy(update={"precision": "auto"}), (1.0, 1.0))
        (folder / f"{rank}.txt").write_text(f"{learner.precision} {learner._is_compiled}")
    finally:
        dist.destroy_process_group()


@pytest.mark.slow
def test_all_workers_compute_in_what_each_of_them_can(tmp_path):
    mp.spawn(one_of_two_kinds, (2, f"file://{tmp_path}/meet", tmp_path), nprocs=2)
    assert [(tmp_path / f"{rank}.txt").read_text() for rank in range(2)] == ["float32 False"] * 2


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workers")
    mp.spawn(one_of, (2, f"file://{folder}/meet", folder), nprocs=2)
    return {decay: [torch.load(folder / f"{decay}-{rank}.pt") for rank in range(2)] for decay in (0.0, 0.75)}


# Batch normalisation moves its mean by a tenth: 1 and then 1.9; the average of the weights moves by a quarter of that.
@pytest.mark.slow
@pytest.mark.parametrize(("decay", "mean"), [(0.0, 1.9), (0.75, 0.75 * 0.25 * 1.0 + 0.25 * 1.9)])
def test_all_workers_publish_the_first_ones_statistics(published, decay, mean):
    for state in published[decay]:
        assert state["0.running_mean"].tolist() == pytest.approx([mean] * 3)
