"""Tasks on a real local cluster of two CPUs; a lost node: tests/cluster/test_run_storage.py."""

import os
import subprocess
import sys
from threading import Event

import pytest

from pipeline.cluster import tasks
from pipeline.cluster.failures import ClusterError
from tests.support.tiny_training import ANYWHERE

# It runs in a separate process, since the driver starts and shuts down its own Ray; it ends when its stdin is closed.
CLUSTER = """
import sys
import ray
print(ray.init(
    address="local", num_cpus=2, include_dashboard=False, object_store_memory=150_000_000, logging_level="ERROR"
).address_info["gcs_address"], flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def address():
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", CLUSTER], env=environment, **pipes) as process:
        yield process.stdout.readline().strip()
        process.communicate()


@pytest.fixture
def cluster(address, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")


def on_nodes(function, items, placement=ANYWHERE):
    with tasks.on_nodes(function, items, placement) as results:
        yield from results


@pytest.mark.ray
@pytest.mark.slow
class TestTasks:
    def test_results_are_in_the_items_order_and_few_items_are_taken_ahead(self, cluster):
        taken = []

        def items():
            for number in range(40):
                taken.append(number)
                yield number

        def square(number):
            import time

            time.sleep(0.2 if number == 0 else 0)
            return number**2

        results = on_nodes(square, items())
        assert next(results) == 0
        assert len(taken) == 5  # two tasks that run, two that wait, and the one that the first result waited for
        assert list(results) == [number**2 for number in range(1, 40)]

    def test_an_error_in_a_task_is_the_callers(self, cluster):
        def fail(number):
            raise LookupError(f"number {number}")

        with pytest.raises(LookupError, match=r"^number 7$") as caught:
            list(on_nodes(fail, [7]))
        assert type(caught.value) is LookupError

    def test_a_task_that_kills_its_process_each_time_ends_the_run(self, cluster, tmp_path):
        def die(folder):
            import os
            import tempfile

            tempfile.mkstemp(dir=folder)
            os._exit(1)

        with pytest.raises(ClusterError, match="WorkerCrashedError: The worker died unexpectedly"):
            list(on_nodes(die, [tmp_path]))
        assert len(list(tmp_path.iterdir())) == 4  # the first attempt, and three more

    def test_nodes_without_the_labels_are_not_used(self, cluster):
        placement = ANYWHERE.model_copy(update={"node_labels": {"kind": "large"}})
        with pytest.raises(ClusterError, match="expected a node with kind=large, got nodes with none"):
            list(on_nodes(abs, [1], placement))


def test_that_no_node_is_left_is_said_again_and_again_until_one_joins(caplog):
    node = {"Alive": True, "Resources": {"CPU": 1.0}, "Labels": {"kind": "large"}}
    answers = iter([[node], [], [{**node, "Labels": {}}]])
    asked = Event()

    def nodes():
        try:
            return next(answers)
        except StopIteration:
            asked.set()
            return [node]

    with caplog.at_level("INFO"), tasks._waiting_said(nodes, {"kind": "large"}, every=0.01):
        assert asked.wait(10)
    assert [each.getMessage().partition(",")[0] for each in caplog.records] == ["waiting for a node"] * 2


@pytest.mark.parametrize(
    ("nodes", "room"),
    [
        ([{"CPU": 4.0}, {"CPU": 2.0}], (6, {"num_cpus": 1})),
        ([{"CPU": 16.0, "GPU": 2.0}, {"CPU": 8.0, "GPU": 1.0}], (12, {"num_cpus": 0, "num_gpus": 0.25})),
    ],
)
def test_a_task_has_a_core_or_a_quarter_of_a_gpu(nodes, room):
    assert tasks._room([{"Resources": node} for node in nodes]) == room


def test_no_node_with_a_core_is_an_error_that_says_how_to_start_one():
    with pytest.raises(ClusterError, match=r"^expected a node with a CPU or GPU, got none; start one: ray start"):
        tasks._room([])
