"""Training resumed from an object store by workers on two nodes, each of which has a cache of its own."""

import os
from dataclasses import replace
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from pipeline.params.steps import Storage as Settings
from pipeline.training import remote, train
from pipeline.training.copies import Copies
from pipeline.training.errors import TrainingError
from pipeline.training.trainer import Job
from tests.support.tiny_data import write_tiles
from tests.support.tiny_training import CPU, SETTINGS, TINY, ignore

pytestmark = pytest.mark.slow
SILENT = {"device": CPU, "progress": ignore, "pictures": ignore, "say": ignore}


def interrupt(epoch):
    raise KeyboardInterrupt


def one_of(rank, nodes, per_node, job, folder, loses_the_lease):
    """Train as one worker of a node whose home folder, and so its cache, is its own; write how that ended there."""
    home, push = nodes[rank // per_node], Copies.push

    def push_but_the_last(copies):
        if (copies.folder / "step-000000007").exists():
            raise TrainingError("lost the lease")
        push(copies)

    torch.set_num_threads(1)
    os.environ.update(HOME=str(home), LOCAL_RANK=str(rank % per_node))  # the latter, as Ray Train sets it
    if loses_the_lease:
        Copies.push = push_but_the_last  # in this process
    meet, limit = f"file://{home.parent}/meet", timedelta(seconds=60)
    dist.init_process_group("gloo", init_method=meet, rank=rank, world_size=2 * per_node, timeout=limit)
    ended = "in time"
    try:
        train.fit(job, folder=folder, report=ignore, **SILENT)
    except TrainingError as err:
        ended = str(err)
    finally:
        dist.destroy_process_group()
    (home / f"{rank}.txt").write_text(ended)


@pytest.fixture
def resumed(bucket, tmp_path, monkeypatch):
    """Return a function that resumes a training after its first epoch, on two nodes; it returns the nodes' homes."""
    nodes = [tmp_path / name for name in ("driver", "node1", "node2")]
    for node in nodes:
        node.mkdir()
    monkeypatch.chdir(nodes[0])
    monkeypatch.setenv("HOME", str(nodes[0]))

    def resume(per_node=1, *, loses_the_lease=False):
        settings = Settings(address=bucket, cache="~/cache", cache_megabytes=1)
        tiles = write_tiles(tmp_path / "toy")
        with remote.begun(settings, {"data": "x.dir"}, fresh=False) as begun:
            job = begun.publish(Job(tiles, TINY, SETTINGS, (1.0, 3.0)))
            job = replace(job, tiles=tiles / "none")  # which only the driver sees
            with pytest.raises(KeyboardInterrupt):
                train.fit(job, folder=begun.folder, report=interrupt, **SILENT)
            mp.spawn(one_of, (nodes[1:], per_node, job, begun.folder, loses_the_lease), nprocs=2 * per_node)
            assert begun.result().step == (5 if loses_the_lease else 7)
        return nodes[1:]

    return resume


@pytest.mark.parametrize("per_node", [1, 2])
def test_no_node_keeps_copies_of_a_run_that_is_over(resumed, per_node):
    for node in resumed(per_node):
        assert [*(node / "cache").glob("blobs/*")]
        assert [path for path in (node / "cache/runs").iterdir() if path.is_dir()] == []


def test_where_the_last_checkpoint_cannot_be_copied_no_worker_waits_for_the_first(resumed):
    first, second = resumed(loses_the_lease=True)
    assert (first / "0.txt").read_text() == "lost the lease"
    assert (second / "1.txt").read_text() == "in time"
