"""Synchronised normalisation under torch.compile, over real workers; backends that generate code take too long."""

from copy import deepcopy

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from pipeline.core.models import MODELS
from pipeline.core.sync_batch_norm import synchronised


def one_of(rank, world_size, address):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=world_size)
    try:
        torch.manual_seed(1)
        plain = synchronised(MODELS["segnet"](2, 1 / 16)).to(memory_format=torch.channels_last)
        whole = deepcopy(plain)
        images = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(rank)) * 255
        plain(images).square().sum().backward()
        # Without breaks: with one at each normalisation, little would be left to fuse.
        torch.compile(whole, backend="aot_eager", fullgraph=True, dynamic=False)(images).square().sum().backward()
        gradients = {name: each.grad for name, each in plain.named_parameters() if each.grad is not None}
        assert len(gradients) > 26
        for name, each in whole.named_parameters():
            assert (each.grad is None) == (name not in gradients), name  # of biases before a normalisation
            assert each.grad is None or torch.equal(each.grad, gradients[name]), name
        for (name, mine), (_, theirs) in zip(whole.named_buffers(), plain.named_buffers(), strict=True):
            assert torch.equal(mine, theirs), name
    finally:
        dist.destroy_process_group()


@pytest.mark.slow
def test_a_network_whose_workers_normalise_together_is_compiled_whole(tmp_path):
    mp.spawn(one_of, (2, f"file://{tmp_path}/meet"), nprocs=2)
