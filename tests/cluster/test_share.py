import pytest

from pipeline.cluster.failures import ClusterError
from pipeline.cluster.share import check_labels, having, hosting, share


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
        ([node(CPU=8.0, GPU=7.0), node(CPU=8.0, GPU=1.0)], "auto", (8, 1, True)),
        ([node(CPU=32.0, GPU=4.0), node(CPU=32.0, GPU=4.0)], 4, (4, 8, True)),
        ([node(CPU=8.0), {"Alive": False, "Resources": {"CPU": 99.0}}], 2, (2, 4, False)),
    ],
)
def test_the_cluster_is_divided_evenly(nodes, asked, expected):
    part = share(hosting(nodes, {}), asked, 8)
    assert (part.workers, part.cpus, part.use_gpu) == expected


@pytest.mark.parametrize(("gpus", "tiles", "workers"), [(8, 4, 4), (3, 4, 2), (6, 8, 4), (5, 7, 1), (7, 21, 7)])
def test_automatically_workers_have_equally_many_tiles_and_idle_gpus_are_said(caplog, gpus, tiles, workers):
    with caplog.at_level("INFO"):
        part = share([node(CPU=2.0, GPU=1.0) for _ in range(gpus)], "auto", tiles)
    assert (part.workers, part.use_gpu) == (workers, True)
    assert caplog.messages == [
        f"{workers} of {gpus} GPUs are used: no more workers can have equally many of the {tiles} tiles "
        "(train.batch_size / train.accumulation); for all of them, make that a multiple of their number"
    ] * (workers < gpus)


@pytest.mark.parametrize(
    "nodes",
    [[(8, 7), (8, 1)], [(32, 4), (32, 4)], [(12, 8), (64, 2), (6, 1)], [(7, 2), (3, 2)]],
)
def test_workers_with_gpus_fit_wherever_there_is_a_gpu(nodes):
    hosts = [node(CPU=float(cpus), GPU=float(gpus)) for cpus, gpus in nodes]
    for number in range(1, sum(gpus for _, gpus in nodes) + 1):
        part = share(hosts, number, number)
        assert all(min(gpus, number) * part.cpus <= cpus for cpus, gpus in nodes)


def test_more_workers_than_gpus_are_refused():
    with pytest.raises(ClusterError, match=r"train\.num_workers: expected at most the cluster's 2 GPUs, got 3"):
        share([node(CPU=16.0, GPU=2.0)], 3, 3)


def test_workers_run_on_nodes_with_gpus_or_where_there_are_none_with_cpus():
    head, cpus, gpus, lost = node(), node(CPU=4.0), node(CPU=4.0, GPU=1.0), {"Alive": False, "Resources": {"CPU": 4.0}}
    assert hosting([head, cpus, lost], {}) == [cpus]
    assert hosting([head, cpus, gpus, lost], {}) == [gpus]
    assert hosting([head, cpus, gpus, lost], {}, on_gpus=False) == [cpus, gpus]
    assert having("CPU", [head, cpus, gpus, lost], {}) == [cpus, gpus]


def labelled(**labels):
    return {**node(CPU=1.0), "Labels": {"ray.io/node-id": "abc", **labels}}


def test_workers_run_on_nodes_with_all_labels():
    both, one, other = labelled(zone="a", kind="big"), labelled(zone="a"), labelled(zone="b", kind="big")
    assert hosting([both, one, other, node(CPU=1.0)], {"zone": "a"}) == [both, one]
    assert hosting([both, one, other], {"zone": "a", "kind": "big"}) == [both]
    check_labels([both, one], {"zone": "a", "kind": "big"})
    check_labels([node(CPU=1.0)], {})


def test_labels_that_no_node_has_are_refused_with_those_there_are():
    nodes = [labelled(zone="a"), labelled(kind="big"), {**labelled(zone="c", kind="big"), "Alive": False}]
    expected = (
        r"placement\.node_labels: expected a node with zone=c, kind=big, got nodes with kind=big, zone=a; correct the "
        "labels, or set them: ray start --labels"
    )
    with pytest.raises(ClusterError, match=expected):
        check_labels(nodes, {"zone": "c", "kind": "big"})
    with pytest.raises(ClusterError, match="got nodes with none; "):
        check_labels([node(CPU=1.0)], {"zone": "a"})
