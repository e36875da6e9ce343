import io
import json
import os
import pty
import subprocess
import sys

import pytest

from pipeline.files import terminal
from pipeline.files.printable import ManyLinesError
from tests.support import ROOT, hostile

SECRET = "http://me:secret@host/a"


@pytest.mark.parametrize("text", hostile.KINDS.values(), ids=hostile.KINDS)
def test_each_argument_is_one_line_whatever_it_holds(text, capsys):
    terminal.say(text, text)
    terminal.complain(text, text)
    out, err = capsys.readouterr()
    assert out == err
    assert out.count("\n") == 2
    assert not hostile.acting(out, lines=True)


@pytest.mark.parametrize("text", hostile.KINDS.values(), ids=hostile.KINDS)
def test_json_holds_the_text_in_ascii(text, capsys):
    terminal.say_json({text: [text]})
    out = capsys.readouterr().out
    assert out.isascii()
    assert not hostile.acting(out, lines=True)
    assert json.loads(out) == {text: [text]}


def test_an_error_is_without_secrets_and_ends_the_program():
    with pytest.raises(SystemExit, match=r"^error: http://host/a cannot be reached\\x1b$"):
        terminal.fail("error: ", ValueError(f"{SECRET} cannot be reached\x1b"))


def test_line_breaks_of_a_library_become_spaces():
    assert terminal.error_line("while parsing\n  in line 3\n\nexpected a key\n") == (
        "while parsing in line 3 expected a key"
    )


def test_an_error_of_many_lines_keeps_its_own_lines_only():
    error = ManyLinesError("params.yaml is invalid:", "  a\nb: expected 1", f"  c: {SECRET}")
    with pytest.raises(SystemExit) as caught:
        terminal.fail("error: ", error)
    assert caught.value.code == "error: params.yaml is invalid:\n  a b: expected 1\n  c: http://host/a"


def test_a_file_is_unchanged_in_a_pipe_and_printable_on_a_terminal(capsys, monkeypatch):
    text = "a: 1\r\n# \x1b[2J\n"
    terminal.say_file(text)
    assert capsys.readouterr().out == text
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", screen)
    terminal.say_file(text)
    assert screen.getvalue() == "a: 1\n# \\x1b[2J\n"


UNCAUGHT = """
import logging, sys, warnings
sys.argv = ["stages/train.py"]
from pipeline.files import log
log.to_stderr()
text = sys.stdin.read()
logging.getLogger("pipeline.training").info(text)
logging.getLogger("urllib3").warning("%s", text)
warnings.warn(text)
try:
    try:
        raise KeyError(text)
    except KeyError as err:
        raise OSError(text) from err
except OSError:
    raise RuntimeError(text)
"""


def test_logs_warnings_and_tracebacks_on_a_terminal_hold_nothing_that_acts():
    mine, theirs = pty.openpty()
    text = hostile.STORABLE + SECRET
    command = [sys.executable, "-c", UNCAUGHT]
    settings = {**os.environ, "PYTHONUTF8": "1"}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=theirs, stdout=theirs, cwd=ROOT, env=settings)
    os.close(theirs)
    process.stdin.write(text.encode())
    process.stdin.close()
    seen = b""
    while True:
        try:
            block = os.read(mine, 4096)
        except OSError:  # Linux's end of a terminal
            break
        if not block:
            break
        seen += block
    os.close(mine)
    assert process.wait() == 1
    shown = seen.decode().replace("\r\n", "\n")  # the terminal's own carriage returns
    assert not hostile.acting(shown, lines=True)
    assert "secret" not in shown.replace("secret@host/a'", "")
    lines = shown.splitlines()
    assert sum(line.startswith("train: a\\x1b[2Jb") for line in lines) == 2  # ours, and urllib3's
    assert sum("UserWarning: a\\x1b[2Jb" in line for line in lines) == 1
    kinds = [line.partition(":")[0] for line in lines if line.startswith("builtins.")]
    assert kinds == ["builtins.KeyError", "builtins.OSError", "builtins.RuntimeError"]
    assert not any(line.startswith("segnet: champion") for line in lines)
