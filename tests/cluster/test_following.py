import asyncio
from types import SimpleNamespace

import pytest

from pipeline.cluster import following
from pipeline.cluster.failures import JobError
from pipeline.cluster.following import Log, follow
from pipeline.cluster.jobs import Job, UnreachableError

TEXT = "first\nsecond\nthird\nfourth\n"


def job(status, message=""):
    return Job("segnet-a", 1, "segnet-a", status, message, "", "", "unknown", None, None)


class Cluster:
    """A cluster whose connections for the log bring what a test says, and whose job ends when all have been made."""

    address = "http://head:8265"

    def __init__(self, *connections, status="SUCCEEDED", message="", text=TEXT, answers=()):
        self.connections, self.made, self.status, self.message, self.text = connections, 0, status, message, text
        self.answers = list(answers)
        self.client = SimpleNamespace(tail_job_logs=self._tail)

    def get(self, name):
        assert name == "segnet-a"
        if self.answers and isinstance(answer := self.answers.pop(0), Exception):
            raise answer
        return job(self.status if self.made >= len(self.connections) else "RUNNING", self.message)

    def log(self, _):
        if self.text is None:
            raise JobError("the node with the log is gone")
        return self.text

    async def _tail(self, name):
        parts = self.connections[min(self.made, len(self.connections) - 1)]
        for part in parts:
            if part is None:
                self.made += 1
                await asyncio.sleep(60)
            elif isinstance(part, Exception):
                self.made += 1
                raise part
            else:
                yield part
        self.made += 1


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(following, "_EVERY", 0.01)
    monkeypatch.setattr(following, "_PAUSE", 0.02)
    monkeypatch.setattr(following, "_SILENT", 0.1)


def followed(cluster):
    lines = []
    ended, why = follow(cluster, job("RUNNING"), lines.append)
    return lines, ended.status, why


@pytest.mark.parametrize("size", [1, 2, 5, 7, 100])
def test_parts_of_any_size_and_from_any_connection_give_each_line_once(size):
    lines = []
    log = Log(lines.append)
    for end in (3, 9, 9, 20, len(TEXT)):  # each connection begins at the start
        for start in range(0, end, size):
            log.take(start, TEXT[start : min(end, start + size)])
    log.close()
    assert lines == ["first", "second", "third", "fourth"]


def test_a_last_line_without_an_end_is_shown():
    lines = []
    log = Log(lines.append)
    log.take(0, "a\nb")
    assert lines == ["a"]
    log.close()
    assert (lines, log.last) == (["a", "b"], "b")


def test_what_ray_says_is_left_out():
    lines = []
    Log(lines.append).take(
        0,
        "2026-11-26 22:27:18,487\tINFO job_manager.py:581 -- Runtime env is setting up.\n"
        "2026-11-26 22:27:19,487\tERROR job_manager.py:600 -- It fails.\n"
        "Running entrypoint for job segnet-a: python -m x\nours\n",
    )
    assert lines == ["2026-11-26 22:27:19,487\tERROR job_manager.py:600 -- It fails.", "ours"]


@pytest.mark.parametrize(
    "connections",
    [
        (["first\nsec"], ["first\nsecond\n", "thi"], [TEXT]),  # ended as if the job had
        (["first\nsec", RuntimeError("closed")], [OSError("reset")], ["first\n", "second\nthird\n"]),
        (["first\nsec", None], ["first\nsecond\n", None]),  # fell silent
    ],
    ids=["ended", "broken", "silent"],
)
def test_a_log_that_breaks_off_continues_where_it_broke(connections):
    assert followed(Cluster(*connections)) == (["first", "second", "third", "fourth"], "SUCCEEDED", "")


def test_the_end_of_the_log_is_not_the_end_of_the_job():
    cluster = Cluster([TEXT], [TEXT], [TEXT], status="STOPPED")
    assert followed(cluster) == (["first", "second", "third", "fourth"], "STOPPED", "")
    assert cluster.made >= 3


def test_a_head_that_does_not_answer_is_asked_again(caplog):
    away = UnreachableError("no answer from http://head:8265")
    cluster = Cluster([TEXT], answers=[job("RUNNING"), away, away, away])
    with caplog.at_level("INFO", "pipeline"):
        assert followed(cluster)[1] == "SUCCEEDED"
    assert [record.message for record in caplog.records if record.name == "pipeline.cluster.following"] == [
        "no answer from http://head:8265; the job continues, and this command asks again until it is interrupted",
        "http://head:8265 answers again",
    ]


def test_a_job_that_is_forgotten_is_an_error():
    with pytest.raises(JobError, match="does not know it"):
        followed(Cluster([None], answers=[JobError("http://head:8265 does not know it")]))


def test_a_failed_job_says_its_last_error():
    text = (
        "error: expected masks, got none\nERROR: failed to reproduce 'tile'\njob failed: tile: error: expected masks\n"
    )
    cluster = Cluster([text], status="FAILED", message="Job entrypoint command failed", text=text)
    assert followed(cluster)[2] == "tile: error: expected masks"


@pytest.mark.parametrize(
    ("message", "last", "expected"),
    [
        ("exit code 1, last logs:\na\njob failed: tile: b\n", "", "tile: b"),  # the log itself could not be read
        ("exit code 137, last logs:\nepoch 1\nepoch 2", "epoch 2", "exit code 137, last logs: epoch 2"),
        ("exit code 137, last logs:\nepoch 1\nepoch 2", "", "exit code 137, last logs: epoch 2"),
        ("The node died.\nAll is lost.", "epoch 2", "The node died."),
        ("", "epoch 2", "Ray does not say why"),
    ],
)
def test_a_job_that_was_killed_says_what_ray_knows(message, last, expected):
    assert following.reason(job("FAILED", message), last) == expected


def test_without_the_last_part_of_the_log_the_status_still_counts():
    assert followed(Cluster(["first\nsec"], text=None)) == (["first", "sec"], "SUCCEEDED", "")
