"""What a decision leaves beside its version: the verdict, the log so far, the model card, and tags."""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.artifacts import scores, validation
from pipeline.artifacts.spec import read_spec
from pipeline.artifacts.verdict import Verdict
from pipeline.files import atomic, safe_yaml
from pipeline.files.printable import json_escaped
from pipeline.registry import card, champion, evidence, file_record, model_files, versions
from pipeline.registry.decision_log import Entry
from pipeline.registry.evidence import Lineage
from pipeline.registry.versions import Version


def keep(version: Version, entry: Entry) -> None:
    """Add the files of a decision to its version, in decisions/<entry number>, and set the version's tags.

    A decision that is already there is not written again.
    """
    if entry.verdict is None or version.tags.get("decision_mark") == entry.mark:
        return
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        atomic.write_json(folder / "verdict.json", entry.to_json())
        log = champion.read(version.model)
        until = next((i for i, logged in enumerate(log, 1) if logged.mark == entry.mark), len(log))
        lines = (json.dumps(logged.to_json(), sort_keys=True, ensure_ascii=False) + "\n" for logged in log[:until])
        atomic.write_text(folder / "promotions.jsonl", json_escaped("".join(lines)))
        markdown, page = card.rendered(describe(version, entry.verdict))
        atomic.write_text(folder / "card.md", markdown)
        atomic.write_text(folder / "card.html", page)
        tags = {file_record.DECISION_TAG: file_record.decision_tag(entry.number, folder)}
        if tags.items() - version.tags.items():  # a complete folder is not written again: a kill would damage it
            model_files.upload(version, folder, folder_of(entry))
    status = "forced" if entry.kind == "forced" else entry.verdict.outcome.status
    tags["validation_status"] = status
    if entry.reign.champion == version.number:
        tags |= promoted(entry)
    tags["decision"] = str(entry.number)
    tags["decision_mark"] = entry.mark  # last, as it marks the decision as complete
    versions.describe(version, tags, _summary(version, entry, entry.verdict))


def promoted(entry: Entry) -> dict[str, str]:
    """Return the tags of the version that an entry made champion; two entries of a second differ in the mark alone."""
    return {"promoted_at": entry.at, "promotion_mark": entry.mark}


def folder_of(entry: Entry) -> str:
    """Return the folder of a decision among the files of its version."""
    return f"{file_record.DECISIONS}/{entry.number:06}"


def _summary(version: Version, entry: Entry, verdict: Verdict) -> str:
    """Return a version's description: the decision, its reasons, and where its card lies, in Markdown."""
    decision = "forced by hand" if entry.kind == "forced" else verdict.outcome.name
    page = versions.files_page(version)
    card_file = f"{folder_of(entry)}/card.html"
    where = card_file if page is None else f"[{card_file}]({page})"
    return f"Model card: {where}\n\n{decision}: {'; '.join(verdict.reasons)}"  # a long text is cut at its end


def describe(version: Version, verdict: Verdict) -> card.Card:
    """Return the content of the card of a version.

    Raises:
        ValueError: its evidence is incomplete.
    """
    with model_files.evidence(version, version.tags.get("evidence")) as folder:
        params = safe_yaml.read(folder / evidence.PARAMS)
        training = json.loads((folder / "train.json").read_text("utf-8"))
        return card.Card(
            model=version.model.name,
            version=version.number,
            spec=read_spec(folder),
            scores=scores.read(folder),
            intervals=scores.read_intervals(folder),
            validation=validation.read(folder / "validation.json"),
            verdict=verdict,
            training={
                **{name: params[name] for name in ("model", "train")},
                "class_weights": training["class_weights"],
            },
            lineage=_lineage_rows(evidence.read_lineage(folder)),
            licence=str(json.loads((folder / "dataset.json").read_text("utf-8"))["licence"]),
            options=model_files.options(version.model.uri, version.address),
        )


def _source(source: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the row of the model that the training started from; none if it started from none."""
    if source is None:
        return {}
    place = source["version"] or "a folder"
    return {"started from": f"{place}, training run {source['run']}, weights' SHA-256 {source['sha256']}"}


def _lineage_rows(origin: Lineage) -> dict[str, str]:
    """Return the rows of the card's lineage table."""
    training: dict[str, Any] = dict(origin.training)
    packages = training.get("packages", {})
    return {
        "git commit": origin.commit,
        "changed since the commit": ", ".join(origin.changed) or "nothing",
        "data/raw (DVC's MD5)": origin.hashes.get("data/raw", "unknown"),
        "data/tiles (DVC's MD5)": origin.hashes.get("data/tiles", "unknown"),
        "models/segnet (DVC's MD5)": origin.hashes.get("models/segnet", "unknown"),
        "training run": str(training.get("run", "unknown")),
        **_source(origin.start_from),
        "trained at commit": str(training.get("commit", "unknown")),
        "Ray workers": ", ".join(map(str, training.get("workers", []))) or "unknown",
        "Python": str(training.get("python", "unknown")),
        "packages": ", ".join(f"{name} {packages[name]}" for name in ("torch", "ray", "mlflow") if name in packages)
        or "unknown",
    }
