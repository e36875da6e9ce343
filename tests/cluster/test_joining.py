"""A cluster's address at which nobody listens; test_run_hosts.py joins real clusters."""

import pytest
import ray

from pipeline.cluster import joining, run, tasks
from pipeline.cluster.failures import ClusterError
from tests.support.local_server import free_port
from tests.support.tiny_training import ANYWHERE


def never(*_, **__):
    pytest.fail("Ray was asked, which would wait for minutes")


def train(folder):
    plan = run.Plan(run.Place(folder, ()), "auto", 0, ValueError, ANYWHERE, 4)
    with run.workers(never, None, plan):
        never()


def call_on_nodes(folder):
    with tasks.on_nodes(never, [folder], ANYWHERE, on_gpus=False):
        never()


@pytest.mark.parametrize("work", [train, call_on_nodes])
@pytest.mark.parametrize("address", ["127.0.0.1:{}", "[::1]:{}", "nowhere.invalid:{}", "nowhere", "127.0.0.1:99999"])
def test_no_head_at_the_address_ends_at_once_in_one_line(work, address, tmp_path, monkeypatch):
    address = address.format(free_port())
    monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.setattr(ray, "init", never)
    with pytest.raises(ClusterError) as caught:
        work(tmp_path)
    text = str(caught.value)
    assert text.startswith(f"expected RAY_ADDRESS to name a cluster's head, got no cluster at {address}: ")
    assert text.endswith("; give the HOST:PORT that `ray start --head` prints, on this network")
    assert "\n" not in text


def test_an_empty_address_is_none(tmp_path, monkeypatch):
    asked = {}

    def init(**options):
        asked.update(options)
        raise LookupError

    monkeypatch.setenv("RAY_ADDRESS", "")
    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(LookupError):
        train(tmp_path)
    assert asked["address"] == "local"
    assert not tasks.is_at_hand()


@pytest.mark.parametrize("address", ["auto", "local", "ray://nowhere.invalid:10001", "http://nowhere.invalid:8265"])
def test_what_is_no_address_of_a_head_is_left_to_ray(address, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", address)

    def asked(**_):
        raise LookupError

    monkeypatch.setattr(ray, "init", asked)
    with pytest.raises(LookupError):
        joining.join((), None, ANYWHERE)
