"""`segnet crossvalidate` as a user runs it: killed, run again, and the folds on the leaderboard."""

import json
import subprocess
import time

import pytest

from pipeline.files.digest import content_sha256
from pipeline.tracking import store
from tests.support.repository import Repository

COMMAND = ("segnet", "crossvalidate", "--folds", "3", "-S", "train.epochs=1", "-S", "train.warmup_epochs=0.0")
TREES = ("data", "models", "reports")


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    repository = Repository(tmp_path_factory.mktemp("repository"))
    (repository.folder / "runs").symlink_to(tmp_path_factory.mktemp("disk"))  # as where checkpoints need room
    repository.run("dvc", "repro", "validate")
    return repository


def state(repository):
    trees = {top: content_sha256(repository.folder / top) for top in TREES}
    return trees, repository.run("git", "status", "--short"), repository.run("dvc", "status", "--with-deps", "validate")


def killed_after_a_fold(repository):
    """Start the command, and end it by SIGTERM once a fold is finished; return its last words."""
    process = subprocess.Popen(
        COMMAND, cwd=repository.folder, env=repository.environment(), stderr=subprocess.PIPE, text=True
    )
    with process:
        deadline = time.monotonic() + 600
        while not list((repository.folder / "runs").glob("folds/*/1.json")) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.5)
        process.terminate()
        return process.communicate()[1]


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_an_interrupted_cross_validation_resumes_and_becomes_one_row_of_the_leaderboard(repository):
    before = state(repository)
    said = killed_after_a_fold(repository)
    assert f"ended by SIGTERM; the next {' '.join(COMMAND)} continues from what is complete" in said
    assert state(repository) == before
    done = repository.run(*COMMAND, "--json", merged=True)
    found = json.loads(done[: done.rindex("\n}") + 2])
    assert "fold 1, " in done
    assert "finished before" in done
    assert state(repository) == before

    means = [fold["metrics"]["miou"] for fold in found["folds"]]
    assert found["scores"]["miou"]["mean"] == pytest.approx(sum(means) / 3)
    assert [sum(fold["images"]) for fold in found["folds"]] == [32] * 3  # train and val; the test split has 8 more
    board = json.loads(repository.run("segnet", "leaderboard", "--metric", "folds/miou", "--json"))
    assert [(run["name"], run["value"]) for run in board["runs"]] == [(found["name"], found["scores"]["miou"]["mean"])]
    client = store.client(f"sqlite:///{repository.folder}/mlflow.db")
    trainings = client.search_runs([client.get_experiment_by_name("segnet-folds").experiment_id])
    assert {run.data.tags["training_run"] for run in trainings} == {fold["run"] for fold in found["folds"]}
    assert {run.data.tags["training_run"] for run in trainings} == {
        path.name for path in (repository.folder / "runs").iterdir() if (path / "inputs.json").exists()
    }
    place = repository.folder / "runs" / "folds" / found["name"]
    assert not [path for path in place.iterdir() if path.is_dir()]
    assert not client.search_registered_models()
