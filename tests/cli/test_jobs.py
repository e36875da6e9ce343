"""`segnet submit | jobs | attach | fetch | stop` without a cluster; with one: tests/cluster/test_jobs.py."""

import subprocess
import sys
from datetime import timedelta

import pytest
import typer
from typer.testing import CliRunner

from pipeline.cli import jobs as command
from pipeline.cluster import following, results, submission
from pipeline.cluster.failures import JobError
from pipeline.cluster.jobs import Job
from pipeline.files.storage import Storage
from pipeline.params import ParamsError
from tests.support import SCENES


def job(status="RUNNING", job_id="segnet-a", attempt=1, **changes):
    facts = {"storage": "", "commit": "c" * 40, "started": 1000.0, "ended": None, "message": "", **changes}
    return Job(id=job_id, attempt=attempt, name=job_id, status=status, inputs="", **facts)


class Cluster:
    """A cluster with the jobs that a test gives it."""

    address = "http://head:8265"
    jobs, submitted = (), None

    def __init__(self, address=None):
        self.asked = address

    def list(self):
        return list(self.jobs)

    def find(self, job_id):
        return next(each for each in reversed(self.jobs) if each.id == job_id)

    def submit(self, sent, *, after_success=False):
        type(self).submitted = sent
        if not after_success and self.jobs:
            return self.jobs[-1], False
        return job("PENDING", sent.order.id), True


@pytest.fixture(autouse=True)
def cluster(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name, text in {"params.yaml": SCENES.read_text(), "dvc.yaml": "stages:\n  train: {cmd: x}\n"}.items():
        (tmp_path / name).write_text(text)
    for arguments in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *arguments], check=True)
    monkeypatch.setattr(command, "Jobs", type("Made", (Cluster,), {}))
    return command.Jobs


def segnet(*arguments):
    app = typer.Typer()
    for each in (command.submit, command.jobs, command.attach, command.stop, command.fetch):
        app.command()(each)
    return CliRunner().invoke(app, arguments)


def follow_to(monkeypatch, status, why=""):
    def followed(_, each, show):
        show("line 1")
        if status is None:
            raise KeyboardInterrupt
        return job(status, each.id), why

    monkeypatch.setattr(following, "follow", followed)


@pytest.mark.parametrize("address", ["sqlite:///mlflow.db", "mysql://host/a"])
def test_an_address_that_the_job_is_not_given_is_named(cluster, monkeypatch, address):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    words = ("submit", "--detach", "--storage", "file:///mnt/shared")
    line = "not passed on, being no http:// or https:// address: MLFLOW_TRACKING_URI; the head's own are used"
    assert line in segnet(*words).stdout.splitlines()
    assert "MLFLOW_TRACKING_URI" not in cluster.submitted.variables
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking:5000")
    assert "not passed on" not in segnet(*words).stdout


def test_without_a_storage_nothing_is_submitted(cluster):
    error = segnet("submit").exception
    assert isinstance(error, JobError)
    assert str(error) == (
        "expected a storage, since results would stay on a machine of the cluster, got local; set --storage, or "
        "storage.address in params.yaml, to s3://bucket/prefix, gs://, az://, or file:///folder of all machines"
    )
    assert cluster.submitted is None


def test_the_option_takes_precedence_over_environment_and_params(cluster, monkeypatch):
    def storage(*options):
        assert segnet("submit", "--detach", *options).exit_code == 0
        return cluster.submitted.order.storage

    by_params = ("-S", "storage.address=file:///of/params")
    assert storage(*by_params) == "file:///of/params"
    monkeypatch.setenv("SEGNET_STORAGE", "file:///of/environment")
    assert storage(*by_params) == "file:///of/environment"
    assert storage(*by_params, "--storage", "file:///of/option") == "file:///of/option"


def test_params_that_a_stage_would_refuse_are_refused_before_anything_is_sent(cluster):
    error = segnet("submit", "--storage", "file:///a", "-S", "train.epochs=-1").exception
    assert isinstance(error, ParamsError)
    assert error.args == (
        "params.yaml with -S train.epochs=-1 is invalid:",
        "  train.epochs: expected greater than or equal to 1, got -1; correct the value",
    )
    assert cluster.submitted is None


def test_an_address_that_is_no_storage_is_refused():
    assert "expected s3://bucket/prefix" in str(segnet("submit", "--storage", "bucket").exception)


