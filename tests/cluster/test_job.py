"""What a job does on the cluster, here without one."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys

import psutil
import pytest

from pipeline.cluster import results
from pipeline.files.storage import Storage
from pipeline.tracking import clone
from tests.support import tiny_jobs
from tests.support.left_behind import until

pytestmark = pytest.mark.slow  # DVC starts several times
TRAIN = tiny_jobs.STAGES["train"]["cmd"]


@pytest.fixture
def made(tmp_path):
    return tiny_jobs.make(tmp_path / "repository")


@pytest.fixture
def storage(tmp_path):
    return tiny_jobs.storage(tmp_path / "storage")


def test_stages_know_storage_and_origin_and_have_all_threads(made, storage, tmp_path):
    tiny_jobs.change(made, train=f"env > {tmp_path / 'env'}; {TRAIN}")
    done = tiny_jobs.run(made, tmp_path / "job", storage, job_id="a")
    assert done.returncode == 0, done.stdout + done.stderr
    variables = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines() if "=" in line)
    assert variables["SEGNET_STORAGE"] == storage.address
    assert variables["SEGNET_ORIGIN"] == str(tmp_path / "job/origin.json")
    assert "OMP_NUM_THREADS" not in variables
    assert variables["PATH"].startswith(os.path.dirname(sys.executable) + ":")  # noqa: PTH120
    found = results.read(storage, "a")
    assert (found.status, found.error, found.tracking) == ("succeeded", "", "http://tracking:5000")
    assert found.origin.commit == made.run("git", "rev-parse", "HEAD").strip()
    assert set(found.outs) == {"models/segnet", "reports/scores.json", "reports/registration.json"}
    assert set(found.files) == {"dvc.lock", "models/segnet/weights", *(found.outs.keys() - {"models/segnet"})}


def test_without_a_server_it_ends_before_any_stage_that_records_something(made, storage, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    done = tiny_jobs.run(made, tmp_path / "job", storage)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("job failed: expected MLFLOW_TRACKING_URI to name a server, since ")
    assert not (tmp_path / "job/data/raw").exists()
    assert tiny_jobs.run(made, tmp_path / "data", storage, stages=("download",)).returncode == 0


def test_attempts_on_any_machine_are_one_clone_for_mlflow(made, storage, tmp_path):
    for folder in ("one", "two"):
        tiny_jobs.run(made, tmp_path / folder, storage, job_id="a")
    tiny_jobs.run(made, tmp_path / "other", storage, job_id="b")
    one, two, other = (clone.clone_id(tmp_path / folder / "runs") for folder in ("one", "two", "other"))
    assert one == two != other


def test_a_failed_stage_is_named_with_its_error_in_the_last_line(made, storage, tmp_path):
    tiny_jobs.change(made, train="echo error: expected masks, got none; echo hint; exit 1")
    done = tiny_jobs.run(made, tmp_path / "job", storage, job_id="a")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "job failed: train: error: expected masks, got none"
    found = results.read(storage, "a")
    assert (found.status, found.error) == ("failed", "train: error: expected masks, got none")
    assert found.files.keys() == {"dvc.lock"}  # of the stage that did not fail


def test_a_stage_without_an_error_of_its_own_is_named_with_its_last_line(made, storage, tmp_path):
    tiny_jobs.change(made, train="echo first; echo last; exit 3")
    done = tiny_jobs.run(made, tmp_path / "job", storage)
    assert done.stderr.splitlines()[-1] == "job failed: train: last"


def test_what_a_failed_stage_wrote_is_no_result(made, storage, tmp_path):
    tiny_jobs.change(made, register="echo changed > reports/scores.json; exit 1")
    tiny_jobs.run(made, tmp_path / "job", storage, job_id="a")
    assert results.read(storage, "a").outs.keys() == {"models/segnet"}


def test_what_was_registered_before_is_not_registered_by_a_job_that_does_not_run_register(made, storage, tmp_path):
    (made.folder / ".gitignore").write_text("/data\n/models\n")
    made.run("dvc", "repro")
    made.run("git", "add", "-f", "dvc.lock", "reports/registration.json")
    tiny_jobs.change(made)
    for job_id, stages in {"a": ("download",), "b": ()}.items():
        tiny_jobs.run(made, tmp_path / job_id, storage, job_id=job_id, stages=stages)
        found = results.read(storage, job_id)
        assert "reports/registration.json" in found.outs
        assert (found.error, found.versions) == ("", ())
    tiny_jobs.change(made, register="exit 1")  # as a register that is refused, which leaves what was sent
    tiny_jobs.run(made, tmp_path / "c", storage, job_id="c")
    found = results.read(storage, "c")
    assert (found.status, "reports/registration.json" in found.outs, found.versions) == ("failed", True, ())


@pytest.fixture
def remote(made, tmp_path):
    """The folder that is DVC's remote; it has what the stages made in the repository."""
    folder = tmp_path / "remote"
    folder.mkdir()
    made.run("dvc", "remote", "add", "-d", "shared", str(folder))
    tiny_jobs.change(made)
    made.run("dvc", "repro")
    made.run("dvc", "push")
    return folder


