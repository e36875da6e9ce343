"""Download and tile on hosts that share nothing but a network, and do not see the images."""

import os
import subprocess
import sys

import pytest

from tests.cluster.test_run_hosts import NOTICES_SOON
from tests.support import ROOT, hosts, ray_hosts
from tests.support.left_behind import until

COMMAND = (sys.executable, "-m", "tests.support.prepared")
pytestmark = [hosts.needed, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nodes_that_see_no_file_write_what_one_machine_writes_although_one_is_lost(tmp_path):
    driver_sees = tmp_path / "driver"
    log = driver_sees / "prepared.log"
    with ray_hosts.cluster(driver_sees, **NOTICES_SOON) as cluster:
        for name in ("node1", "node2"):
            cluster.add(name, sees=())
        settings = {"RAY_ADDRESS": cluster.address, **ray_hosts.ENVIRONMENT}
        command = cluster.head.command(*COMMAND, driver_sees / "made", folder=ROOT, **settings)
        with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file) as driver:
            assert until(lambda: "\n40\n" in log.read_text(), 100, driver), log.read_text()
            cluster.nodes.pop("node2").crash()
            driver.wait(300)
    text = log.read_text()
    assert driver.returncode == 0, text
    assert "2 nodes, 2 at once\n1\n" in text
    assert "cutting\n" in text
    assert text.count("1 node, 1 at once") == 1, text  # tile has joined, too

    alone = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    subprocess.run([*COMMAND, tmp_path / "alone"], cwd=ROOT, env=alone, check=True, capture_output=True)
    for name in ("raw", "tiles"):
        by_nodes, by_one = contents(driver_sees / "made" / name), contents(tmp_path / "alone" / name)
        assert by_nodes == by_one
        assert len(by_one) == {"raw": 4, "tiles": 21}[name]  # of the tiles, 15, 2 and 2 shards
