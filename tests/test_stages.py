"""What every stage has from its package."""

import sys

import pytest

from stages import execute, option


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


def test_an_error_is_said_without_the_password_of_an_address():
    def main():
        raise ValueError("expected an answer of http://me:secret@host.example, got none")

    with pytest.raises(SystemExit, match=r"^error: expected an answer of http://host\.example, got none$"):
        execute(main)
