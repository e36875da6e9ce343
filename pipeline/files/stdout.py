"""A stage's stdout: its reader may go before the stage ends, as `head` does, and the stage's work still counts."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO


class _Stdout:
    """A stream that drops what nobody reads."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as err:
            self._lose(err)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as err:
            self._lose(err)

    def _lose(self, err: OSError) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())  # for what is in the buffer, which Python writes as it ends
        os.close(nowhere)
        if not isinstance(err, BrokenPipeError):
            raise ValueError(
                f"expected to print to stdout, got {err}; make room where it leads, and run dvc repro again"
            )


@contextmanager
def outlived() -> Iterator[None]:
    """Let a block continue when stdout's reader has gone; what it prints from then on is dropped.

    Raises:
        ValueError: stdout cannot be written for another reason, such as a full disk.
    """
    before: TextIO | None = sys.stdout
    if before is None:  # it was closed: Python prints nothing then
        yield
        return
    sys.stdout = _Stdout(before)
    try:
        yield
        sys.stdout.flush()
    finally:
        sys.stdout = before
