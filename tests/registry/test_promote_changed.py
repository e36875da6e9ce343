"""What was changed in the store is neither judged nor made champion; registering again is always possible."""

from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.artifacts.spec import read_spec
from pipeline.cli import app
from pipeline.registry import champion, versions
from pipeline.tracking import store
from tests.support import project as tree


@pytest.fixture
def model(registered):
    """A registered model with champion 1 and version 2, which was held; the current folder is their working tree."""
    return registered(3, 3)


def files(model, number):
    version = versions.version(model, number)
    return Path(store.client(model.uri).get_logged_model(version.model_id).artifact_location.removeprefix("file://"))


@contextmanager
def changed(path):
    before = path.read_bytes()
    path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    yield
    path.write_bytes(before)


def refusal(*words):
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, ValueError), (done.exit_code, done.output)
    return str(done.exception)


def evidence(model, number):
    return files(model, number) / "evidence" / versions.version(model, number).tags["evidence"]


@pytest.mark.parametrize("words", [("promote", "2"), ("promote", "2", "--force", "a reason")])
def test_changed_evidence_of_a_candidate_is_not_judged(model, words):
    log = champion.read(model)
    with changed(evidence(model, "2") / "images.parquet"):
        assert "expected the evidence of version 2 of" in (message := refusal(*words, "--name", model.name))
        assert message.endswith("a file of it was changed, added or removed; restore it from a backup of the store")
    assert champion.read(model) == log
    assert champion.reign(model).champion == "1"


def test_changed_evidence_of_the_champion_holds_the_candidate_back(model):
    with changed(evidence(model, "1") / "images.parquet"):
        done = CliRunner().invoke(app, ("promote", "2", "--name", model.name))
        assert done.exit_code == 3
        assert "cannot be compared: expected the evidence of version 1 of" in done.stdout
    assert champion.read(model)[-1].evidence["champion"] is None
    done = CliRunner().invoke(app, ("verify", "2", "--name", model.name))
    assert "verdict: entry 3, HOLD" in done.output


@pytest.mark.parametrize(
    "name",
    [
        "requirements.txt",
        pytest.param("code/pipeline/core/fuse.py", marks=pytest.mark.slow),
        pytest.param("artifacts/segnet/model.json", marks=pytest.mark.slow),
    ],
)
def test_a_version_whose_files_were_changed_does_not_become_champion(model, name):
    with changed(files(model, "2") / name):
        message = refusal("promote", "2", "--force", "a reason", "--name", model.name)
    assert message.startswith(f"version 2 of {model.name} is not what was registered: expected the")
    assert message.endswith("or register the model again: dvc repro --force --single-item register")
    assert champion.reign(model).champion == "1"
    assert CliRunner().invoke(app, ("promote", "2", "--force", "a reason", "--name", model.name)).exit_code == 0
    with changed(files(model, "1") / name):
        assert refusal("rollback", "--name", model.name).startswith(f"version 1 of {model.name} is not what was regist")
    assert champion.reign(model).champion == "2"


def test_a_model_whose_version_was_changed_is_registered_as_another(model):
    (files(model, "2") / "code" / "start.pth").write_text("import os")
    again = tree.registered(read_spec(tree.stage.MODEL), hits=3)
    assert (again["version"], again["verdict"]) == ("3", "HOLD")
