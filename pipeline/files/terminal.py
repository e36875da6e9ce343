"""All that the program prints: each argument is one line, whatever it contains, and errors are without secrets."""

import json
import re
import sys
import traceback
from types import TracebackType
from typing import Any, NoReturn

from pipeline.files.printable import ManyLinesError, printable
from pipeline.files.redact import redact

_TOLD = ("pipeline.", "mlflow.", "requests.", "botocore.", "sqlalchemy.")  # such as no answer, or no database


def error_line(message: object) -> str:
    """Return a message, which may quote others, as one line without control characters and secrets.

    Libraries break the lines of long messages: here, a space takes the place of each break.
    """
    return printable(re.sub(r"\s*\n\s*", " ", redact(str(message)).rstrip()))


def say(*lines: str) -> None:
    """Print lines to stdout."""
    for line in lines:
        print(printable(line))  # noqa: T201


def complain(*lines: str) -> None:
    """Print lines about an error to stderr."""
    for line in lines:
        print(printable(redact(line)), file=sys.stderr)  # noqa: T201


def fail(start: str, error: object) -> NoReturn:
    """Print an error to stderr, its first line after `start`, and end the program with exit status 1."""
    lines = error.args if isinstance(error, ManyLinesError) else (error,)
    sys.exit(start + "\n".join(error_line(line) for line in lines))


def is_told(err: BaseException) -> bool:
    """Return whether an error is told without its traceback: one of ours, or of a library that talks to a store."""
    return isinstance(err, ValueError) or type(err).__module__.startswith(_TOLD)


def say_json(tree: Any) -> None:
    """Print `tree` as indented JSON in ASCII, in which every control character is escaped."""
    print(json.dumps(tree, indent=2))  # noqa: T201


def say_file(text: str) -> None:
    """Print a file's text: unchanged into a file or a pipe, without control characters on a terminal."""
    if sys.stdout.isatty():
        say(*text.splitlines())
    else:
        sys.stdout.write(text)


def show_uncaught(_: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an uncaught error, as a sys.excepthook: a traceback whose messages are lines without secrets."""
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if earlier is not None:
        show_uncaught(type(earlier), earlier, earlier.__traceback__)
        complain("The above exception led to the following one:")
    complain("Traceback (most recent call last):")
    for frame in traceback.format_tb(trace):
        complain(*frame.splitlines())
    complain(error_line(f"{type(error).__module__}.{type(error).__qualname__}: {error}"))