def test_what_the_remote_has_not_is_made(made, storage, remote, tmp_path):
    weights = hashlib.md5(b"image\n").hexdigest()  # DVC's name for it
    (remote / "files/md5" / weights[:2] / weights[2:]).unlink()  # of a folder that the remote has
    done = tiny_jobs.run(made, tmp_path / "part", storage, job_id="a")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"ERROR: failed to transfer '{weights}'" in done.stdout
    assert results.read(storage, "a").outs.keys() >= {"models/segnet"}
    shutil.rmtree(remote / "files")
    done = tiny_jobs.run(made, tmp_path / "all", storage, job_id="b")
    assert done.returncode == 0, done.stdout + done.stderr
    assert results.read(storage, "b").pushed


def test_a_remote_that_cannot_be_read_fails_the_job_before_any_stage(made, storage, remote, tmp_path):
    shutil.rmtree(remote / "files")
    (remote / "files").touch()
    done = tiny_jobs.run(made, tmp_path / "job", storage, job_id="a")
    assert done.returncode == 1
    assert "ERROR: unexpected error - [Errno 20] Not a directory" in done.stdout
    assert done.stderr.splitlines()[-1] == (
        "job failed: expected dvc pull to succeed, got what it says above; correct the remote's address or credentials "
        "at the head, or remove the remote (dvc remote remove shared)"
    )
    assert "Running stage" not in done.stdout
    assert storage.names("jobs/a") == []


@pytest.mark.parametrize("pushed", [True, False])
def test_a_job_that_is_over_leaves_no_second_copies(made, storage, tmp_path, pushed, request):
    if pushed:
        request.getfixturevalue("remote")
    tiny_jobs.change(made, train=f"mkdir -p runs/a/step-000000007 && touch runs/a/live.html && {TRAIN}")
    done = tiny_jobs.run(made, tmp_path / "job", storage)
    assert done.returncode == 0, done.stdout + done.stderr
    left = {path for path in ("data", ".dvc/cache", "runs/a/step-000000007") if (tmp_path / "job" / path).exists()}
    assert left == (set() if pushed else {"data", ".dvc/cache"})  # which nobody else has
    assert (tmp_path / "job/runs/a/live.html").exists()


def test_a_remote_that_takes_nothing_fails_the_job_and_loses_no_results(made, storage, tmp_path):
    remote = tmp_path / "remote"
    remote.mkdir()
    made.run("dvc", "remote", "add", "-d", "shared", str(remote))
    tiny_jobs.change(made, train=f"{TRAIN}; rmdir {remote}; touch {remote}")
    done = tiny_jobs.run(made, tmp_path / "job", storage, job_id="a")
    error = "expected dvc push to succeed, got what it says above; the results are in storage: submit again"
    assert done.stderr.splitlines()[-1] == f"job failed: {error}"
    found = results.read(storage, "a")
    assert (found.status, found.pushed, len(found.outs)) == ("failed", False, 3)


