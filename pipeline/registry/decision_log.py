"""The log of who reigns over a registered model: one entry a decision, each bound to the one before it.

The store numbers the entries as they arrive (registry/champion.py). Two promoters that decide at the same time both
name the same entry as the one they follow: the entry that arrived first counts, the other does not. So there is no
lock that a dead promoter could hold.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from secrets import token_hex
from typing import Any, Literal

from pipeline.artifacts.verdict import Verdict
from pipeline.files import strict_json

_Number = int | float | None  # an integer stays one: the same text again, and so the same SHA-256
_SHOWN = 200  # characters of a text that is no entry
Kind = Literal["decided", "forced", "rolled back", "found"]
"""found: somebody moved an alias by other means."""


@dataclass(frozen=True)
class Reign:
    """Numbers of the versions that bear the aliases champion and previous_champion; None: no version does."""

    champion: str | None
    previous_champion: str | None


@dataclass(frozen=True)
class Entry:
    """A decision."""

    kind: Kind
    version: str | None
    """Number of the version that it is about; None: found without a champion."""
    reign: Reign
    """From then on."""
    at: str
    """UTC, as 2026-11-23T10:00:00Z."""
    by: str
    """The user's name."""
    reason: str
    """Why, in a sentence; of a forced promotion, what the user gave."""
    verdict: Verdict | None
    """What the rule says; None where it was not asked."""
    evidence: Mapping[str, str | None]
    """Digests of what was compared: candidate, and champion where there was one."""
    mark: str = ""
    """By which its author knows it again: a request may arrive twice."""
    number: int = 0
    """That the store gave; 0: not stored yet."""
    after: int = 0
    """Number of the entry that it follows; 0: none."""
    chain: str = ""
    """SHA-256 of the text of the entry that it follows; empty: none."""

    def follow(self, log: "Log") -> "Entry":
        """Return it as the entry after the newest of `log`."""
        newest = log[-1] if log else None
        after, chain = (newest.number, newest.sha256) if newest else (0, "")
        return replace(self, mark=token_hex(8), after=after, chain=chain)

    @property
    def text(self) -> str:
        """Return it as JSON; what the store keeps."""
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
        """Return the SHA-256 of its text, by which the next entry is bound to it."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON's types, with its number."""
        tree: dict[str, Any] = json.loads(self.text)
        return {"number": self.number, **tree}

    @classmethod
    def from_text(cls, number: int, text: str) -> "Entry":
        """Return the entry that the store keeps as `text` under a number.

        Raises:
            ValueError: it is no such text.
        """
        try:
            stored = strict_json.parse(text, _Stored)
            verdict = None if stored.verdict is None else Verdict.from_json(asdict(stored.verdict))
        except (KeyError, ValueError) as err:
            raise ValueError(
                f"entry {number}: expected a decision that this program logged, got {text[:_SHOWN]}: {err}"
            ) from err
        reign = Reign(stored.champion, stored.previous_champion)
        same = {key: getattr(stored, key) for key in _SAME}
        return cls(**same, reign=reign, verdict=verdict, number=number)


@dataclass(frozen=True)
class _StoredVerdict:
    """A verdict as `Verdict.to_json` makes it."""

    verdict: Literal["PROMOTE", "HOLD", "REJECT"]
    reasons: tuple[str, ...]
    rule: dict[str, _Number]
    test_data: str
    difference: dict[str, dict[str, _Number]]


@dataclass(frozen=True)
class _Stored:
    """An entry as its text says it."""

    kind: Kind
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


_SAME = ("kind", "version", "at", "by", "reason", "evidence", "after", "chain", "mark")


Log = tuple[Entry, ...]
"""The entries that count, in their order."""


def counting(entries: Iterable[Entry]) -> Log:
    """Return the entries that count: each follows the one before it; what came too late is left out.

    >>> def entry(number, after):
    ...     return Entry("found", None, Reign(None, None), "", "", "", None, {}, number=number, after=after)
    >>> [e.number for e in counting([entry(1, 0), entry(2, 0), entry(3, 1)])]
    [1, 3]
    """
    log: list[Entry] = []
    for entry in sorted(entries, key=lambda entry: entry.number):
        if entry.after == (log[-1].number if log else 0):
            log.append(entry)
    return tuple(log)


def broken(log: Log) -> Entry | None:
    """Return the first entry that was changed after the next one was bound to it, if there is one."""
    return next((one for one, other in pairwise(log) if other.chain != one.sha256), None)
