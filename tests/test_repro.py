"""The complete pipeline as a user runs it: dvc repro on a few small scenes, in a copy of the repository."""

import json
import re
import shutil

import pytest

from pipeline.files import digest
from tests.support.repository import Repository


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    return Repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="module")
def first(repository):
    """Return the output of the first dvc repro."""
    return repository.run("dvc", "repro")


@pytest.mark.ray
@pytest.mark.slow
class TestRepro:
    """The tests follow a user's day: each continues from the previous one."""

    def test_it_carries_the_scenes_to_a_champion(self, repository, first):
        assert repository.stages_run(first) == ["download", "validate", "tile", "train", "evaluate", "register"]
        reports = repository.folder / "reports"
        registration = json.loads((reports / "registration.json").read_text())
        assert (registration["model"], registration["version"]) == ("segnet-scenes", "1")
        assert registration["verdict"] == "PROMOTE"
        scores = json.loads((reports / "scores.json").read_text())
        assert scores["images"] == 8
        assert 0 <= scores["test"]["miou"] <= 1
        assert len((reports / "history.csv").read_text().splitlines()) == 3
        assert (reports / "evaluation.html").read_text().startswith("<!doctype html>")
        verified = json.loads(repository.run("segnet", "verify", "1", "--json"))
        assert [link["name"] for link in verified["links"] if link["state"] != "holds"] == []

    def test_one_mlflow_run_holds_params_curves_and_scores(self, repository, first):
        from mlflow import MlflowClient

        client = MlflowClient(f"sqlite:///{repository.folder}/mlflow.db")
        experiment = client.get_experiment_by_name("segnet")
        (run,) = client.search_runs([experiment.experiment_id])
        assert run.info.status == "FINISHED"
        assert run.data.params["model.name"] == "segnet"
        assert "test/miou" in run.data.metrics
        assert [point.step for point in client.get_metric_history(run.info.run_id, "val/miou")] == [1, 2]
        lock = (repository.folder / "dvc.lock").read_text()
        (dataset,) = run.inputs.dataset_inputs
        assert f"md5: {dataset.dataset.digest}" in lock
        assert int(client.get_model_version_by_alias("segnet-scenes", "champion").version) == 1

    def test_nothing_runs_again(self, repository, first):
        assert repository.stages_run(repository.run("dvc", "repro")) == []
        written = {line[3:] for line in repository.run("git", "status", "--porcelain").splitlines()}
        assert written == {"dvc.lock", "reports/registration.json"}

    def test_an_edit_of_tracking_runs_train_which_does_not_train(self, repository, first):
        runs = sorted((repository.folder / "runs").iterdir())
        with (repository.folder / "pipeline/tracking/outbox.py").open("a") as file:
            file.write("# edited\n")
        author = ("-c", "user.name=t", "-c", "user.email=t@t")
        repository.run("git", *author, "commit", "-qm", "edited", "pipeline/tracking/outbox.py")
        assert repository.status() == ["train", "evaluate", "register"]
        done = repository.run("dvc", "repro", merged=True)
        assert repository.stages_run(done) == ["train", "evaluate", "register"]
        assert re.search(r"train: run [0-9a-f]{16} is finished", done)
        assert sorted((repository.folder / "runs").iterdir()) == runs

    def test_an_edited_loss_trains_again_and_tiles_nothing(self, repository, first):
        with (repository.folder / "pipeline/core/losses.py").open("a") as file:
            file.write("# edited\n")
        assert repository.status() == ["train", "evaluate", "register"]
        done = repository.run("dvc", "repro", merged=True)
        assert repository.stages_run(done) == ["train", "evaluate", "register"]
        assert re.search(r"inputs that changed since run [0-9a-f]{16}: code\n", done)

    def test_an_interrupted_path_resumes_and_the_same_inputs_give_the_same_model(self, repository, first):
        weights = (repository.folder / "models/segnet/model.safetensors").read_bytes()
        shutil.rmtree(repository.folder / "runs")
        assert repository.stages_run(repository.run("dvc", "repro", "--force", "--single-item", "train")) == ["train"]
        assert (repository.folder / "models/segnet/model.safetensors").read_bytes() == weights

    def test_the_commands_that_trace_prints_make_the_version_again_elsewhere(self, repository, first):
        told = json.loads(repository.run("segnet", "trace", "1", "--json"))
        assert told["differed_from_the_commit"] == []
        assert told["commands"][3:5] == ["make setup", "source .venv/bin/activate"]  # installs packages
        place = repository.folder.with_name("segnet-scenes-1")
        commands = [*told["commands"][:3], *told["commands"][5:]]
        repository.run("bash", "-euc", "\n".join(commands), PYTHONPATH=str(place))
        assert digest.directory_md5(place / "models/segnet") == told["expected"]["models/segnet"]
        scores = json.loads((place / "reports/scores.json").read_text())
        assert (scores["run"], scores["test"]["miou"]) == (
            told["expected"]["training run"],
            told["expected"]["test mIoU"],
        )
