"""What is said of nodes that lack what workers need; tests/cluster/test_run_hosts.py asks real ones."""

from pathlib import Path

from pipeline.cluster import node, nodes

OURS = {"code": "a" * 64, "reads": ["tiles", "weights"], "folder": "token", "writes": ""}
READS = (Path("/data/tiles"), Path("/data/vgg16.safetensors"))
SHARED = "put it on storage that every node mounts at this path"


def faults(**theirs):
    return list(nodes._faults(OURS, {key: {**OURS, **facts} for key, facts in theirs.items()}, READS, Path("/runs/1")))


def test_nodes_that_have_the_same_and_those_without_code_are_right():
    assert faults(n1={}, n2={"code": None}) == []


def test_other_code_is_named_with_both_hashes_and_what_to_do():
    assert faults(n1={"code": "b" * 64}, n2={}, n3={"code": "b" * 64}) == [
        "expected nodes n1, n3 to have this program's code, package pipeline with SHA-256 aaaaaaaaaaaa, or none, got "
        "bbbbbbbbbbbb; install the same version there, or remove it: a run then brings its own code"
    ]


def test_data_that_is_not_seen_is_named_apart_from_data_that_differs():
    assert faults(n1={"reads": [node.NOTHING, "weights"]}, n2={"reads": ["others", "weights"]}) == [
        f"expected node n1 to see /data/tiles as this machine does, got nothing at this path; {SHARED}",
        f"expected node n2 to see /data/tiles as this machine does, got other files; {SHARED}",
    ]
    assert faults(n1={"reads": ["tiles", node.NOTHING]})[0].startswith(
        "expected node n1 to see /data/vgg16.safetensors"
    )


def test_a_run_that_is_not_seen_is_named_apart_from_data():
    unseen = {"folder": node.NOTHING, "writes": "No such file or directory"}
    assert faults(n1=unseen, n2={"folder": "another"}, n3={}) == [
        f"expected nodes n1, n2 to see the run's folder /runs/1, got another folder or none; {SHARED}"
    ]


def test_a_run_that_cannot_be_written_is_named_with_the_reason():
    assert faults(n1={"writes": "Read-only file system"}) == [
        "expected node n1 to write to the run's folder /runs/1, got: Read-only file system; make it writable"
    ]
