"""Promotion: a registered version is judged by the rule; log, aliases and decision files are updated.

The register step and the command line decide by the same functions.
"""

from collections.abc import Mapping
from dataclasses import replace

from pipeline.artifacts.verdict import Outcome, Verdict
from pipeline.registry import champion, decision_files, judge, model_files, versions
from pipeline.registry.champion import OutrunError
from pipeline.registry.decision_log import Entry, Kind, Log, Reign
from pipeline.registry.judge import Rule
from pipeline.registry.versions import RegisteredModel, Version

_ATTEMPTS = 5  # per decision, when others are faster


def consider(candidate: Version, rule: Rule) -> tuple[Entry, Verdict]:
    """Decide about a version by the rule, log the verdict, and make the version champion if it is PROMOTE.

    Returns the log's entry and the verdict in it. A verdict that has been logged already, on the same evidence and
    against the same champion, is not logged again. If somebody else decides in the meantime, the version is judged
    again.

    Raises:
        ValueError: the evidence of the version is incomplete, or a file of it was changed.
        OutrunError: somebody else was faster at every attempt.
    """
    entry, verdict = _decide(candidate, rule, attempts=_ATTEMPTS)
    decision_files.keep(candidate, entry)
    return entry, verdict


def _decide(candidate: Version, rule: Rule, *, attempts: int) -> tuple[Entry, Verdict]:
    log = champion.settled(candidate.model)
    entry = _promotion_of(log, candidate.number)
    if entry is None or entry.verdict is None or not _still_holds(entry, entry.verdict, candidate, rule):
        draft, verdict = _judge(candidate, log, rule)
        try:
            return _logged(draft, log) or champion.append(candidate.model, draft, log), verdict
        except OutrunError:
            if attempts == 1:
                raise
            return _decide(candidate, rule, attempts=attempts - 1)
    return entry, entry.verdict


def force(candidate: Version, reason: str, rule: Rule) -> Entry:
    """Make a version champion whatever the rule says, and log that with the rule's verdict; return the log's entry.

    If the same was begun and killed, it is completed.

    Raises:
        ValueError: no reason is given, the evidence of the version is incomplete, or a file of it was changed.
        OutrunError: somebody else decided in the meantime; nothing was changed.
    """
    if not reason.strip():
        raise ValueError("expected a reason for a forced promotion, got none; say why in a sentence")
    log = champion.settled(candidate.model)
    if log and _is_begun(log[-1], candidate, reason):
        entry = log[-1]
    else:
        draft, _ = _judge(candidate, log, rule)
        _check_files(candidate.number, log, candidate.model)
        reign = _promoted(candidate.number, _reign(log))
        entry = champion.append(candidate.model, replace(draft, kind="forced", reason=reason, reign=reign), log)
    decision_files.keep(candidate, entry)
    return entry


def _is_begun(newest: Entry, candidate: Version, reason: str) -> bool:
    """Return whether the newest entry is this forced promotion, and its files or tags are incomplete."""
    is_same = newest.kind == "forced" and (newest.version, newest.reason) == (candidate.number, reason)
    has_evidence = newest.evidence.get("candidate") == candidate.tags.get("evidence")
    return is_same and has_evidence and candidate.tags.get("decision_mark") != newest.mark


