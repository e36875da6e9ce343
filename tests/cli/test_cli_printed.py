"""What others named, tagged or gave as a reason, in the output of each command: no character of it acts."""

import json
import os
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.registry import model_files, versions
from pipeline.registry.versions import RegisteredModel
from pipeline.tracking import runs, store
from tests.support import hostile, project as tree, stores
from tests.support.hostile import STORABLE
from tests.support.tiny_model import write_model

MODEL = "segnet-hostile"
FILE = STORABLE.replace("/", "|")


@pytest.fixture(scope="module", autouse=True)
def trained(tmp_path_factory):
    """A working tree whose store holds version 1, with tags, reasons, params and run names of others."""
    folder = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", stores.sqlite(folder))
        tree.registered(tree.make("hostile"), hits=3)
        client = store.client(store.address())
        for tag in ("validation_status", "promoted_at", "test_data", "training_run", "git_commit"):
            client.set_model_version_tag(MODEL, "1", tag, STORABLE)
        experiment = store.experiment_id(store.address(), "hostile")
        for value in ("a", "b"):
            run = client.create_run(experiment, run_name=STORABLE, tags={runs.NAME_TAG: STORABLE})
            client.log_param(run.info.run_id, "train.loss", STORABLE + value)
            client.log_metric(run.info.run_id, "test/miou", 0.5)
        client.create_run(experiment, run_name=STORABLE)
        yield folder


@pytest.fixture(autouse=True)
def store_of(trained, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{trained}/mlflow.db")


def printed(*arguments, columns=80):
    """The output of a command, in which nothing acts, and which shows that something was meant to."""
    done = CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": str(columns)})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert not hostile.acting(done.output, lines=True)
    assert not any(line.startswith("segnet: champion") for line in done.output.splitlines())
    return done.output


SHOWN = "a\\x1b[2Jb"
COMMANDS = {
    "force": ("promote", "1", "--force", STORABLE),
    "status": ("status",),
    "history": ("history",),
    "verify": ("verify", "1"),
    "leaderboard": ("leaderboard", "--experiment", "hostile"),
    "rollback": ("rollback",),
}


class TestCommands:
    """In order: the forced promotion's reason is in the log that the others print."""

    @pytest.mark.parametrize("command", ["force", "status", "history", "verify", "leaderboard"])
    def test_text_of_others_is_printed_as_one_line_that_does_not_act(self, command):
        text = printed(*COMMANDS[command])
        assert SHOWN in text
        if command in ("force", "history", "leaderboard"):
            assert hostile.MARKUP in text  # rich takes none of it for markup

    @pytest.mark.parametrize("command", ["status", "history", "leaderboard"])
    def test_json_holds_it_exactly(self, command):
        text = printed(*COMMANDS[command], "--json")
        assert text.isascii()
        assert STORABLE in str(hostile_values(json.loads(text)))

    def test_the_files_of_the_decision_act_on_no_terminal(self, tmp_path):
        model = RegisteredModel(store.address(), MODEL)
        folder = model_files.fetch(versions.version(model, "1"), "decisions/000002", tmp_path)
        files = sorted(folder.iterdir())
        assert [file.name for file in files] == ["card.html", "card.md", "promotions.jsonl", "verdict.json"]
        assert not hostile.acting("".join(file.read_text() for file in files), lines=True)
        assert json.loads((folder / "verdict.json").read_text())["reason"] == STORABLE
        assert json.loads((folder / "promotions.jsonl").read_text().splitlines()[-1])["reason"] == STORABLE

    def test_a_wide_table_shows_it_too(self):
        assert hostile.MARKUP in printed(*COMMANDS["leaderboard"], columns=3000)

    def test_the_params_of_a_version_go_into_a_file_as_they_are(self, monkeypatch):
        fetched = model_files.evidence

        @contextmanager
        def with_comment(version, name):
            with fetched(version, name) as folder:
                path = folder / "params.yaml"
                path.write_text(f"{path.read_text()}# \x1b[2J\n")
                yield folder

        monkeypatch.setattr(model_files, "evidence", with_comment)
        assert "dvc repro evaluate" in printed("trace", "1")
        done = CliRunner().invoke(app, ["trace", "1", "--params"])
        assert done.output.endswith("# \x1b[2J\n")  # into a file or a pipe, as it is


def hostile_values(tree):
    """All texts of a JSON tree, joined."""
    if isinstance(tree, dict):
        return "".join(map(hostile_values, tree.values()))
    return "".join(map(hostile_values, tree)) if isinstance(tree, list) else str(tree)


def test_a_file_that_is_no_image_is_named(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in (f"{FILE}.png", f"{hostile.KINDS['not UTF-8']}.png"):
        (folder / name).write_text("no image")
    model = write_model(tmp_path / "model")
    text = printed("predict", folder, "--model", model, "--out", tmp_path / "out")
    assert SHOWN in text
    assert "a\\udcffb.png: expected an image" in text
    assert hostile.MARKUP.replace("/", "|") in text
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "good.png")
    assert "0 of" not in printed("predict", folder, "--model", model, "--out", tmp_path / f"out{FILE}")


@pytest.mark.parametrize("arguments", [("predict", FILE), ("export", "x", "--format", "onnx", "--model", FILE)])
def test_a_missing_path_is_named(arguments):
    error = CliRunner().invoke(app, list(arguments)).exception
    assert isinstance(error, ValueError)  # which main prints, see test_cli.py


@pytest.mark.parametrize("arguments", [("verify", "1", FILE), ("compare", FILE), (FILE,)])
def test_a_usage_error_quotes_names_as_one_line(arguments):
    assert SHOWN in printed(*arguments, columns=3000)


def test_the_name_of_a_leftover_is_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").touch()
    leftover = tmp_path / "runs" / f".{FILE}.1.partial"
    leftover.parent.mkdir()
    leftover.write_text("")
    os.utime(leftover, (0, 0))
    assert SHOWN in printed("prune", "--dry-run")


def test_the_name_of_an_outbox_is_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").touch()
    outbox = tmp_path / "runs/unsent" / FILE
    outbox.mkdir(parents=True)
    (outbox / "origin.json").write_text(json.dumps({"store": STORABLE, "experiment": "e"}))
    assert SHOWN in printed("sync")
    assert printed("sync", "--json")