def test_a_remote_of_another_machine_is_left_alone(made, storage, tmp_path):
    made.run("dvc", "remote", "add", "-d", "mine", str(tmp_path / "absent"))
    done = tiny_jobs.run(made, tmp_path / "job", storage, job_id="a")
    assert done.returncode == 0
    assert f"DVC's remote mine is {tmp_path / 'absent'}, which this machine does not have: nothing is" in done.stdout
    assert not (tmp_path / "absent").exists()
    assert not results.read(storage, "a").pushed


def test_on_sigterm_it_waits_for_its_stage_and_leaves_no_results(made, storage, tmp_path):
    tiny_jobs.change(
        made, train=f"trap 'sleep 1; echo cleaned up; exit 1' TERM; sleep 60 & touch {tmp_path / 'up'}; wait"
    )
    tiny_jobs.send(made, tmp_path / "job", storage, job_id="a")
    storage.put(results.name("a"), json.dumps({"of": "an earlier attempt"}).encode())
    process = subprocess.Popen(
        tiny_jobs.command(),
        cwd=tmp_path / "job",
        env=tiny_jobs.environment(tmp_path / "job"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert until((tmp_path / "up").exists, 60)
    os.killpg(process.pid, signal.SIGTERM)  # as Ray does, to each process
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 143
    assert output.splitlines()[-2:] == ["cleaned up", "the job was stopped; submit it again, and it resumes"]
    assert storage.names("jobs/a") == []


def test_what_a_stage_left_behind_does_not_hold_it_up(made, storage, tmp_path):
    tiny_jobs.change(made, train=f"{TRAIN}; sleep 100 & echo $! > {tmp_path / 'pid'}")
    done = tiny_jobs.run(made, tmp_path / "job", storage, job_id="a")
    psutil.Process(int((tmp_path / "pid").read_text())).kill()  # it still runs
    assert done.returncode == 0
    assert results.read(storage, "a").status == "succeeded"


def test_it_does_not_outlive_the_process_that_ray_started(made, storage, tmp_path):
    trap = f"trap 'echo cleaned up > {tmp_path / 'down'}; exit 1' TERM; sleep 60 & touch {tmp_path / 'up'}; wait"
    tiny_jobs.change(made, train=trap)
    tiny_jobs.send(made, tmp_path / "job", storage, job_id="a")
    shell = subprocess.Popen(
        ("sh", "-c", f"{' '.join(tiny_jobs.command())}; true"),
        cwd=tmp_path / "job",
        env=tiny_jobs.environment(tmp_path / "job"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert until((tmp_path / "up").exists, 60)
    job = psutil.Process(shell.pid).children()[0]
    shell.kill()
    shell.wait()
    assert until(lambda: not job.is_running(), 30)
    assert (tmp_path / "down").read_text() == "cleaned up\n"
    assert storage.names("jobs/a") == []


def test_a_python_without_the_packages_says_which_it_is(made, storage, tmp_path):
    tiny_jobs.send(made, tmp_path / "job", storage)
    bare = (sys.executable, "-S", "-m", "pipeline.cluster.job")
    done = subprocess.run(bare, cwd=tmp_path / "job", capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"job failed: expected the packages of requirements.lock for {sys.executable}, got: No "
    )
    assert done.stderr.endswith("start the cluster's head (ray start) with the environment activated that has them\n")


@pytest.mark.parametrize("kind", ["file", "s3"])
def test_a_storage_that_takes_nothing_fails_the_job_before_any_stage(made, tmp_path, kind, request):
    (tmp_path / "file").write_text("no folder")
    if kind == "s3":
        request.getfixturevalue("bucket")
    address = (tmp_path / "file/storage").as_uri() if kind == "file" else "s3://no-such-bucket/x"
    done = tiny_jobs.run(made, tmp_path / "job", Storage(address))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"job failed: expected to write {address}/trial-")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "job/data/raw").exists()
