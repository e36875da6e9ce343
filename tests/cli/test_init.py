"""`segnet init`: what becomes of a params.yaml that is there. tests/planning has what it proposes."""

import json
import socket
import subprocess

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from tests.support import ROOT, layouts

OWN = "dataset: {name: mine}\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    layouts.one_folder(tmp_path / "own")
    return tmp_path


def run(*words):
    return CliRunner().invoke(app, ["init", "own", *words])


def test_a_params_file_with_changes_is_kept_unless_forced(project):
    path = project / "params.yaml"
    path.write_text(OWN)
    done = run()
    assert (done.exit_code, path.read_text()) == (1, OWN)
    assert (
        "expected params.yaml to be as git or a preset has it, got one with changes of its own; commit it, or give"
        in (str(done.exception))
    )
    done = run("--force")
    assert done.exit_code == 0, done.output
    assert "wrote params.yaml; the earlier params.yaml is now params.before_init.yaml" in done.output
    assert (project / "params.before_init.yaml").read_text() == OWN


def test_every_file_with_changes_is_kept_and_an_unchanged_proposal_needs_no_force(project):
    path = project / "params.yaml"
    path.write_text(OWN)
    run("--force")
    proposal = path.read_text()
    done = run()
    assert "wrote params.yaml; the earlier params.yaml was an unchanged proposal" in done.output
    assert path.read_text() == proposal
    path.write_text(f"{proposal}# mine\n")
    assert run().exit_code == 1
    assert "the earlier params.yaml is now params.before_init_2.yaml" in run("--force").output
    assert (project / "params.before_init.yaml").read_text() == OWN
    assert (project / "params.before_init_2.yaml").read_text() == f"{proposal}# mine\n"


def test_a_copy_of_a_preset_is_replaced_and_it_is_said(project):
    (project / "params.yaml").write_bytes((ROOT / "presets/camvid.yaml").read_bytes())
    done = run()
    assert "wrote params.yaml; params.yaml was a copy of presets/camvid.yaml" in done.output
    assert not (project / "params.before_init.yaml").exists()


def test_a_committed_params_file_is_replaced_and_it_is_said(project):
    (project / "params.yaml").write_text(OWN)
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for words in (["init", "-q"], ["add", "params.yaml"], [*who, "commit", "-qm", "a"]):
        subprocess.run(["git", *words], cwd=project, check=True)
    assert "git checkout params.yaml restores the earlier file" in run().output
    (project / "params.yaml").write_text("seed: 2\n")
    assert run().exit_code == 1


def test_it_opens_no_connection_and_says_the_same_as_json(project, monkeypatch):
    def refuse(*_):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    done = run("--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["params"] == "params.yaml"
    assert said["found"][0] == "images: 8, *.jpg with *_mask.png"
    assert said["questions"][0] == "What are the classes called? Default: class_0, class_255"


def test_a_folder_that_the_pipeline_writes_to_is_refused(project):
    layouts.one_folder(project / "data/raw/own")
    done = CliRunner().invoke(app, ["init", "data/raw/own"])
    assert done.exit_code == 1
    assert "data/raw, whose content this pipeline replaces, got data/raw/own; move" in str(done.exception)