def roll_back(model: RegisteredModel) -> Entry:
    """Swap the champion and the previous champion, or restore the latter where there is no champion; return the entry.

    If a rollback was begun and killed, it is completed: a second one would undo it.

    Raises:
        ValueError: there is no previous champion, or it is the champion, or a file of it was changed.
        OutrunError: somebody else decided in the meantime; nothing was changed.
    """
    log = champion.settled(model)
    reign = _reign(log)
    if log and log[-1].kind == "rolled back" and reign.champion is not None:
        restored = versions.version(model, reign.champion)
        if not _is_noted(restored, log[-1]):
            versions.describe(restored, decision_files.promoted(log[-1]))
            return log[-1]
    if reign.previous_champion is None or reign.previous_champion == reign.champion:
        raise ValueError(
            f"expected a champion of {model.name} and another, previous one to roll back to, got "
            f"{reign.champion or 'none'} and {reign.previous_champion or 'none'}; promote a version first, with "
            "--force REASON if nothing can be compared"
        )
    _check_files(reign.previous_champion, log, model)
    swapped = Reign(reign.previous_champion, reign.champion)
    before = f"version {reign.champion}" if reign.champion else "no version"
    reason = f"rolled back from {before} to version {reign.previous_champion}"
    draft = _draft("rolled back", swapped, reign.previous_champion, reason, verdict=None, evidence={})
    entry = champion.append(model, draft, log)
    versions.describe(versions.version(model, reign.previous_champion), decision_files.promoted(entry))
    return entry


def _is_noted(restored: Version, entry: Entry) -> bool:
    """Return whether a version's tags say that this entry made it champion; earlier releases noted the time alone."""
    mark = restored.tags.get("promotion_mark")
    return restored.tags.get("promoted_at") == entry.at if mark is None else mark == entry.mark


def _judge(candidate: Version, log: Log, rule: Rule) -> tuple[Entry, Verdict]:
    """Return the draft of a decision about a version by the rule, and the verdict in it."""
    reign = _reign(log)
    verdict, digests = judge.judge(candidate, log, rule)
    after = _promoted(candidate.number, reign) if verdict.outcome is Outcome.PROMOTE else reign
    if after.champion == candidate.number:
        _check_files(candidate.number, log, candidate.model)
    return _draft("decided", after, candidate.number, verdict.reasons[0], verdict=verdict, evidence=digests), verdict


def _check_files(number: str, log: Log, model: RegisteredModel) -> None:
    """Raise ValueError if a file of a version that is to become champion was changed: to load it is to run its code."""
    if _reign(log).champion != number:
        model_files.check(versions.version(model, number))


def _reign(log: Log) -> Reign:
    return log[-1].reign if log else Reign(None, None)


def _promoted(number: str, reign: Reign) -> Reign:
    return reign if reign.champion == number else Reign(number, reign.champion or reign.previous_champion)


def _promotion_of(log: Log, number: str) -> Entry | None:
    """Return the newest decision that made a version champion, if it still is; rolling back to it is not a decision."""
    if _reign(log).champion != number:
        return None
    ours = (entry for entry in reversed(log) if entry.version == entry.reign.champion == number)
    return next((entry for entry in ours if entry.verdict is not None), None)


def _still_holds(entry: Entry, verdict: Verdict, candidate: Version, rule: Rule) -> bool:
    """Return whether a decision promoted a version, and did so by this rule and on the evidence that it has now."""
    evaluation = rule.evaluation
    settings = rule.gate.model_dump() | {"level": evaluation.level, "images_per_block": evaluation.images_per_block}
    return (
        verdict.outcome is Outcome.PROMOTE
        and entry.evidence.get("candidate") == candidate.tags.get("evidence")
        and settings == {key: value for key, value in verdict.rule.items() if key in settings}
    )


def _logged(draft: Entry, log: Log) -> Entry | None:
    """Return the newest entry about the version of `draft`, if it is the same decision."""
    newest = next((entry for entry in reversed(log) if entry.version == draft.version), None)
    if newest is None or (newest.kind, newest.evidence) != (draft.kind, draft.evidence):
        return None
    verdicts = [entry.verdict.to_json() if entry.verdict else None for entry in (newest, draft)]
    return newest if verdicts[0] == verdicts[1] and _reign(log) == draft.reign else None


def _draft(
    kind: Kind, reign: Reign, version: str, reason: str, *, verdict: Verdict | None, evidence: Mapping[str, str | None]
) -> Entry:
    return Entry(kind, version, reign, champion.now(), champion.user(), reason, verdict, evidence)
