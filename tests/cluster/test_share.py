import pytest

from pipeline.cluster.failures import ClusterError
from pipeline.cluster.share import hosting, share


def node(**resources):
    return {"Alive": True, "Resources": resources}


@pytest.mark.parametrize(
    ("nodes", "asked", "expected"),
    [
        ([node(CPU=2.0)], "auto", (1, 2, False)),
        ([node(CPU=8.0)], 4, (4, 2, False)),
        ([node(CPU=8.0), node(CPU=4.0)], 4, (4, 2, False)),
        ([node(CPU=16.0, GPU=4.0), node(CPU=16.0, GPU=4.0)], "auto", (8, 4, True)),
        ([node(CPU=16.0, GPU=4.0), node(CPU=64.0)], 2, (2, 8, True)),
        ([node(CPU=8.0), {"Alive": False, "Resources": {"CPU": 99.0}}], 2, (2, 4, False)),
    ],
)
def test_the_cluster_is_divided_evenly(nodes, asked, expected):
    part = share(nodes, asked)
    assert (part.workers, part.cpus, part.use_gpu) == expected


def test_more_workers_than_gpus_are_refused():
    with pytest.raises(ClusterError, match=r"train\.num_workers: expected at most the cluster's 2 GPUs, got 3"):
        share([node(CPU=16.0, GPU=2.0)], 3)


def test_workers_run_on_nodes_with_gpus_or_where_there_are_none_with_cpus():
    head, cpus, gpus, lost = node(), node(CPU=4.0), node(CPU=4.0, GPU=1.0), {"Alive": False, "Resources": {"CPU": 4.0}}
    assert hosting([head, cpus, lost]) == [cpus]
    assert hosting([head, cpus, gpus, lost]) == [gpus]
