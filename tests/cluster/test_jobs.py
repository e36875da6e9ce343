"""Jobs on a real head of Ray, submitted and followed by the command."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pipeline.cluster import jobs
from pipeline.cluster.failures import JobError
from pipeline.cluster.jobs import Jobs
from tests.support import ray_head, tiny_jobs, unreliable
from tests.support.left_behind import until
from tests.support.tiny_jobs import segnet

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(600)]
WAIT = "while [ ! -e {gate} ]; do sleep 0.1; done; "


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    with ray_head.head(tmp_path_factory.mktemp("head") / "log") as address:
        yield address


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")


@pytest.fixture
def gate(tmp_path):
    return tmp_path / "gate"


@pytest.fixture
def made(tmp_path):
    return tiny_jobs.make(tmp_path / "repository")


@pytest.fixture
def submit(made, head, tmp_path):
    """Run segnet submit in the repository."""

    def run(*arguments, address=head, **options):
        place = f"file://{tmp_path / 'storage'}"
        return segnet(made, "submit", "--address", address, "--storage", place, *arguments, **options)

    return run


@pytest.fixture
def start(made):
    """Start the command in the repository, with its output in the file `out`; it is killed after the test."""
    processes = []

    def run(*arguments):
        with (made.folder.parent / "out").open("w") as out:
            command = (Path(sys.executable).parent / "segnet", *arguments)
            settings = made.environment(PYTHONUNBUFFERED="1", MLFLOW_TRACKING_URI=tiny_jobs.TRACKING)
            processes.append(subprocess.Popen(command, cwd=made.folder, env=settings, stdout=out, stderr=out))
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.wait()


def printed(made):
    return (made.folder.parent / "out").read_text()


def status(head, job_id):
    return Jobs(head).find(job_id).status


def test_a_job_that_succeeds_brings_its_results_and_is_not_run_twice(made, head, submit):
    done = submit("--id", "good", "-S", "train.epochs=5")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("good: ")
    assert lines[0].endswith(f"with changes in params.yaml, sent to {head}")
    assert lines[-1] == "good succeeded: segnet fetch good"
    assert [line for line in lines if line.startswith("Running stage")] == [
        f"Running stage '{name}':" for name in tiny_jobs.STAGES
    ]
    again = submit("--id", "good", "-S", "train.epochs=5")
    assert again.returncode == 0
    assert again.stdout.splitlines()[0] == "good was submitted before: SUCCEEDED"
    fetched = segnet(made, "fetch", "good", "--address", head)  # the cluster knows the storage
    assert fetched.stdout.splitlines() == [
        "good succeeded: 5 files fetched: dvc.lock, models/, params.yaml, reports/",
        "registered: models:/segnet-scenes/3 in http://tracking:5000",
        "not fetched: data/raw; they stay on the cluster, since no DVC remote has them",
    ]
    listed = json.loads(segnet(made, "jobs", "--json", "--address", head).stdout)
    (job,) = [job for job in listed if job["id"] == "good"]
    assert (job["status"], job["attempt"]) == ("SUCCEEDED", 1)
    assert job["commit"] == made.run("git", "rev-parse", "HEAD").strip()


def test_the_remote_has_what_the_job_made_and_the_next_job_has_what_the_remote_has(made, submit, tmp_path):
    (tmp_path / "remote").mkdir()
    made.run("dvc", "remote", "add", "-d", "shared", str(tmp_path / "remote"))
    tiny_jobs.change(made)
    assert submit("--id", "pushing").returncode == 0
    fetched = segnet(made, "fetch", "pushing", "--storage", f"file://{tmp_path / 'storage'}")
    assert fetched.stdout.splitlines()[-1] == "not fetched: data/raw; dvc pull brings them"
    made.run("dvc", "pull", "--allow-missing")
    assert made.status() == []
    again = submit("--id", "pulling")
    lines = [line for line in again.stdout.splitlines() if line.startswith("Running stage")]
    assert lines == ["Running stage 'register':"]  # whose output DVC never restores, nor git where it is not committed


def test_a_job_that_fails_says_the_last_error_of_its_stage(made, submit):
    tiny_jobs.change(made, train="echo first; echo error: expected masks, got none >&2; exit 1")
    done = submit("--id", "bad")
    assert done.returncode == 1
    assert done.stderr == "segnet: job bad failed: train: error: expected masks, got none\n"
    fetched = segnet(made, "fetch", "bad", "--storage", f"file://{made.folder.parent / 'storage'}")
    assert fetched.returncode == 0
    assert fetched.stderr == done.stderr


def test_a_job_that_is_stopped_has_time_to_clean_up(made, head, submit, start, gate):
    kept = gate.with_name("kept")
    tiny_jobs.change(made, train=f"trap 'sleep 6; echo kept > {kept}; exit 143' TERM; touch {gate}; sleep 100 & wait")
    assert submit("--id", "ending", "--detach").returncode == 0
    following = start("attach", "ending", "--address", head)
    assert until(gate.exists, 60)
    stopped = segnet(made, "stop", "ending", "--address", head)
    assert (stopped.returncode, stopped.stdout) == (0, "ending: STOPPED\n")
    assert kept.read_text() == "kept\n"
    assert following.wait(30) == 130
    assert printed(made).splitlines()[-1] == "segnet: job ending was stopped; submitted again, it resumes"
    assert segnet(made, "stop", "ending", "--address", head).stdout == "ending has ended before: STOPPED\n"


def test_ctrl_c_leaves_the_job_running_and_says_how_to_go_on(made, head, start, gate):
    tiny_jobs.change(made, train=f"echo begun; {WAIT.format(gate=gate)}{tiny_jobs.STAGES['train']['cmd']}")
    following = start(
        "submit", "--id", "long", "--storage", f"file://{made.folder.parent / 'storage'}", "--address", head
    )
    assert until(lambda: "\nbegun" in printed(made), 120), printed(made)
    following.send_signal(signal.SIGINT)
    assert following.wait(30) == 0
    assert printed(made).splitlines()[-3:] == [
        "long continues",
        f"follow it: segnet attach long --address {head}",
        f"stop it: segnet stop long --address {head}",
    ]
    assert status(head, "long") == "RUNNING"
    gate.touch()
    attached = segnet(made, "attach", "long", "--address", head)
    assert attached.returncode == 0
    assert attached.stdout.count("begun") == 2  # the command, and what it prints


def test_the_same_submission_joins_the_job_that_runs_and_resumes_one_that_died(made, head, submit, gate):
    tiny_jobs.change(made, train=f"{WAIT.format(gate=gate)}{tiny_jobs.STAGES['train']['cmd']}")
    first = submit("--detach").stdout
    job_id = first.partition(":")[0]
    second = submit("--detach").stdout
    assert second.splitlines()[0] in {f"{job_id} was submitted before: {state}" for state in ("PENDING", "RUNNING")}
    assert until(lambda: status(head, job_id) == "RUNNING", 60)
    assert segnet(made, "stop", job_id, "--address", head).returncode == 0
    gate.touch()
    third = submit()
    assert third.returncode == 0
    assert third.stdout.startswith(f"{job_id}, attempt 2: ")
    assert Jobs(head).find(job_id).name == f"{job_id}.2"
    assert f"{job_id}  SUCCEEDED" in segnet(made, "jobs", "--address", head).stdout
    (made.folder / "params.yaml").write_text((made.folder / "params.yaml").read_text() + "\n# changed\n")
    other = submit("--id", job_id)
    assert other.returncode == 1
    assert f"--id {job_id}: expected the inputs that this job was submitted with, got others" in other.stderr


def test_a_lost_connection_neither_ends_the_command_nor_loses_or_repeats_a_line(made, head, submit, start, gate):
    script = f"for i in $(seq 400); do echo line $i; sleep 0.05; done; {WAIT.format(gate=gate)}"
    tiny_jobs.change(made, train=script + tiny_jobs.STAGES["train"]["cmd"])
    submit("--id", "cut", "--detach")
    with unreliable.proxy(urlsplit(head).port) as wire:
        following = start("attach", "cut", "--address", f"http://127.0.0.1:{wire.port}")
        for number in (20, 100, 200):
            assert until(lambda: f"\nline {number}\n" in printed(made), 60), number  # noqa: B023  # called at once
            wire.down()
            wire.up()
        assert until(lambda: "\nline 300\n" in printed(made), 60)
        wire.down()
        time.sleep(3)
        wire.up()
        gate.touch()
        assert following.wait(60) == 0
    lines = printed(made).splitlines()
    assert [line for line in lines if line.startswith("line ")] == [f"line {i}" for i in range(1, 401)]
    assert [line for line in lines if "expected an answer from" in line and "the job continues" in line]
    assert lines[-1] == "cut succeeded: segnet fetch cut"


def test_a_sweep_is_one_submission_for_each_value(made, head, submit):
    for epochs in (3, 4):
        assert submit("--detach", "--id", f"sweep-{epochs}", "-S", f"train.epochs={epochs}").returncode == 0
    for epochs in (3, 4):
        assert segnet(made, "attach", f"sweep-{epochs}", "--address", head).returncode == 0
        assert segnet(made, "fetch", f"sweep-{epochs}", "--address", head).returncode == 0
        assert f"epochs: {epochs}\n" in (made.folder / "params.yaml").read_text()


def test_ids_that_nobody_knows_and_heads_that_do_not_answer_are_errors(head, monkeypatch):
    with pytest.raises(JobError, match=rf"expected a job of {head}, got nobody, which it does not know .*segnet jobs"):
        Jobs(head).find("nobody")
    with pytest.raises(JobError, match=rf"expected a job of {head}, got nobody, which it does not know"):
        Jobs(head).get("nobody")
    with pytest.raises(
        jobs.UnreachableError, match=r"expected an answer from http://127.0.0.1:9, got: .*check --address"
    ):
        Jobs("http://127.0.0.1:9")
    with pytest.raises(JobError, match=r"--address: expected http://head:8265, got //head; correct it"):
        Jobs("//me:geheim@head")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:6379")  # of the cluster, not of its dashboard
    assert Jobs(head).address == head
    assert os.environ["RAY_ADDRESS"] == "127.0.0.1:6379"
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", head)
    assert Jobs().address == head
    with pytest.raises(jobs.UnreachableError):
        Jobs("http://127.0.0.1:9")  # what was asked for, whatever the environment says
