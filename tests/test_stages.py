"""What every stage inherits from its package."""

import errno
import os
import sys

import botocore.exceptions
import pytest
import sqlalchemy.exc
from mlflow import MlflowException

from stages import execute, option, train
from tests.support import ROOT, hostile


def test_a_stage_is_given_its_one_option(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train.py"])
    assert not option("--fresh")
    monkeypatch.setattr(sys, "argv", ["train.py", "--fresh"])
    assert option("--fresh")


def test_another_argument_is_a_usage_error(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["train.py", "--frseh"])
    with pytest.raises(SystemExit):
        option("--fresh")
    assert "unrecognized arguments: --frseh" in capsys.readouterr().err


def test_a_store_that_train_could_not_use_is_refused_before_any_stage_works(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "me:secret@mlflow:5000")
    with pytest.raises(
        SystemExit, match=r"^error: expected MLFLOW_TRACKING_URI to be http.*, got mlflow:5000; correct"
    ):
        execute(lambda: pytest.fail("it worked"))


def test_a_store_of_this_machine_is_refused_before_ray_starts_on_a_cluster(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////mlflow.db")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    monkeypatch.setattr(train, "workers", lambda *_: pytest.fail("Ray was started"))
    monkeypatch.setattr(train.train, "prepare", lambda *_: pytest.fail("tiles were read"))
    with pytest.raises(ValueError, match="expected MLFLOW_TRACKING_URI to name a server where RAY_ADDRESS names"):
        train.main()


def test_an_error_is_said_without_the_password_of_an_address():
    def main():
        raise ValueError("expected an answer of http://me:secret@host.example, got none")

    with pytest.raises(SystemExit, match=r"^error: expected an answer of http://host\.example, got none$"):
        execute(main)


@pytest.mark.parametrize("text", hostile.KINDS.values(), ids=hostile.KINDS)
def test_an_error_is_one_line_whatever_it_quotes(text):
    def main():
        raise ValueError(f"expected an image, got {text}.png")

    with pytest.raises(SystemExit) as caught:
        execute(main)
    assert not hostile.acting(caught.value.code)
    assert caught.value.code.startswith("error: expected an image, got a")


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_what_the_disk_refuses_is_said_with_what_to_do(reason):
    def main():
        raise OSError(reason, os.strerror(reason), "data/tiles")

    said = r"^error: expected to read and write this stage's files, got .*'data/tiles'; make room or correct its perm"
    with pytest.raises(SystemExit, match=said):
        execute(main)


@pytest.mark.parametrize(
    "err", [MlflowException("no such run"), botocore.exceptions.ProfileNotFound(profile="x"), sqlalchemy.exc.DBAPIError]
)
def test_an_error_of_a_store_is_told_without_its_traceback(err):
    def main():
        raise err if isinstance(err, Exception) else err("SELECT", (), Exception("file is not a database"))

    said = "no such run|The config profile \\(x\\) could not be found|.*file is not a database"
    with pytest.raises(SystemExit, match=f"^error: ({said})"):
        execute(main)


def test_a_defect_of_the_program_keeps_its_traceback():
    def main():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "forgotten")

    with pytest.raises(FileNotFoundError):
        execute(main)
