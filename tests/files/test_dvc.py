import os
import sys
from importlib import metadata

import pytest

from pipeline.files import dvc


def test_it_is_found_beside_python_without_an_activated_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", os.defpath)
    assert dvc.run("--version").stdout == metadata.version("dvc") + "\n"
    made = dvc.run("init", "--quiet", "--no-scm", folder=tmp_path)
    assert (made.returncode, (tmp_path / ".dvc").is_dir()) == (0, True)


def test_a_failure_is_returned(tmp_path):
    failed = dvc.run("root", folder=tmp_path)
    assert failed.returncode
    assert "not inside of a DVC repository" in failed.stderr


def test_of_two_the_one_beside_python_is_run_and_its_makers_hear_nothing(tmp_path, monkeypatch):
    for folder, says in (("environment", "$DVC_NO_ANALYTICS"), ("path", "wrong")):
        script = tmp_path / folder / "dvc"
        script.parent.mkdir()
        script.write_text(f"#!/bin/sh\necho {says}\n")
        script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "environment" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    assert dvc.run().stdout == "1\n"


def test_a_missing_one_is_an_error(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(FileNotFoundError, match="'dvc'"):
        dvc.run("--version")
