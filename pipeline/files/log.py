"""What a user sees of the program's log, of libraries' warnings, and of errors that nothing expected."""

import logging
import sys
import warnings
from pathlib import Path
from typing import TextIO

from pipeline.files import terminal

_log = logging.getLogger(__name__)


class _OneLine(logging.Formatter):
    """Formats a record as a line without control characters and secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a traceback becomes part of it."""
        return terminal.error_line(super().format(record))


def to_stderr() -> None:
    """Write to stderr what a user should see: the program's log, INFO and above, and all that goes wrong.

    That is the warnings of libraries that have no log handler of their own, those of Python, and uncaught errors; all
    pass through files/terminal.py. Each line of a log begins with the name of the running stage or command.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine(f"{Path(sys.argv[0]).stem}: %(message)s"))
    ours = logging.getLogger("pipeline")
    ours.handlers = [handler]
    ours.setLevel(logging.INFO)
    ours.propagate = False  # MLflow's migrations of a database put a handler on the root logger
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(handler.formatter)
    warnings.showwarning = _log_warning
    sys.excepthook = terminal.show_uncaught


def _log_warning(  # noqa: PLR0917  # the signature of warnings.showwarning
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    del file, line
    _log.warning(f"{filename}:{lineno}: {category.__name__}: {message}")
