"""The whole path as a user runs it: dvc repro on a few small scenes, in a copy of the repository."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TINY = {
    r"height: 96": "height: 32",
    r"width: 128": "width: 48",
    r"stride_y: 96": "stride_y: 32",
    r"stride_x: 128": "stride_x: 48",
    r"images: \{.*\}": "images: {train: 24, val: 8, test: 8}",
    r"width: 0\.25": "width: 0.0625",
    r"\n  epochs: \d+": "\n  epochs: 2",
    r"min_miou: .*": "min_miou: 0.0",
    # Eight small pictures may lack a class or a split of it.
    r"class_without_training_pixels: error": "class_without_training_pixels: warning",
}


class Repository:
    """A copy of the repository's files under git, where dvc runs as in a user's shell."""

    def __init__(self, folder):
        self.folder = folder
        for top in ("pipeline", "stages", ".dvc", "dvc.yaml", "params.yaml", ".gitignore", ".dvcignore"):
            if (ROOT / top).is_dir():
                shutil.copytree(ROOT / top, folder / top, ignore=shutil.ignore_patterns("__pycache__", "cache", "tmp"))
            else:
                shutil.copy(ROOT / top, folder / top)
        for top in ("data", "models", "reports"):
            (folder / top).mkdir()
            shutil.copy(ROOT / top / ".gitignore", folder / top)
        text = (folder / "params.yaml").read_text()
        for old, new in TINY.items():
            text, count = re.subn(old, new, text)
            assert count, f"params.yaml has no {old}"
        (folder / "params.yaml").write_text(text)
        self.run("git", "init", "-q")
        self.run("git", "add", ".")
        self.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "all")

    def run(self, *command, **environment):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        settings = {"PATH": path, "PYTHONPATH": str(self.folder), "DVC_NO_ANALYTICS": "1", **environment}
        done = subprocess.run(
            command, cwd=self.folder, env={**os.environ, **settings}, capture_output=True, text=True, timeout=280
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def stages_run(self, output):
        return re.findall(r"Running stage '(\w+)'", output)

    def status(self):
        """The stages that dvc would run, and those behind them that may follow."""
        return list(json.loads(self.run("dvc", "status", "--json")))


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    return Repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="module")
def first(repository):
    """The output of the first dvc repro."""
    return repository.run("dvc", "repro")


@pytest.mark.ray
@pytest.mark.slow
class TestRepro:
    """In the order of a user's day: each test goes on from the one before."""

    def test_it_carries_the_scenes_to_a_champion(self, repository, first):
        assert repository.stages_run(first) == ["download", "validate", "tile", "train", "evaluate", "register"]
        reports = repository.folder / "reports"
        registration = json.loads((reports / "registration.json").read_text())
        assert (registration["model"], registration["version"]) == ("segnet-scenes", "1")
        assert registration["verdict"] == "champion"
        scores = json.loads((reports / "scores.json").read_text())
        assert scores["images"] == 8
        assert 0 <= scores["test"]["miou"] <= 1
        assert len((reports / "history.csv").read_text().splitlines()) == 3
        assert len(list((reports / "overlays").iterdir())) == 8

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

    def test_an_edited_loss_trains_again_and_tiles_nothing(self, repository, first):
        with (repository.folder / "pipeline/core/losses.py").open("a") as file:
            file.write("# edited\n")
        assert repository.status() == ["train"]
        assert repository.stages_run(repository.run("dvc", "repro")) == ["train", "evaluate", "register"]

    def test_an_interrupted_path_goes_on_and_the_same_inputs_give_the_same_model(self, repository, first):
        weights = (repository.folder / "models/segnet/model.safetensors").read_bytes()
        shutil.rmtree(repository.folder / "runs")
        assert repository.stages_run(repository.run("dvc", "repro", "--force", "--single-item", "train")) == ["train"]
        assert (repository.folder / "models/segnet/model.safetensors").read_bytes() == weights