def test_detached_it_says_what_was_sent_and_how_to_go_on(cluster, tmp_path):
    for number in range(12):
        (tmp_path / f"{number:02}.txt").write_text("x")
    done = segnet("submit", "--storage", "file:///a", "--detach", "--id", "mine", "--address", "http://h:1", "train")
    assert done.stdout.splitlines() == [
        f"not sent, since git does not track them: {', '.join(f'{i:02}.txt' for i in range(10))} and 2 more",
        "mine: 2 files of commit unknown, sent to http://head:8265",
        "follow it: segnet attach mine --address http://h:1",
        "stop it: segnet stop mine --address http://h:1",
    ]
    assert cluster.submitted.order.stages == ("train",)


@pytest.mark.parametrize(
    ("storage", "is_new"),
    [("file://{}", True), ("file://{}/none", False), ("s3://bucket", False)],
    ids=["lost", "not mounted here", "not to be asked from here"],
)
def test_a_job_that_succeeded_runs_again_if_its_results_are_lost(cluster, monkeypatch, tmp_path, storage, is_new):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # nobody answers there
    monkeypatch.setattr(command, "_PATIENCE", timedelta(seconds=0.1))
    cluster.jobs = [job("SUCCEEDED", storage=storage.format(tmp_path))]
    done = segnet("submit", "--storage", "file:///a", "--detach")
    assert ("succeeded, but its results in" in done.stdout) == is_new
    assert ("was submitted before: SUCCEEDED" in done.stdout) != is_new
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("status", "code", "out", "err"),
    [
        ("SUCCEEDED", 0, "segnet-a succeeded: segnet fetch segnet-a", ""),
        ("FAILED", 1, "", "segnet: job segnet-a failed: train: error: no tiles"),
        ("STOPPED", 130, "", "segnet: job segnet-a was stopped; submitted again, it resumes"),
    ],
)
def test_the_exit_code_is_that_of_the_status(cluster, monkeypatch, status, code, out, err):
    cluster.jobs = [job()]
    follow_to(monkeypatch, status, "train: error: no tiles" if code == 1 else "")
    done = segnet("attach", "segnet-a")
    assert (done.exit_code, done.stderr.rstrip("\n")) == (code, err)
    assert done.stdout.splitlines() == ["line 1", *([out] if out else [])]


def test_ctrl_c_says_how_to_go_on(cluster, monkeypatch):
    cluster.jobs = [job()]
    follow_to(monkeypatch, None)
    done = segnet("attach", "segnet-a")
    assert (done.exit_code, done.stdout.splitlines()) == (
        0,
        ["line 1", "", "segnet-a continues", "follow it: segnet attach segnet-a", "stop it: segnet stop segnet-a"],
    )


def test_the_log_is_shown_without_secrets(cluster, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "3f9a3f9a3f9a3f9a")
    cluster.jobs = [job()]
    monkeypatch.setattr(
        following, "follow", lambda _, each, show: (show("got 3f9a3f9a3f9a3f9a"), (job("SUCCEEDED"), ""))[1]
    )
    assert segnet("attach", "segnet-a").stdout.splitlines()[0] == "got $RAY_AUTH_TOKEN"


def test_jobs_are_listed_with_their_last_attempt(cluster, monkeypatch):
    assert segnet("jobs").stdout == "no job was submitted to http://head:8265\n"
    monkeypatch.setenv("TZ", "UTC")
    command.time.tzset()
    ended = {"started": 60.0, "ended": 3783.0}
    cluster.jobs = [job("FAILED", **ended), job("SUCCEEDED", attempt=2, **ended), job("STOPPED", "b", **ended)]
    assert segnet("jobs").stdout.splitlines() == [
        "segnet-a  SUCCEEDED  1970-01-01 00:01   1:02:03  cccccccccccc  attempt 2",
        "b         STOPPED    1970-01-01 00:01   1:02:03  cccccccccccc",
    ]


def test_what_has_ended_is_not_stopped(cluster):
    cluster.jobs = [job("FAILED")]
    assert segnet("stop", "segnet-a").stdout == "segnet-a has ended before: FAILED\n"


@pytest.mark.parametrize("job_id", ["../other", "a.2", "", "a" * 65])
def test_a_name_that_is_no_name_is_refused(job_id):
    with pytest.raises(JobError, match=r"expected a job's name of letters, digits, - and _, at most 64, got"):
        submission.prepare((), (), "file:///a", job_id=job_id or " ")
    with pytest.raises(JobError, match="expected a job's name of letters"):
        results.read(Storage("file:///a"), job_id)


def test_the_command_starts_without_ray_and_object_stores():
    code = "import sys, pipeline.cli; print({'ray', 'obstore', 'aiohttp'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
