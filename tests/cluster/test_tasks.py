"""Tasks on a real local cluster of two CPUs; a lost node: tests/cluster/test_run_storage.py."""

import os
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Event

import pytest
from ray.exceptions import RayTaskError, WorkerCrashedError

from pipeline.cluster import nodes, tasks
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

MIXED = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "num_gpus": 1})
cluster.add_node(num_cpus=2)
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@contextmanager
def started(script):
    """Yield the address of the cluster that a script starts."""
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", script], env=environment, **pipes) as process:
        yield process.stdout.readline().strip()
        process.communicate()


@pytest.fixture(scope="module")
def address():
    with started(CLUSTER) as address:
        yield address


@pytest.fixture
def cluster(address, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")


def on_nodes(function, items, placement=ANYWHERE):
    with tasks.on_nodes(function, items, placement, on_gpus=True) as results:
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


@pytest.mark.ray
@pytest.mark.slow
def test_work_that_needs_no_gpu_is_done_by_nodes_with_cores_whose_code_was_checked(monkeypatch, caplog):
    """Of a cluster whose head has a GPU, by its own word, and no core; another node has two cores."""
    asked, ask = [], nodes.code_is_missing
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setattr(nodes, "code_is_missing", lambda hosts, *rest: asked.append(hosts) or ask(hosts, *rest))
    with started(MIXED) as address, caplog.at_level("INFO"):
        monkeypatch.setenv("RAY_ADDRESS", address)
        with tasks.on_nodes(abs, [-1, -2], ANYWHERE, on_gpus=False) as results:
            assert list(results) == [1, 2]
    assert [[host["Resources"].get("CPU") for host in hosts] for hosts in asked] == [[2.0]]
    assert "1 node, 2 at once" in caplog.messages


class Started:
    """A stand-in for Ray: the futures of the attempts that were started, by item."""

    def __init__(self):
        self.of = defaultdict(list)

    def start(self, item):
        self.of[item].append(Future())
        return self.of[item][-1]


class TestAttempts:
    """What a lost node does to tasks; with one in reality: tests/cluster/test_run_storage.py."""

    @pytest.fixture
    def ray(self):
        return Started()

    @pytest.fixture
    def attempts(self, ray):
        return tasks._Attempts(ray.start)

    def test_only_tasks_that_have_not_ended_are_started_again(self, ray, attempts, caplog):
        first, second = attempts.submit("a"), attempts.submit("b")
        ray.of["a"][0].set_result(1)
        with caplog.at_level("INFO"):
            attempts.again()
        assert first.result(0) == 1
        assert {item: len(futures) for item, futures in ray.of.items()} == {"a": 1, "b": 2}
        assert not second.done()
        assert caplog.messages == ["a node is lost; tasks that are started again: 1"]

    @pytest.mark.parametrize("faster", [0, 1])
    def test_the_attempt_that_ends_first_counts(self, ray, attempts, faster):
        task = attempts.submit("a")
        attempts.again()
        ray.of["a"][faster].set_result("first")
        ray.of["a"][1 - faster].set_result("second")
        assert task.result(0) == "first"

    @pytest.mark.parametrize("lost", [0, 1])
    def test_an_attempt_that_was_lost_is_no_error_while_another_may_end_well(self, ray, attempts, lost):
        task = attempts.submit("a")
        attempts.again()
        ray.of["a"][lost].set_exception(WorkerCrashedError())
        assert not task.done()
        ray.of["a"][1 - lost].set_result(1)
        assert task.result(0) == 1

    def test_the_last_attempt_that_was_lost_is_an_error(self, ray, attempts):
        task = attempts.submit("a")
        attempts.again()
        ray.of["a"][1].set_exception(OSError("first"))
        ray.of["a"][0].set_exception(WorkerCrashedError())
        with pytest.raises(WorkerCrashedError):
            task.result(0)

    def test_the_functions_own_error_ends_a_task_at_once(self, ray, attempts):
        task = attempts.submit("a")
        attempts.again()
        own = RayTaskError("f", "", LookupError("a"))
        ray.of["a"][1].set_exception(own)
        assert task.exception(0) is own

    def test_after_four_attempts_a_task_is_not_started_again(self, ray, attempts):
        attempts.submit("a")
        for _ in range(5):
            attempts.again()
        assert len(ray.of["a"]) == 4


def watched(*answers):
    """Watch hosts that are these, then for ever the last of them; return how often one was lost."""
    left, asked, losses = list(answers), Event(), []

    def hosts():
        if len(left) == 1:
            asked.set()
        return [{"NodeID": name} for name in (left.pop(0) if len(left) > 1 else left[0])]

    with tasks._watched(hosts, lambda: losses.append(1), every=0.01):
        assert asked.wait(10)
    return len(losses)


def test_that_no_node_is_left_is_said_again_and_again_until_one_joins(caplog):
    with caplog.at_level("INFO"):
        watched("a", "", "", "b")
    assert [each.partition(",")[0] for each in caplog.messages] == ["waiting for a node"] * 2


@pytest.mark.parametrize(
    ("answers", "losses"),
    [
        (("ab", "a", "a"), 1),
        (("a", "b", "ab", "b", "b"), 2),  # another has come
        (("a", "ab", "ab"), 0),
    ],
)
def test_the_loss_of_a_node_is_noticed_once(answers, losses):
    assert watched(*answers) == losses


@pytest.mark.parametrize(
    ("nodes", "kind", "at_once", "needs"),
    [
        ([{"CPU": 4.0}, {"CPU": 2.0}], "CPU", 6, {"num_cpus": 1}),
        ([{"CPU": 16.0, "GPU": 2.0}, {"CPU": 8.0, "GPU": 1.0}], "GPU", 12, {"num_cpus": 0, "num_gpus": 0.25}),
    ],
)
def test_a_task_has_a_core_or_a_quarter_of_a_gpu(nodes, kind, at_once, needs):
    hosts = [{"Resources": node} for node in nodes]
    assert tasks._room(hosts, on_gpus=True) == (kind, at_once)
    assert tasks._room(hosts, on_gpus=False) == ("CPU", sum(node["CPU"] for node in nodes))
    assert tasks._NEEDS[kind] == needs


def test_no_node_with_a_core_is_an_error_that_says_how_to_start_one():
    with pytest.raises(ClusterError, match=r"^expected a node with a CPU or GPU, got none; start one: ray start"):
        tasks._room([], on_gpus=True)
    with pytest.raises(ClusterError, match=r"^expected a node with a CPU, got none; start one: ray start"):
        tasks._room([{"Resources": {"GPU": 1.0}}], on_gpus=False)
