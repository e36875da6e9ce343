"""Two workers that have the same batches, without a process group."""

import torch.distributed as dist


def two(monkeypatch):
    """Make another worker give what this one gives."""
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(dist, "all_reduce", lambda tensor: tensor.mul_(2))
    monkeypatch.setattr(dist, "all_gather", lambda gathered, own: [tensor.copy_(own) for tensor in gathered])
