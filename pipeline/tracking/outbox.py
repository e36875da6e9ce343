"""The outbox: records that a training could not send to its tracking store yet, on disk, in order.

runs/unsent/<training> holds records.jsonl, one record per line, oldest first; origin.json, which names the store and
experiment that they belong to; and copies of their files, each in its own folder.
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
"""The folder of the outboxes of all trainings."""
_DESTINATION = "origin.json"


@dataclass(frozen=True)
class Destination:
    """The store and experiment that the records of an outbox belong to."""

    store: str
    """The store's address, without user and password."""
    experiment: str


@dataclass(frozen=True)
class _Line:
    """A line of records.jsonl: a record whose file is a copy within the outbox."""

    kind: str
    content: dict[str, Any]
    at: int
    file: Annotated[str, Field(pattern=r"^file-\w+/[^/\x00]*[^./\x00][^/\x00]*$")] | None


class Outbox:
    """The outbox of one training; several processes may use it at once."""

    def __init__(self, folder: Path) -> None:
        """`folder` is named after the training, and exists only while records wait in it."""
        self.folder = folder
        self._path = folder / "records.jsonl"

    def destination(self) -> Destination:
        """Return where the records belong, as last given to `append`.

        Raises:
            ValueError: origin.json is missing or broken.
        """
        path = self.folder / _DESTINATION
        try:
            return strict_json.parse(path.read_bytes(), Destination)
        except (OSError, ValueError) as err:
            raise ValueError(
                f"{path}: expected the store and experiment of a training: {err}; write them, or remove the folder"
            ) from err

    def records(self) -> list[Record]:
        """Return the waiting records; a last line that a kill truncated is ignored.

        Raises:
            ValueError: an earlier line is broken.
        """
        return [self._record(number, line) for number, line in enumerate(self._complete_lines().splitlines(), 1)]

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
        """Return the number of waiting records of each kind."""
        return dict(Counter(record.kind for record in self.records()))

    def append(self, record: Record, destination: Destination) -> None:
        """Append a record, with a copy of its file; it is safely on disk once this returns."""
        with self._locked():
            self.folder.mkdir(exist_ok=True)
            if not (self.folder / _DESTINATION).exists() or self.destination() != destination:
                atomic.write_json(self.folder / _DESTINATION, asdict(destination))
            tree = asdict(record) | {"file": record.file and self._copy(record.file)}
            with self._path.open("ab") as file:
                file.truncate(len(self._complete_lines()))
                file.write(json.dumps(tree).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())

    def drain(self, send: Callable[[Record], None]) -> None:
        """Pass the records to `send` in order; remove those that it accepted, and the folder after the last one.

        An error in `send` ends this and is raised. After a kill, all records are passed again, so `send` must be
        idempotent.
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
        """Remove records first and their files afterwards, so that no record is ever left without its file."""
        if not rest:
            self._path.unlink(missing_ok=True)
            if self.folder.exists():
                shutil.rmtree(self.folder)
        elif sent:
            lines = self._complete_lines().splitlines(keepends=True)
            with atomic.replacing(self._path) as temporary:
                temporary.write_bytes(b"".join(lines[len(sent) :]))
            for record in sent:
                if record.file is not None:
                    shutil.rmtree(record.file.parent)

    def _complete_lines(self) -> bytes:
        if not self._path.exists():
            return b""
        content = self._path.read_bytes()
        return content[: content.rfind(b"\n") + 1]

    def _copy(self, source: Path) -> str:
        """Copy a file or folder into a new folder of the outbox; return its path relative to the outbox."""
        target = Path(mkdtemp(prefix="file-", dir=self.folder)) / source.name
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, target)
        return target.relative_to(self.folder).as_posix()

    def _locked(self) -> AbstractContextManager[None]:
        """Hold the lock of this outbox, a file beside the folder, which is removed while it is held.

        Another training's would wait for what is sent from this one.
        """
        return locks.held(self.folder.with_name(f".{self.folder.name}.lock"))


def unsent(folder: Path) -> list[Outbox]:
    """Return the outboxes in `folder`, sorted by name."""
    return [Outbox(path.parent) for path in sorted(folder.glob(f"*/{_DESTINATION}"))]
