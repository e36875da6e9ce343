"""What every stage has from its package."""

import sys

import pytest

from stages import option


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
