"""`segnet doctor --address http://...`: the checks of a head and its nodes, by a job."""

import json

import pytest

from pipeline.cluster import doctor_job
from pipeline.cluster.failures import JobError
from pipeline.cluster.jobs import Job
from tests.support import local_server, ray_head, tiny_jobs
from tests.support.tiny_jobs import segnet

AT_HEAD = ["packages", "data set", "dvc", "memory", "shared memory", "disk", "GPUs", "MLflow"]
ON_NODES = ["cluster", "nodes", "clocks", "names", "connections", "all-reduce", "storage", "machines"]


class Cluster:
    """Jobs whose one job has ended with a status and a log."""

    def __init__(self, status, log=""):
        self.job = Job("doctor-1", 1, "doctor-1", status, "Ray's reason", "", "", "unknown", None, None)
        self.text, self.removed = log, []

    def send(self, sent, name, command, *, labelled):
        assert command == "python -m pipeline.cluster.doctor_job 7"
        assert not labelled
        return self.job

    def get(self, name):
        return self.job

    def log(self, job):
        return self.text

    def remove(self, job):
        self.removed.append(job.name)


@pytest.fixture
def made(tmp_path, monkeypatch):
    made = tiny_jobs.make(tmp_path / "repository")
    monkeypatch.chdir(made.folder)
    return made


def line(*names):
    checks = [{"name": name, "ok": True, "detail": "fine", "fix": ""} for name in names]
    return f"doctor found: {json.dumps({'ok': True, 'checks': checks})}\n"


def test_what_is_found_at_the_head_is_named_so_and_what_was_sent_is_not_checked_again(made):
    cluster = Cluster("SUCCEEDED", f"noise\n{line('packages', 'params', 'git', 'sockets', 'MLflow', 'cluster', 'git')}")
    found = doctor_job.results(cluster, None, 7)
    assert [result.name for result in found] == ["head: packages", "head: MLflow", "cluster", "git"]
    assert cluster.removed == ["doctor-1"]


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("job failed: no dvc\n\n", "expected the checks at the head to answer, got FAILED: job failed: no dvc; "),
        ("", "expected the checks at the head to answer, got FAILED: Ray's reason; "),
    ],
)
def test_checks_that_do_not_answer_are_an_error_with_what_the_job_said_last(made, log, said):
    cluster = Cluster("FAILED", log)
    with pytest.raises(JobError, match=rf"^{said}correct that at the head$"):
        list(doctor_job.results(cluster, None, 7))
    assert cluster.removed == ["doctor-1"]


def test_checks_that_do_not_end_are_given_up(made, monkeypatch):
    monkeypatch.setattr(doctor_job, "_SECONDS", 0.0)
    cluster = Cluster("PENDING")
    with pytest.raises(JobError, match=r"^expected the checks at the head to end within 0 s, got PENDING; look at "):
        list(doctor_job.results(cluster, None, 7))
    assert cluster.removed == ["doctor-1"]


@pytest.mark.slow
def test_a_head_that_does_not_answer_is_a_check_that_fails(made):
    address = f"http://127.0.0.1:{local_server.free_port()}"
    done = segnet(made, "doctor", "--json", "--megabytes", "1", "--address", address)
    assert done.returncode == 1
    [check] = [check for check in json.loads(done.stdout)["checks"] if check["name"] == "jobs"]
    assert check["detail"].startswith(f"expected an answer from {address}, got: ")
    assert check["fix"] == "check --address, the network, and that the head runs with its dashboard (ray[default])"


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(600)
def test_a_head_is_checked_from_a_machine_that_reaches_its_dashboard_alone(made, tmp_path):
    def checks(address, **settings):
        words = ("doctor", "--json", "--megabytes", "1", "--address", address)
        done = segnet(made, *words, SEGNET_STORAGE=f"file://{tmp_path / 'storage'}", **settings)
        assert "Traceback" not in done.stderr, done.stderr
        return {check["name"]: check for check in json.loads(done.stdout)["checks"]}

    (tmp_path / "storage").mkdir()
    with ray_head.head(tmp_path / "log", MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/head.db") as address:
        found = checks(address, MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/own.db")
        listed = segnet(made, "jobs", "--address", address)
    assert list(found)[11:] == ["jobs", *(f"head: {name}" for name in AT_HEAD), *ON_NODES, "storage from here"]
    assert {name for name, check in found.items() if not check["ok"]} == {"head: MLflow"}
    assert "to name a server where RAY_ADDRESS names a cluster" in found["head: MLflow"]["detail"]
    assert found["storage"]["detail"] == f"file://{tmp_path}/storage, written by each node and read by every other"
    assert found["storage from here"]["detail"] == f"file://{tmp_path}/storage, written, read and removed"
    assert listed.stdout == f"no job was submitted to {address}\n"
    assert list((tmp_path / "storage").rglob("*")) == []
