"""Which attempt at a job a submission becomes, with a stand-in for Ray's client."""

import sys
from types import SimpleNamespace

import pytest

from pipeline.cluster import head
from pipeline.cluster.failures import JobError
from pipeline.cluster.jobs import Jobs
from pipeline.cluster.submission import Order, Submission
from pipeline.tracking.origin import Origin

ORDER = Order("a", (), "file:///storage", Origin("c" * 40, (), "0" * 64), overridden=False, before={})
SENT = Submission(ORDER, "inputs", {"MLFLOW_EXPERIMENT_NAME": "streets"}, {"dvc.yaml": b"x"}, frozenset(), ())


class Client:
    """The client of a head: names are taken once, and other users may be faster."""

    def __init__(self):
        self.known, self.requests, self.rivals = {}, [], 0

    def add(self, name, status, inputs="inputs", job_id="a"):
        self.known[name] = SimpleNamespace(
            submission_id=name,
            status=SimpleNamespace(value=status),
            message=None,
            metadata={"segnet_job": job_id, "segnet_inputs": inputs},
            start_time=1000 * len(self.known),
            end_time=None,
        )

    def list_jobs(self):
        return [*self.known.values(), SimpleNamespace(submission_id=None, metadata=None)]  # of others, too

    def get_job_info(self, name):
        return self.known[name]

    def submit_job(self, submission_id, **request):
        if self.rivals:
            self.rivals -= 1
            self.add(submission_id, "PENDING")
        if submission_id in self.known:
            raise RuntimeError(f"Request failed with status code 500: Job {submission_id} already exists.")
        self.requests.append(request)
        self.add(submission_id, "PENDING")


@pytest.fixture
def client(monkeypatch):
    made = Client()
    monkeypatch.setattr(head, "client", lambda address: made)
    return made


def test_a_new_job_is_submitted_with_its_variables_and_no_others(client):
    job, is_new = Jobs().submit(SENT)
    assert (job.name, job.attempt, job.status, is_new) == ("a", 1, "PENDING", True)
    (request,) = client.requests
    assert request["runtime_env"]["env_vars"] == {
        "MLFLOW_EXPERIMENT_NAME": "streets",
        "SEGNET_STORAGE": "file:///storage",
        "RAY_JOB_STOP_WAIT_TIME_S": "75",
    }
    assert request["metadata"]["segnet_commit"] == "c" * 40


@pytest.mark.parametrize("status", ["PENDING", "RUNNING", "SUCCEEDED"])
def test_one_that_runs_or_succeeded_is_joined(client, status):
    client.add("a", "FAILED")
    client.add("a.2", status)
    job, is_new = Jobs().submit(SENT)
    assert (job.name, job.attempt, is_new) == ("a.2", 2, False)
    assert client.requests == []


def test_one_that_succeeded_is_tried_again_if_asked(client):
    client.add("a", "SUCCEEDED")
    job, is_new = Jobs().submit(SENT, after_success=True)
    assert (job.name, job.attempt, is_new) == ("a.2", 2, True)
    job, is_new = Jobs().submit(SENT, after_success=True)
    assert (job.name, is_new) == ("a.2", False)


@pytest.mark.parametrize("status", ["FAILED", "STOPPED"])
def test_one_that_died_is_tried_again(client, status):
    for name in ("a", *(f"a.{number}" for number in range(2, 11))):
        client.add(name, status)
    job, is_new = Jobs().submit(SENT)
    assert (job.name, job.attempt, is_new) == ("a.11", 11, True)


def test_of_two_that_submit_at_once_both_follow_one_attempt(client):
    client.rivals = 1
    job, is_new = Jobs().submit(SENT)
    assert (job.name, is_new, client.requests) == ("a", False, [])


def test_a_name_that_something_else_has_is_an_error_in_the_end(client):
    client.add("a", "RUNNING", job_id="another program's")
    with pytest.raises(JobError, match=r"to obey, got: Request failed with status code 500: Job a already exists"):
        Jobs().submit(SENT)


def test_the_same_name_for_other_inputs_is_refused(client):
    client.add("a", "FAILED", inputs="others")
    with pytest.raises(JobError, match=r"--id a: expected the inputs that this job was submitted with, got others"):
        Jobs().submit(SENT)


def test_attempts_are_listed_in_order_and_the_last_is_found(client):
    for name in ("a", "b", *(f"a.{number}" for number in (3, 2, 10))):
        client.add(name, "FAILED", job_id=name.partition(".")[0])
    assert [job.name for job in Jobs().list()] == ["a", "a.2", "a.3", "a.10", "b"]
    assert Jobs().find("a").name == "a.10"
    assert Jobs().find("a.3").name == "a.3"


def test_without_rays_dashboard_packages_the_error_names_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(JobError, match=r"expected ray\[default\], got Ray without it; run pip install -e '\.\[clust"):
        Jobs()
