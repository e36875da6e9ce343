"""The gate's verdict on registered versions, from the evidence kept beside them.

Everything is read from the registry: the version's own evidence and the champion's, and the champion's model if it was
scored on other test images.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.artifacts import scores as score_files
from pipeline.artifacts.scores import Scores
from pipeline.artifacts.verdict import Verdict
from pipeline.params.evaluation import Evaluate, Register
from pipeline.params.steps import Placement
from pipeline.registry import comparison, decision_log, model_files, tries, versions
from pipeline.registry.comparison import Jackknife
from pipeline.registry.decision_log import Entry, Log
from pipeline.registry.gate import Champion, Costs, decide
from pipeline.registry.standing import Standing, scored
from pipeline.registry.tries import Contest
from pipeline.registry.versions import RegisteredModel, Version


@dataclass(frozen=True)
class Rule:
    """What a decision is based on."""

    gate: Register
    evaluation: Evaluate
    raw: Path
    """data/raw, on which a champion that was scored on other test images is scored again."""
    placement: Placement
    """On which nodes it is, if there is a cluster."""


def judge(candidate: Version, log: Log, rule: Rule) -> tuple[Verdict, dict[str, str | None]]:
    """Return the gate's verdict on a version against the champion of the log, and the digests of their evidence.

    Raises:
        ValueError: the evidence of the version is incomplete.
    """
    standing, scores = _candidate(candidate, candidate.tags.get("evidence"))
    current, digests, challenger = None, {"candidate": candidate.tags.get("evidence")}, 1
    if (reason := decision_log.lost_champion(log)) is not None:
        current, digests["champion"] = Champion(Standing.unknown(), None, reason), None
    elif log and (champion := log[-1].reign.champion) is not None:
        current, digests["champion"] = _current(versions.version(candidate.model, champion), scores, rule)
        challenger = _number(candidate.model, log, current.standing, standing, rule.evaluation.images_per_block)
    verdict = decide(
        standing,
        scores,
        current,
        costs=_costs(candidate, rule.gate),
        gate=rule.gate,
        comparison=Jackknife(
            rule.evaluation.level, rule.evaluation.images_per_block, rule.gate.alpha_spending, challenger
        ),
    )
    return verdict, digests


def judge_again(model: RegisteredModel, entry: Entry, champion: str | None) -> dict[str, Any]:
    """Return the verdict of the rule then in force on the evidence that an entry of the log names, as a JSON object.

    If the rule limits the latency, which varies between machines and measurements, or the champion could not be read
    then, only the differences between the models are recomputed.

    Args:
        model: the registered model.
        entry: an entry of its log.
        champion: number of the version that was champion before that entry.

    Raises:
        ValueError: the entry holds no verdict, or its evidence is incomplete.
    """
    if entry.verdict is None or entry.version is None:
        raise ValueError(f"expected an entry with a verdict, got entry {entry.number}, {entry.kind}")
    candidate, rule = versions.version(model, entry.version), dict[str, Any](entry.verdict.rule)
    current = None
    if champion is not None:
        current = _champion(versions.version(model, champion), entry.evidence.get("champion"))
    # An earlier program's rule lacks the settings that came later, which its verdict did not depend on.
    gate = Register.model_construct(**{name: rule[name] for name in Register.model_fields if name in rule})
    verdict = decide(
        *_candidate(candidate, entry.evidence["candidate"]),
        current,
        costs=_costs(candidate, gate.model_copy(update={"max_latency_ms": None})),
        gate=gate,
        comparison=comparison.of_rule(rule),
    )
    could_not_read = entry.evidence.get("champion", "") is None
    whole = gate.max_latency_ms is None and not could_not_read
    keys = ("verdict", "reasons", "rule", "difference") if whole else ("difference",)
    tree = verdict.to_json()
    return {key: tree[key] for key in keys}


def _number(model: RegisteredModel, log: Log, champion: Standing, candidate: Standing, images_per_block: int) -> int:
    """Return the number of the candidate among the challengers of the champion on the same test images."""
    fingerprints = {each.number: each.tags.get("fingerprint", "") for each in versions.versions(model)}
    contest = Contest(champion.fingerprint, candidate.test_data)
    return tries.number(log, fingerprints, contest, candidate.fingerprint, images_per_block)


def _candidate(version: Version, name: str | None) -> tuple[Standing, Scores]:
    """Return the standing and the scores of a version by the evidence with the digest `name`.

    Raises:
        ValueError: the evidence is incomplete.
    """
    with model_files.evidence(version, name) as folder:
        scores = score_files.read(folder)
    return scored(Standing.from_tags(version.tags), scores), scores


def _current(version: Version, scores: Scores, rule: Rule) -> tuple[Champion, str | None]:
    """Return the champion and the digest of its evidence on the test images of `scores`, None if there is none."""
    try:
        name = _evidence_on(version, scores, rule)
    except ValueError as err:
        return Champion(_standing(version), None, str(err)), None
    champion = _champion(version, name)
    return champion, None if champion.problem else name


def _champion(version: Version, name: str | None) -> Champion:
    """Return the champion by the evidence with the digest `name`; without scores if that is None or incomplete."""
    if name is not None:
        try:
            return Champion(*_candidate(version, name))
        except ValueError as err:
            return Champion(_standing(version), None, str(err))
    return Champion(_standing(version), None)


def _standing(version: Version) -> Standing:
    """Return the standing in a version's tags; that of an unknown model if somebody else made them."""
    try:
        return Standing.from_tags(version.tags)
    except ValueError:
        return Standing.unknown()


def _evidence_on(champion: Version, scores: Scores, rule: Rule) -> str | None:
    """Return the digest of the champion's evidence on the test images of `scores`, or None if there is none."""
    if champion.tags.get("test_data") == scores.test_data:
        return champion.tags.get("evidence")
    key = f"evidence_on_{scores.test_data[:16]}"
    if (name := champion.tags.get(key)) is None:
        from pipeline.registry import remeasured  # imported here, since it imports PyTorch, which takes seconds

        name = remeasured.score_again(champion, scores, rule.raw, rule.evaluation, rule.placement)
        if name is not None:
            versions.describe(champion, {key: name})
    return name


def _costs(candidate: Version, gate: Register) -> Costs:
    """Return the costs of a version; those that no limit needs are not measured."""
    if gate.max_megabytes is None and gate.max_latency_ms is None:
        return Costs(None, None)
    with TemporaryDirectory() as temporary:
        folder = model_files.download(candidate.model.uri, candidate.address, Path(temporary))
        megabytes = (folder / "model.safetensors").stat().st_size / 1e6
        if gate.max_latency_ms is None:
            return Costs(megabytes, None)
        from pipeline.registry import remeasured  # imported here, since it imports PyTorch, which takes seconds

        return Costs(megabytes, remeasured.latency_ms(candidate, folder))
