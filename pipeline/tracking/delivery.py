"""Delivery of a training's records to its MLflow run: at once, or via the outbox while the store does not answer."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pipeline.files.redact import redact
from pipeline.tracking import records, store
from pipeline.tracking.clone import clone_id
from pipeline.tracking.outbox import Destination, Outbox, unsent
from pipeline.tracking.records import Record, Writer

_PAUSE_SECONDS = 20  # between attempts: each can block the caller for 5 s, and waiting records are safe
_Answer = TypeVar("_Answer")

_log = logging.getLogger(__name__)


class Delivery:
    """The only way to a training's run; threads may share it."""

    def __init__(self, uri: str, experiment: str, outbox: Outbox) -> None:
        """Deliver for the training that the outbox is named after; its run is created once needed."""
        self._uri, self._experiment, self._outbox = uri, experiment, outbox
        self._lock = threading.Lock()
        self._writer: Writer | None = None
        self._created = self._away = False
        self._next_try = 0.0

    def open(self) -> bool:
        """Send waiting records and look up the run; return whether it is new and no record was waiting for it."""
        with self._lock:
            self._writer, self._created, waited = None, False, self._outbox.folder.exists()
            with suppress(store.UnreachableError):
                self._reach(lambda _: None)
            return self._created and not waited

    def ask(self, question: Callable[[Writer], _Answer]) -> _Answer:
        """Send waiting records, and return what `question` finds in the run.

        Raises:
            UnreachableError: the store does not answer.
            ValueError: it refuses the user, or a waiting record.
        """
        with self._lock:
            return self._reach(question)

    def post(self, record: Record) -> None:
        """Write a record to the run; while the store does not answer, append it to the outbox.

        Raises:
            ValueError: the store refuses the user, the record, or a waiting one.
        """
        with self._lock:
            if time.monotonic() >= self._next_try:
                with suppress(store.UnreachableError):
                    self._reach(lambda writer: writer.write(record))
                    return
            self._outbox.append(record, Destination(redact(self._uri), self._experiment))

    def finish(self, record: Record) -> None:
        """Post the last record, however recent the last attempt, and log what could not be sent."""
        self._next_try = 0.0
        self.post(record)
        if waiting := self._outbox.kinds():
            _log.warning(
                f"{counted(waiting)} could not be sent to {redact(self._uri)} and are kept in {self._outbox.folder}; "
                "run `segnet sync` once it answers again"
            )

    def send_waiting(self) -> None:
        """Send the records in the outbox, and remove it.

        Raises:
            UnreachableError: the store does not answer.
            ValueError: it refuses the user, or a record.
        """
        with store.reached(self._uri):
            store.probe(self._uri)
            self._outbox.drain(lambda record: self._connected(record.at).write(record))

    def _reach(self, action: Callable[[Writer], _Answer]) -> _Answer:
        """Send waiting records and act on the run; log when the store stops answering, and when it answers again."""
        try:
            self.send_waiting()
            with store.reached(self._uri):
                answer = action(self._connected(records.now()))
        except store.UnreachableError as err:
            # What the writer remembers may be wrong now: the store may have kept a record that it did not acknowledge.
            self._writer, self._next_try = None, time.monotonic() + _PAUSE_SECONDS
            if not self._away:
                _log.warning(f"{err}; until it answers, records wait in {self._outbox.folder}")
            self._away = True
            raise
        if self._away:
            _log.warning(f"{redact(self._uri)} answers again; the waiting records were sent")
        self._away = False
        return answer

    def _connected(self, began: int) -> Writer:
        """Return the writer to this clone's run of the training, which is created as of `began` if missing."""
        if self._writer is None:
            name, clone = self._outbox.folder.name, clone_id(self._outbox.folder.parent.parent)
            run_id = records.find(self._uri, self._experiment, name, clone)
            self._created = run_id is None
            run_id = run_id or records.create(self._uri, self._experiment, name, clone, at=began)
            self._writer = Writer(self._uri, run_id)
        return self._writer


@dataclass(frozen=True)
class Sent:
    """The result of sending an outbox."""

    training: str
    sent: Mapping[str, int]
    """Number of records of each kind."""
    left: Mapping[str, int]
    error: str | None
    """Why some records are left, or None."""


def sync(folder: Path, uri: str) -> Iterator[Sent]:
    """Send the outboxes in `folder` to the store `uri`, one after the other; yield the result of each."""
    for outbox in unsent(folder):
        waiting, error = dict[str, int](), None
        try:
            waiting = outbox.kinds()
            destination = outbox.destination()
            if destination.store != redact(uri):
                raise ValueError(
                    f"expected MLFLOW_TRACKING_URI={destination.store}, where the training is recorded, got "
                    f"{redact(uri)}; set it, or if the store has moved, correct {outbox.folder}/origin.json"
                )
            Delivery(uri, destination.experiment, outbox).send_waiting()
        except Exception as err:  # of any kind: the other outboxes are still sent
            error = redact(str(err))
        left = outbox.kinds() if waiting else {}  # empty if there are no records or they cannot be read
        sent = Counter(waiting) - Counter(left)
        yield Sent(outbox.folder.name, dict(sent), left, error)


def counted(kinds: Mapping[str, int]) -> str:
    """Return the number of records, in total and of each kind, in words."""
    noun = "record" if sum(kinds.values()) == 1 else "records"
    return f"{sum(kinds.values())} {noun} ({', '.join(f'{kind} {count}' for kind, count in kinds.items())})"
