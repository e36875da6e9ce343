"""Connecting to a cluster; test_doctor_hosts.py asks the nodes of real ones."""

import pytest

from pipeline.cluster import probes
from pipeline.cluster.doctor import CheckError
from pipeline.params.steps import Placement


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", "http://127.0.0.1:8265", "127.0.0.1:x"])
def test_no_cluster_at_an_address_is_found_at_once(address):
    anywhere = Placement(strategy="pack", node_labels={})
    with (
        pytest.raises(CheckError, match=f"no cluster at {address}: .*; give the HOST:PORT that `ray start --head`"),
        probes.connected(address, anywhere),
    ):
        pass
