"""The decision log of a registered model: one entry per decision, each bound to the one before it.

The store numbers the entries as they arrive (registry/champion.py). Two promoters that decide at the same time both
name the same entry as their predecessor: the one that arrived first counts, the other does not. So there is no lock
that a killed promoter could hold forever.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from secrets import token_hex
from types import MappingProxyType
from typing import Any, Literal

from pipeline.artifacts.verdict import Outcome, Verdict
from pipeline.files import strict_json

_Number = int | float | None  # integers stay integers, so that text and SHA-256 stay the same
_SHOWN = 200  # characters of an invalid entry that the error quotes
StoredKind = Literal["decided", "forced", "rolled back", "found"]
"""found: an alias had been moved outside segnet."""
Kind = Literal[StoredKind, "lost"]
"""lost: stands for an entry that others follow, or that is known to have been written, but that is not in the store."""


@dataclass(frozen=True)
class Reign:
    """Numbers of the versions with the aliases champion and previous_champion; None if no version has it."""

    champion: str | None
    previous_champion: str | None


@dataclass(frozen=True)
class Entry:
    """A decision."""

    kind: Kind
    version: str | None
    """Number of the version that it is about; None if `kind` is found and there is no champion."""
    reign: Reign
    """The aliases from then on."""
    at: str
    """UTC, such as 2026-11-23T10:00:00Z."""
    by: str
    """The user's name."""
    reason: str
    """Why, in one sentence; for a forced promotion, in the user's words."""
    verdict: Verdict | None
    """The verdict of the rule; None if it was not consulted."""
    evidence: Mapping[str, str | None]
    """Digests of the evidence that was compared, under candidate and, if there was one, champion."""
    mark: str = ""
    """Random; lets the author recognise the entry, as a request may arrive twice."""
    number: int = 0
    """Assigned by the store; 0: not stored yet."""
    after: int = 0
    """Number of the entry that it follows; 0: none."""
    chain: str = ""
    """SHA-256 of the text of that entry; empty: none."""

    def follow(self, log: "Log") -> "Entry":
        """Return the entry as the one after the newest of `log`."""
        newest = log[-1] if log else None
        after = newest.number if newest else 0
        chain = newest.sha256 if newest and newest.kind != "lost" else ""
        return replace(self, mark=token_hex(8), after=after, chain=chain)

    @property
    def text(self) -> str:
        """Return the entry as JSON, the form in which the store keeps it."""
        tree = {
            "kind": self.kind,
            "version": self.version,
            "champion": self.reign.champion,
            "previous_champion": self.reign.previous_champion,
            "at": self.at,
            "by": self.by,
            "reason": self.reason,
            "verdict": None if self.verdict is None else self.verdict.to_json(),
            "evidence": dict(self.evidence),
            "mark": self.mark,
            "after": self.after,
            "chain": self.chain,
        }
        return json.dumps(tree, sort_keys=True, ensure_ascii=False)

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of the text, by which the next entry is bound to this one."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Return the entry and its number as a JSON object."""
        tree: dict[str, Any] = json.loads(self.text)
        return {"number": self.number, **tree}

    @classmethod
    def from_text(cls, number: int, text: str) -> "Entry":
        """Return the entry that the store keeps as `text` under `number`.

        Raises:
            ValueError: the text is not an entry.
        """
        try:
            stored = strict_json.parse(text, _Stored)
            verdict = None if stored.verdict is None else Verdict.from_json(asdict(stored.verdict))
        except (KeyError, ValueError) as err:
            raise ValueError(
                f"entry {number}: expected a decision logged by this program, got {text[:_SHOWN]}: {err}"
            ) from err
        reign = Reign(stored.champion, stored.previous_champion)
        common = {key: getattr(stored, key) for key in _COMMON}
        return cls(**common, reign=reign, verdict=verdict, number=number)


@dataclass(frozen=True)
class _StoredVerdict:
    """A verdict as `Verdict.to_json` returns it."""

    verdict: Literal["PROMOTE", "HOLD", "REJECT"]
    reasons: tuple[str, ...]
    rule: dict[str, bool | _Number]
    test_data: str
    difference: dict[str, dict[str, _Number]]


