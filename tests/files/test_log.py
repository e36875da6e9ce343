import logging
import sys

import pytest

from pipeline.files import log


@pytest.fixture(autouse=True)
def restored():
    """Restore the program's logger."""
    ours = logging.getLogger("pipeline")
    before = ours.handlers, ours.level
    yield
    ours.handlers = before[0]
    ours.setLevel(before[1])


def test_what_is_logged_goes_to_stderr_once_after_the_name_of_the_stage(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["stages/train.py", "--fresh"])
    for _ in range(2):
        log.to_stderr()
    logging.getLogger("pipeline.training.run").info("a new run")
    logging.getLogger("pipeline.files.locks").debug("not shown")
    logging.getLogger("another.library").info("not shown")
    assert capsys.readouterr() == ("", "train: a new run\n")
