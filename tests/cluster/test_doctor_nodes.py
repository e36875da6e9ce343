"""What the checks make of the answers of nodes; test_doctor_hosts.py asks real ones."""

import pytest

from pipeline.cluster import doctor_nodes
from pipeline.cluster.doctor import CheckError, Result
from pipeline.cluster.probe import Probe
from pipeline.cluster.probes import Probes
from pipeline.files.storage import Storage, StorageError

OURS = {"Python": "3.12.4", "Ray": "2.60.0", "torch": "2.13.0+cpu"}


def facts(**changes):
    return {**OURS, "clock": 1000.0, "resolved": "10.0.0.1", "interface": "eth0", **changes}


def found(check, *arguments):
    with pytest.raises(CheckError) as caught:
        check(*arguments)
    return caught.value.fault, caught.value.fix


def test_nodes_have_the_versions_of_this_machine():
    alike = {"10.0.0.1": facts(), "10.0.0.2": facts(Python="3.12.9", torch="2.13.0+cu130")}
    text = "2, each with Python 3.12.4, Ray 2.60.0, torch 2.13.0+cpu and this program's code"
    assert doctor_nodes.versions(alike, OURS) == text


@pytest.mark.parametrize(("name", "version"), [("Python", "3.11.9"), ("Ray", "2.61.0"), ("torch", "2.12.1+cpu")])
def test_another_version_is_found(name, version):
    theirs = {"10.0.0.1": facts(), "10.0.0.2": facts(**{name: version})}
    assert found(doctor_nodes.versions, theirs, OURS) == (
        f"10.0.0.2: {name} {version}; here Python 3.12.4, Ray 2.60.0, torch 2.13.0+cpu",
        "install there what requirements.lock pins",
    )


def test_clocks_that_differ_are_found():
    theirs = {"10.0.0.1": facts(clock=1000.0), "10.0.0.2": facts(clock=1002.5)}
    assert doctor_nodes.clocks(theirs, 1001.0) == "within 1.5 s of this machine's"
    theirs |= {"10.0.0.3": facts(clock=960.0), "10.0.0.4": facts(clock=4601.0)}
    assert found(doctor_nodes.clocks, theirs, 1001.0) == (
        "clocks differ from this machine's: 10.0.0.3: -41 s, 10.0.0.4: +3600 s",
        "let NTP set the clocks",
    )


def test_names_that_resolve_elsewhere_are_told_and_a_missing_interface_is_found():
    theirs = {"10.0.0.1": facts(), "10.0.0.2": facts(resolved="127.0.1.1", interface="ens3")}
    assert doctor_nodes.names(theirs) == (
        "interfaces ens3, eth0; own names resolve elsewhere, which is avoided: 10.0.0.2 to 127.0.1.1"
    )
    what, fix = found(doctor_nodes.names, {**theirs, "10.0.0.3": facts(interface=None)})
    assert what == "10.0.0.3: no interface has this address"
    assert fix.startswith("start Ray there with --node-ip-address")


def test_a_machine_that_lacks_something_is_found_with_its_fix():
    fine, none = Result("memory", True, "8 GB are free", ""), Result("GPUs", True, "none: training runs on the CPU", "")
    short = Result("shared memory", False, "64 MB are free in /dev/shm, 150 are needed", "docker run --shm-size 1g")
    expected = "memory, shared memory and disk suffice; GPUs: none: training runs on the CPU"
    assert doctor_nodes.machines({"10.0.0.1": [fine, none], "10.0.0.2": [fine, none]}) == expected
    assert found(doctor_nodes.machines, {"10.0.0.1": [fine, none], "10.0.0.2": [fine, short]}) == (
        "10.0.0.2, shared memory: 64 MB are free in /dev/shm, 150 are needed",
        "docker run --shm-size 1g",
    )


class Here(Probes):
    """Probes that all run in this process."""

    def ask(self, method, *arguments, by_node=None):
        own = by_node or {}
        return {node: getattr(Probe(), method)(*arguments, *own.get(node, ())) for node in self.actors}


def test_each_node_writes_to_the_storage_what_all_read_and_nothing_stays(bucket):
    nodes = Here({"10.0.0.1": None, "10.0.0.2": None})
    assert doctor_nodes.storage(nodes, bucket) == f"{bucket}, written by each node and read by every other"
    assert Storage(bucket).names() == []


def test_a_bucket_that_is_not_there_is_told_once_before_nodes_are_asked(bucket):
    nodes = Probes({"10.0.0.1": None, "10.0.0.2": None})
    with pytest.raises(
        StorageError, match=r"^expected to write s3://no-such-bucket/x/trial-\w+, got NoSuchBucket; create"
    ):
        doctor_nodes.storage(nodes, "s3://no-such-bucket/x")


def test_one_node_needs_no_storage():
    assert doctor_nodes.storage(Probes({"10.0.0.1": None}), None) == "one node, which needs none"