@dataclass(frozen=True)
class _Stored:
    """An entry as `Entry.text` holds it."""

    kind: StoredKind
    version: str | None
    champion: str | None
    previous_champion: str | None
    at: str
    by: str
    reason: str
    verdict: _StoredVerdict | None
    evidence: dict[str, str | None]
    after: int
    chain: str
    mark: str = ""


_COMMON = ("kind", "version", "at", "by", "reason", "evidence", "after", "chain", "mark")
"""Fields that Entry and _Stored share."""

Log = tuple[Entry, ...]
"""The entries that count, in order."""


def counting(entries: Iterable[Entry], unreadable: Mapping[int, str] = MappingProxyType({}), newest: int = 0) -> Log:
    """Return the entries that count, each of which follows the one before it; those that came too late are left out.

    An entry that another follows, or the newest one, may be missing: an entry of kind lost stands for it, with the
    aliases of the one before or, where the next one tells them, those that it left; the log continues after it. Nor
    does an entry count that one which is missing may have beaten, unless it is known that it did.

    Args:
        entries: those in the store, in any order.
        unreadable: why one in the store is not an entry, by its number.
        newest: number of the newest entry that is known to have counted.

    >>> def entry(number, after):
    ...     return Entry("found", None, Reign(None, None), "", "", "", None, {}, number=number, after=after)
    >>> [e.number for e in counting([entry(1, 0), entry(2, 0), entry(3, 1)])]
    [1, 3]
    >>> [(e.number, e.kind) for e in counting([entry(1, 0), entry(4, 3)])]
    [(1, 'found'), (3, 'lost'), (4, 'found')]
    >>> [(e.number, e.kind) for e in counting([entry(1, 0), entry(3, 1)])]
    [(1, 'found'), (2, 'lost')]
    """
    log: list[Entry] = []

    def lose(number: int, following: Entry | None = None) -> None:
        reason = unreadable.get(number, f"entry {number} was deleted from the log")
        before = log[-1].reign if log else Reign(None, None)
        reign = (following and _reign_before(following)) or before
        log.append(Entry("lost", None, reign, "", "", reason, None, {}, number=number))

    readable = {entry.number: entry for entry in entries}
    counted = {newest, *(entry.after for entry in readable.values())}
    for number, entry in sorted(readable.items()):
        last = log[-1].number if log else 0
        is_lost = entry.after not in readable or entry.after >= number  # a log that was deleted begins at 1 again
        between = next((each for each in range(last + 1, number) if each not in readable), None)
        if entry.after > last and is_lost:
            lose(entry.after, entry)
            log.append(entry)
        elif entry.after == last and between is not None and number not in counted:
            lose(between)
        elif entry.after == last:
            log.append(entry)
    if (highest := max((newest, *unreadable))) > (log[-1].number if log else 0):
        lose(highest)
    return tuple(log)


def _reign_before(entry: Entry) -> Reign | None:
    """Return the aliases that an entry found, if it tells them."""
    if entry.kind == "rolled back":
        return Reign(entry.reign.previous_champion, entry.reign.champion)
    is_kept = entry.kind == "decided" and entry.verdict is not None and entry.verdict.outcome is not Outcome.PROMOTE
    return entry.reign if is_kept else None


def made_champion(log: Log, number: str) -> Entry | None:
    """Return the newest entry by which a version became champion, None if there is none."""
    found, before = None, None
    for entry in log:
        if entry.reign.champion == number != before:
            found = entry
        before = entry.reign.champion
    return found


def lost_champion(log: Log) -> str | None:
    """Return why there is no champion to compare with although there was one, or may have been; None if there is one.

    Nor is there anything to say if no version has been champion yet.
    """
    if not log or log[-1].reign.champion is not None:
        return None
    for entry in reversed(log):
        if entry.kind == "lost":
            return entry.reason
        if entry.reign.champion is not None:
            return f"version {entry.reign.champion} was champion by entry {entry.number}, but has lost the alias"
    return None


def broken(log: Log) -> Entry | None:
    """Return the first entry that is lost, or was changed after the next one was bound to it; None if all are whole."""
    for entry, following in zip_longest(log, log[1:]):
        if entry.kind == "lost" or (
            following is not None and following.kind != "lost" and following.chain != entry.sha256
        ):
            return entry
    return None
