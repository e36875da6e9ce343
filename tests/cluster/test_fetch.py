import json
from contextlib import suppress

import pytest

from pipeline.cluster import fetch as fetching, results
from pipeline.cluster.failures import JobError
from pipeline.cluster.fetch import fetch
from pipeline.files import dvc_cache, repository
from pipeline.files.storage import Storage, StorageError
from tests.support import tiny_jobs

pytestmark = pytest.mark.slow  # DVC starts several times


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A storage with the results of the job "first", of "second" with another param, and of "failed"."""
    folder = tmp_path_factory.mktemp("place")
    storage = tiny_jobs.storage(folder / "storage")
    made = tiny_jobs.make(folder / "repository")
    tiny_jobs.run(made, folder / "a", storage, job_id="first")
    tiny_jobs.run(made, folder / "b", storage, "train.epochs=77", job_id="second")
    tiny_jobs.change(made, register="echo error: no; exit 1")
    tiny_jobs.run(made, folder / "c", storage, job_id="failed")
    return storage


@pytest.fixture
def here(tmp_path, monkeypatch):
    made = tiny_jobs.make(tmp_path / "clone")
    monkeypatch.chdir(made.folder)
    return made


def contents(folder):
    """The files that fetch may write, by path."""
    tops = [folder / name for name in ("params.yaml", "dvc.lock", "models", "reports", "data")]
    files = [file for top in tops for file in (top.rglob("*") if top.is_dir() else [top]) if file.is_file()]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_lock_reports_model_and_versions_arrive_and_dvc_holds_them_for_its_own(place, here):
    found = fetch(place, "first")
    assert found.versions == ("models:/segnet-scenes/3",)
    assert (found.left, found.pushed) == (("data/raw",), False)
    assert (here.folder / "models/segnet/weights").read_text() == "image\n"
    assert (here.folder / "reports/scores.json").read_text() == "0.5\n"
    assert here.run("git", "status", "--short", "--untracked-files=no") == ""
    (here.folder / "data/raw").mkdir()
    (here.folder / "data/raw/image").write_text("image\n")
    here.run("dvc", "commit", "-f", "download")  # the data, which stays on the cluster
    assert here.status() == []
    (here.folder / "models/segnet/weights").unlink()
    here.run("dvc", "checkout", "models/segnet")
    assert (here.folder / "models/segnet/weights").read_text() == "image\n"


def test_without_the_data_only_the_data_is_changed_for_dvc(place, here):
    fetch(place, "first")
    status = json.loads(here.run("dvc", "status", "--json"))
    assert status == {
        "download": [{"changed outs": {"data/raw": "not in cache"}}],
        "train": [{"changed deps": {"data/raw": "deleted"}}],
    }


def test_a_job_with_params_of_its_own_brings_them(place, here):
    fetch(place, "second")
    assert "epochs: 77" in (here.folder / "params.yaml").read_text()
    assert "params" not in here.run("dvc", "status", "train")


def test_jobs_of_a_sweep_are_fetched_one_after_the_other(place, here):
    fetch(place, "second")
    fetch(place, "first")
    assert "epochs: 77" in (here.folder / "params.yaml").read_text()  # which the first left as they were
    assert dvc_cache.outputs(here.folder)
    fetch(place, "second")
    fetch(place, "second")


def test_a_job_that_failed_brings_what_its_stages_made(place, here):
    found = fetch(place, "failed")
    assert (found.status, found.error, found.versions) == ("failed", "register: error: no", ())
    assert set(contents(here.folder)) >= {"dvc.lock", "models/segnet/weights", "reports/scores.json"}
    assert not (here.folder / "reports/registration.json").exists()


@pytest.mark.parametrize("path", ["reports/scores.json", "dvc.lock", "models/segnet/notes.txt"])
def test_a_file_that_came_meanwhile_is_not_overwritten(place, here, path):
    (here.folder / path).parent.mkdir(parents=True, exist_ok=True)
    (here.folder / path).write_text("mine")
    before = contents(here.folder)
    with pytest.raises(
        JobError, match=rf"as they were when job first was submitted, got changed ones: {path}; nothing"
    ):
        fetch(place, "first")
    assert contents(here.folder) == before


def test_all_files_that_changed_meanwhile_are_named(place, here):
    with (here.folder / "params.yaml").open("a") as file:
        file.write("# mine\n")
    fetch(place, "first")  # which brings no params
    (here.folder / "reports/scores.json").write_text("mine")
    with pytest.raises(JobError, match=r"got changed ones: params\.yaml, reports/scores\.json; nothing was written"):
        fetch(place, "second")


def test_what_was_there_when_the_job_was_submitted_is_replaced(tmp_path, here):
    storage = tiny_jobs.storage(tmp_path / "storage")
    for name in ("models/segnet/old", "reports/scores.json"):
        (here.folder / name).parent.mkdir(exist_ok=True)
        (here.folder / name).write_text("old")
    tiny_jobs.run(here, tmp_path / "job", storage, job_id="mine")
    fetch(storage, "mine")
    assert (here.folder / "reports/scores.json").read_text() == "0.5\n"
    assert [path.name for path in (here.folder / "models/segnet").iterdir()] == ["weights"]


def copied(place, folder):
    copy = tiny_jobs.storage(folder)
    for name in place.names("jobs/first"):
        copy.put(name, place.get(name))
    return copy


def test_every_hash_is_checked_before_anything_is_written(place, here, tmp_path):
    before = contents(here.folder)
    for name in place.names("jobs/first/files"):
        storage = copied(place, tmp_path / name[-8:])
        storage.put(name, place.get(name)[:-1] + b"?")
        with pytest.raises(JobError, match=rf"expected {storage.address}/{name} to have the SHA-256 in its name, got"):
            fetch(storage, "first")
        assert results.are_complete(storage, "first")
        storage.delete([name])
        assert not results.are_complete(storage, "first")
        with pytest.raises(
            JobError, match=rf"{name}, got no such object: \S+ is lost, and nothing was written; submit"
        ):
            fetch(storage, "first")
        assert contents(here.folder) == before


def test_a_record_that_contradicts_its_lock_is_refused(place, here, tmp_path):
    storage = copied(place, tmp_path / "storage")
    record = json.loads(storage.get(results.name("first")))
    record["outs"]["reports/scores.json"] = "0" * 32
    storage.put(results.name("first"), json.dumps(record).encode())
    with pytest.raises(
        JobError, match=r"expected reports/scores.json of job first to have the MD5 \w+ of its lock, got"
    ):
        fetch(storage, "first")
    assert not (here.folder / "dvc.lock").exists()


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "reports/../.git/config", ".git/hooks/x", "reports/.gitignore", "data/raw"]
)
def test_a_record_cannot_choose_where_files_are_written(place, here, tmp_path, path):
    storage = copied(place, tmp_path / "storage")
    record = json.loads(storage.get(results.name("first")))
    record["files"][path] = record["files"]["dvc.lock"]
    storage.put(results.name("first"), json.dumps(record).encode())
    with pytest.raises(JobError, match=rf"expected files that stages write, got '{path}': nothing was written"):
        fetch(storage, "first")


def test_an_interrupted_fetch_leaves_whole_files_and_is_completed_by_the_next(place, here, monkeypatch):
    moved, move = [], fetching.shutil.move

    def interrupted(source, target):
        if len(moved) == 2:
            raise KeyboardInterrupt
        moved.append(move(source, target))

    monkeypatch.setattr(fetching.shutil, "move", interrupted)
    with suppress(KeyboardInterrupt):
        fetch(place, "first")
    assert not (here.folder / "dvc.lock").exists()  # the last
    monkeypatch.setattr(fetching.shutil, "move", move)
    fetch(place, "first")
    assert set(contents(here.folder)) >= {"dvc.lock", "models/segnet/weights", "reports/scores.json"}
    assert not [path for path in (here.folder / ".dvc/tmp").iterdir() if path.is_dir() and "fetch" in path.name]


def test_results_that_are_not_there_or_broken_say_what_to_do(here, tmp_path):
    storage = tiny_jobs.storage(tmp_path / "storage")
    with pytest.raises(JobError, match=r"expected the results of job a in file://.*, got none; they are written when"):
        fetch(storage, "a")
    storage.put(results.name("a"), b"{}")
    with pytest.raises(JobError, match=r"jobs/a/results.json: expected a job's results: .*; submit it again"):
        fetch(storage, "a")


def test_a_storage_that_cannot_be_reached_is_not_taken_for_broken_results(here, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageError, match=r"^expected to read file://.*/file/jobs/a/results.json, got: .*"):
        fetch(tiny_jobs.storage(tmp_path / "file"), "a")


def test_outside_a_repository_nothing_is_fetched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(JobError, match=r"expected a repository with .dvc in the current folder, got none"):
        fetch(Storage("file:///nowhere"), "a")


def test_results_hold_all_that_stages_write_but_data():
    tops = [top for top in repository.WRITTEN if not top.startswith("data/")]
    assert tops == ["models/segnet", "reports"]
