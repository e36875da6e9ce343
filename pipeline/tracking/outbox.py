"""The outbox: what a training could not send to its tracking store yet, on disk, in order.

Below runs/unsent/<training> lie records.jsonl, a record a line, the oldest first; origin.json, which says to which
store and experiment they belong; and copies of the files that go with them, each in a folder of its own.
"""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated, Any

from pydantic import Field

from pipeline.files import atomic, locks, strict_json
from pipeline.tracking.records import KINDS, Record

UNSENT = Path("runs/unsent")
"""Where the outboxes of all trainings lie."""
_ORIGIN = "origin.json"


@dataclass(frozen=True)
class Origin:
    """Where the records of an outbox belong."""

    store: str
    """The store's address, without user and password."""
    experiment: str


@dataclass(frozen=True)
class _Line:
    """A line of records.jsonl: a record, whose file is named as `Outbox` names its copies."""

    kind: str
    content: dict[str, Any]
    at: int
    file: Annotated[str, Field(pattern=r"^file-\w+/[^/\x00]*[^./\x00][^/\x00]*$")] | None


class Outbox:
    """The outbox of one training; several processes may use it at once."""

    def __init__(self, folder: Path) -> None:
        """`folder` is called like the training; it is there only as long as something waits."""
        self.folder = folder
        self._path = folder / "records.jsonl"

    def origin(self) -> Origin:
        """Return where the records belong, as `append` was told last.

        Raises:
            ValueError: origin.json is missing or broken.
        """
        path = self.folder / _ORIGIN
        try:
            return strict_json.parse(path.read_bytes(), Origin)
        except (OSError, ValueError) as err:
            raise ValueError(
                f"{path}: expected the store and experiment of a training: {err}; write them, or remove the folder"
            ) from err

    def records(self) -> list[Record]:
        """Return what waits; a last line that a kill cut off is no record.

        Raises:
            ValueError: a line before it is broken.
        """
        return [self._record(number, line) for number, line in enumerate(self._whole_lines().splitlines(), 1)]

    def _record(self, number: int, text: bytes) -> Record:
        try:
            line = strict_json.parse(text, _Line)
            if line.kind not in KINDS:
                raise ValueError(f"kind: expected one of {', '.join(KINDS)}, got {line.kind}")
        except ValueError as err:
            raise ValueError(
                f"{self._path}: expected line {number} to be a record of a training: {err}; remove the line"
            ) from err
        return Record(line.kind, line.content, line.at, None if line.file is None else self.folder / line.file)

    def kinds(self) -> dict[str, int]:
        """Return how many records of each kind wait."""
        return dict(Counter(record.kind for record in self.records()))

    def append(self, record: Record, origin: Origin) -> None:
        """Keep a record, and a copy of its file; it is safe once this returns."""
        with self._locked():
            self.folder.mkdir(exist_ok=True)
            if not (self.folder / _ORIGIN).exists() or self.origin() != origin:
                atomic.write_json(self.folder / _ORIGIN, asdict(origin))
            tree = asdict(record) | {"file": record.file and self._copy(record.file)}
            with self._path.open("ab") as file:
                file.truncate(len(self._whole_lines()))
                file.write(json.dumps(tree).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())

    def drain(self, send: Callable[[Record], None]) -> None:
        """Give the records to `send` in order; those that it took are removed, and the folder with the last one.

        Its error ends this and is raised. After a kill all records are given again: `send` must stand that.
        """
        if not self.folder.exists():
            return
        with self._locked():
            records, sent = self.records(), 0
            try:
                for record in records:
                    send(record)
                    sent += 1
            finally:
                self._remove(records[:sent], records[sent:])

    def _remove(self, sent: list[Record], rest: list[Record]) -> None:
        """Forget records, and then remove their files, so that no record is ever left without its file."""
        if not rest:
            self._path.unlink(missing_ok=True)
            if self.folder.exists():
                shutil.rmtree(self.folder)
        elif sent:
            lines = self._whole_lines().splitlines(keepends=True)
            with atomic.replacing(self._path) as temporary:
                temporary.write_bytes(b"".join(lines[len(sent) :]))
            for record in sent:
                if record.file is not None:
                    shutil.rmtree(record.file.parent)

    def _whole_lines(self) -> bytes:
        if not self._path.exists():
            return b""
        content = self._path.read_bytes()
        return content[: content.rfind(b"\n") + 1]

    def _copy(self, source: Path) -> str:
        """Copy a file or folder to a place of its own; return where, below the outbox."""
        target = Path(mkdtemp(prefix="file-", dir=self.folder)) / source.name
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, target)
        return target.relative_to(self.folder).as_posix()

    def _locked(self) -> AbstractContextManager[None]:
        """Hold the lock of all outboxes, which lies beside them."""
        return locks.held(self.folder.parent / ".lock")


def unsent(folder: Path) -> list[Outbox]:
    """Return the outboxes that lie in `folder`, by name."""
    return [Outbox(path.parent) for path in sorted(folder.glob(f"*/{_ORIGIN}"))]
