"""How many challengers were judged on the same test images against the same champion, as the decision log tells.

What counts as another try is a model that gives other masks, or blocks of another length. The same model judged again,
as the same version or registered anew, is the same try: it has the same interval. A gate that asks for less (min_gain,
level) is no other try either: what it promotes includes what a stricter one would. A new champion and other test images
start anew, but a champion that returns by a rollback still has its tries.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.registry.decision_log import Log


@dataclass(frozen=True)
class Contest:
    """What challengers have in common whose tries are counted together."""

    champion: str
    """Fingerprint of the champion."""
    test_data: str
    """Digest of the test images and masks."""


def number(log: Log, fingerprints: Mapping[str, str], contest: Contest, challenger: str, images_per_block: int) -> int:
    """Return the number of a challenger in a contest, from 1: that of its first try, or the next one.

    Args:
        log: the decision log.
        fingerprints: of the versions in it, by their numbers; a challenger whose version was deleted counts as another.
        contest: the champion and the test images.
        challenger: fingerprint of the challenger.
        images_per_block: with which it is judged.
    """
    tries = dict.fromkeys(_tries(log, fingerprints, contest))
    return [*tries, (challenger, images_per_block)].index((challenger, images_per_block)) + 1


def _tries(log: Log, fingerprints: Mapping[str, str], contest: Contest) -> Iterator[tuple[str, float | None]]:
    """Yield the fingerprint and the block length of each comparison in the contest; one that is lost may be another."""
    champion = ""
    for entry in log:
        if entry.kind == "lost":
            yield f"entry {entry.number}", None
        verdict, version = entry.verdict, str(entry.version)
        if verdict and verdict.gains and contest == Contest(fingerprints.get(champion, ""), verdict.test_data):
            yield fingerprints.get(version, f"version {version}"), verdict.rule["images_per_block"]
        champion = entry.reign.champion or ""
