"""Where an experiment leaves its results, as README says; its stages are a line of shell each."""

import pytest

from tests.support import tiny_jobs

pytestmark = pytest.mark.slow  # DVC starts several times
OUT = "models/segnet/weights"


@pytest.fixture
def made(tmp_path):
    """A repository after dvc repro, whose model says with how many epochs it was made; dvc.lock is committed."""
    made = tiny_jobs.make(
        tmp_path / "repository",
        train=f"mkdir -p models/segnet && grep ' epochs:' params.yaml > {OUT} && touch reports/scores.json",
    )
    made.run("dvc", "repro")
    made.run("git", "add", ".")
    made.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "done")
    return made


def epochs(made):
    """The epochs that params.yaml states, and those of the model."""
    stated = [line for line in (made.folder / "params.yaml").read_text().splitlines() if " epochs:" in line]
    return [*stated, *(made.folder / OUT).read_text().splitlines()]


def test_an_experiment_changes_the_working_tree_and_with_temp_only_once_it_is_applied(made):
    made.run("dvc", "exp", "run", "-S", "train.epochs=5")
    assert epochs(made) == ["  epochs: 5"] * 2
    made.run("dvc", "exp", "run", "--temp", "--name", "beside", "-S", "train.epochs=7")
    assert epochs(made) == ["  epochs: 5"] * 2
    assert "beside" in made.run("dvc", "exp", "show", "--csv")
    made.run("dvc", "exp", "apply", "beside")
    assert epochs(made) == ["  epochs: 7"] * 2
