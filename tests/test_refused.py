"""What is lost of a finished pipeline when dvc repro is refused: a wrong value in params.yaml, or a wrong address."""

import subprocess

import pytest

from tests.support.repository import Repository

pytestmark = pytest.mark.slow  # DVC starts several times
MADE = {
    "data/raw/manifest.parquet": "images",
    "data/tiles/train.arrow": "tiles",
    "models/segnet/model.safetensors": "weights",
    **{f"reports/{name}": name for name in ("batches.html", "train.json", "history.csv", "validation.json")},
    **{f"reports/{name}": name for name in ("images.parquet", "intervals.json", "reliability.csv", "scores.json")},
    **{f"reports/{name}": name for name in ("registration.json", "validation.html", "evaluation.html")},
    **{f"reports/{name}": name for name in ("classes.csv", "confusion.csv")},
}


@pytest.fixture
def finished(tmp_path):
    """A repository whose stages all have outputs, which DVC holds for up to date."""
    made = Repository(tmp_path)
    for name, text in MADE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    made.run("dvc", "commit", "-f")
    assert made.status() == []
    return made


def there(repository):
    return {name for name in MADE if (repository.folder / name).exists()}


def change(repository, old, new):
    text = (repository.folder / "params.yaml").read_text()
    assert text.count(old) == 1
    (repository.folder / "params.yaml").write_text(text.replace(old, new))


def refused(repository, *command, **settings):
    environment = repository.environment(**settings)
    done = subprocess.run(
        ("dvc", "repro", *command), cwd=repository.folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode
    return done.stderr


@pytest.mark.parametrize("how", ["checkout", "repro"])
def test_the_outputs_of_a_stage_that_is_refused_come_back_from_dvcs_cache(finished, how):
    change(finished, "\n  epochs: 2", "\n  epochs: 0")
    assert "train.epochs" in refused(finished)
    lost = {"models/segnet/model.safetensors", "reports/batches.html", "reports/train.json", "reports/history.csv"}
    assert there(finished) == MADE.keys() - lost
    change(finished, "\n  epochs: 0", "\n  epochs: 2")
    assert finished.stages_run(finished.run("dvc", how)) == []
    assert there(finished) == MADE.keys()
    assert finished.status() == []


def test_a_verdict_stays_where_register_is_refused_since_no_cache_has_it(finished):
    change(finished, "min_miou: 0.0", "min_miou: 2.0")
    assert "register.min_miou" in refused(finished)
    assert there(finished) == MADE.keys()
    change(finished, "min_miou: 2.0", "min_miou: 0.1")
    assert "expected MLFLOW_TRACKING_URI to be" in refused(finished, MLFLOW_TRACKING_URI="nowhere:1")
    assert there(finished) == MADE.keys()


def test_a_verdict_of_an_earlier_model_does_not_outlast_a_register_that_fails(finished):
    change(finished, "min_miou: 0.0", "min_miou: 0.1")
    refused(finished)  # these are no scores
    assert there(finished) == MADE.keys() - {"reports/registration.json"}
