"""What the driver says and forwards, with a queue of this process in place of Ray's."""

import pytest
import ray
import ray.util.queue

from pipeline.cluster import messages
from pipeline.cluster.failures import ClusterError


class Silent:
    """A queue that is empty once for each None, and then holds a message."""

    def __init__(self, *items):
        self.items = list(items)

    def get(self, *, timeout):
        assert timeout == 10.0
        if self.items[0] == "nothing":
            self.items.pop(0)
            raise ray.util.queue.Empty
        return self.items.pop(0)


@pytest.fixture
def said(caplog):
    caplog.set_level("INFO", "pipeline")
    return lambda: [record.getMessage() for record in caplog.records]


def listen(*items, waiting=lambda: "waiting", **listeners):
    return messages.listen(Silent(*items, None), listeners, waiting)


def test_while_no_workers_run_it_is_said_every_ten_seconds(said):
    assert listen("nothing", "nothing", ("workers", 2), "nothing", "nothing") is None
    assert said() == ["waiting", "waiting", "2 workers ready"]


def test_after_a_failure_workers_are_waited_for_again(said):
    listen(("workers", 2), "nothing", ("workers", 0), "nothing", ("workers", 1), "nothing")
    assert said() == ["2 workers ready", "waiting", "1 worker ready"]


def test_on_one_machine_nothing_is_said(said):
    listen("nothing", waiting=None)
    assert said() == []


def test_messages_are_forwarded_until_a_listener_fails():
    heard = []

    def hear(content):
        heard.append(content)
        if content == 2:
            raise OSError("full")

    error = listen(("report", 1), ("report", 2), ("report", 3), report=hear)
    assert heard == [1, 2]
    assert isinstance(error, OSError)


def test_an_error_of_the_workers_ends_the_run():
    error = listen(("error", "expected a finite loss"), ("report", 3), report=lambda _: None)
    assert isinstance(error, ClusterError)
    assert str(error) == "expected a finite loss"


def nodes(*alive):
    return [{"Alive": each, "Resources": {"CPU": 1.0}} for each in alive]


@pytest.mark.parametrize(
    ("workers", "alive", "line"),
    [
        (2, (True, False), "waiting for 2 workers (1 of 2 nodes)"),
        (1, (True, True), "waiting for 1 worker (2 of 2 nodes)"),
        ((1, 4), (True, True, True), "waiting for 1 to 4 workers (3 of 3 nodes)"),
    ],
)
def test_the_line_counts_live_nodes_of_those_there_were(monkeypatch, workers, alive, line):
    monkeypatch.setattr(ray, "nodes", lambda: nodes(*alive))
    assert messages.waiting_line(workers, 2, {})() == line
