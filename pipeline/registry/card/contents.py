"""What the model card says, and in which order."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import PurePosixPath
from typing import Any

from pipeline.artifacts.model import Spec
from pipeline.artifacts.scores import Intervals, Scores
from pipeline.artifacts.validation import Finding, Split, Validation
from pipeline.artifacts.verdict import Outcome, Verdict
from pipeline.registry.card import quality
from pipeline.registry.card.document import Banner, Block, Bullets, Code, Section, Table
from pipeline.registry.card.quality import fraction, plural

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_RESTRICTED = re.compile(r"non-?commercial|research[^.]*\bonly\b|\bonly\b[^.]*research", re.IGNORECASE)
_MAX_NAMED = 3  # sizes of a split, offenders of a check
_MEANINGS = {
    Outcome.PROMOTE: "by the rule below it is to be champion.",
    Outcome.HOLD: "there is no evidence that it is better than the champion, or as good.",
    Outcome.REJECT: "it misses a limit, or is worse than the champion in a class by more than is allowed.",
}


@dataclass(frozen=True)
class Card:
    """All that the card is made of."""

    model: str
    """Name of the registered model."""
    version: str
    spec: Spec
    scores: Scores
    intervals: Intervals
    """Of the scores."""
    validation: Validation | None
    """Of the data set; None where it is not at hand."""
    verdict: Verdict
    training: Mapping[str, Any]
    """Sections `model` and `train` of the params, and `class_weights`, a weight a class; what is at hand of them."""
    lineage: Mapping[str, str]
    """What the version is made from: label -> value, in the order that they are shown in."""
    licence: str
    """Licence notice of the data."""
    options: Mapping[str, Any]
    """Of predict.load, by which the model was evaluated and predicts."""

    def __post_init__(self) -> None:
        """Raise ValueError unless model and version can stand in a command, and the scores are the model's."""
        for what, name in (("model", self.model), ("version", self.version)):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{what}: expected letters, digits, '.', '_' and '-', got {name!r}; rename it")
        ours, theirs = (self.spec.run, self.spec.classes.names), (self.scores.run, self.scores.names)
        if theirs != ours:
            raise ValueError(f"expected scores of run and classes {ours}, got those of {theirs}; evaluate the model")


def sections(card: Card) -> tuple[Section, ...]:
    """Return the card, section by section."""
    return (
        Section("What it is", _purpose(card.spec)),
        Section("Verdict", _verdict(card.verdict)),
        Section("Scores", quality.headline(card.scores, card.intervals)),
        Section("Classes", (quality.classes(card.scores, card.intervals),)),
        Section("Known weaknesses", quality.weaknesses(card.scores)),
        Section("Data", _data(card.licence, card.validation)),
        Section("Training", (_training(card.training),)),
        Section("Lineage", (Table(("What", "Value"), _rows(card.lineage)),)),
        Section("How to use it", _use(f"models:/{card.model}/{card.version}", card.version, card.options)),
        Section("Limits", (_limits(card.spec, card.licence),)),
    )


def _purpose(spec: Spec) -> tuple[Block, ...]:
    facts = {
        "Network": f"{spec.network}, width {spec.width:g}",
        "Data set": spec.dataset,
        "Classes, by value in the mask": ", ".join(f"{value} {name}" for value, name in enumerate(spec.classes.names)),
        "Trained on tiles of": f"{spec.tile_width} x {spec.tile_height} pixels, width x height",
        "Images are scaled by": f"{spec.scale:g}",
        "Training run": spec.run,
    }
    what = f"Semantic segmentation: gives each pixel of a colour image one of {len(spec.classes)} classes."
    return what, Table(("Property", "Value"), _rows(facts))


def _verdict(verdict: Verdict) -> tuple[Block, ...]:
    return (
        Banner(verdict.outcome.name, _MEANINGS[verdict.outcome]),
        Bullets(verdict.reasons),
        "This is what the rule says; segnet promote --force can overrule it. Who is champion now: segnet status.",
        Table(("Rule", "Value"), (*_rows(verdict.rule), ("test data", verdict.test_data))),
    )


def _data(licence: str, validation: Validation | None) -> tuple[Block, ...]:
    notice = f"Licence notice: {licence}"
    if validation is None:
        return notice, "What validation found is not at hand."
    failed = validation.errors + validation.warnings
    found = f"{plural(len(validation.errors), 'error')} and {plural(len(validation.warnings), 'warning')}"
    header = ("Split", "Images", "Sequences", "Width x height", "Share of void")
    return (
        notice,
        Table(header, tuple(map(_split, validation.splits)), (1, 2, 3, 4)),
        f"Validation: {found} in {plural(len(validation.findings), 'check')}{':' if failed else '.'}",
        Bullets(tuple(map(_finding, failed))),
    )


def _split(split: Split) -> tuple[str, ...]:
    sizes = sorted(split.sizes, key=lambda size: (-split.sizes[size], size))
    return split.name, f"{split.images:,}", f"{split.sequences:,}", _first(sizes), fraction(split.void_share)


def _finding(finding: Finding) -> str:
    check = finding.check.replace("_", " ")
    named = _first([f"{offender.name}, {offender.detail}" for offender in finding.offenders])
    return f"{finding.severity}: {check}. Expected: {finding.expected}. Observed: {finding.observed}. Found: {named}."


def _training(training: Mapping[str, Any]) -> Table:
    rows = dict[str, Any]()
    for name, value in training.items():
        if name in ("model", "train"):
            rows |= {f"{name}.{key}": setting for key, setting in value.items()}
        else:
            rows[name] = value
    return Table(("Setting", "Value"), _rows(rows))


def _use(address: str, version: str, options: Mapping[str, Any]) -> tuple[Block, ...]:
    python = f"""\
from pathlib import Path

import mlflow
import pandas as pd

model = mlflow.pyfunc.load_model("{address}")
images = pd.DataFrame({{"image": [Path("street.png").read_bytes()]}})
masks = model.predict(images)["mask"]  # of each image, a PNG that holds the class of each pixel"""
    commands = f"""\
segnet predict street.png --model {address} --out predictions
mlflow models serve --model-uri {address} --env-manager local --port 5000
segnet verify {version}  # whether commit, data, params and weights are those that it was made from
segnet trace {version}  # the commands that make it again"""
    return (
        "MLFLOW_TRACKING_URI names the store that holds the version. It predicts as it was evaluated: "
        f"{_shown(options)}.",
        Code("python", python),
        Code("sh", commands),
        "The server answers POST /invocations with JSON, in which an image is base64 text in the column image of "
        "dataframe_split.",
    )


def _limits(spec: Spec, licence: str) -> Bullets:
    restricted = (
        "Research only: the licence notice of the data restricts its use, and is to be taken to bind this model too."
    )
    window = f"{spec.tile_width} x {spec.tile_height} pixels"
    return Bullets(
        (
            *((restricted,) if _RESTRICTED.search(licence) else ()),
            "Not for safety-critical use without a validation of your own, on images of that use.",
            f"The scores are of images like those of {spec.dataset}; other cameras, places, light and weather were not "
            "tested.",
            f"Images may be of any size: they are scaled by {spec.scale:g}, and what is then larger than {window} is "
            "predicted by overlapping windows of that size. Things that appear at another size than in the test images "
            "were not tested.",
            "Each pixel gets one of the classes, also where it shows none of them.",
        )
    )


def _rows(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((name, _shown(value)) for name, value in values.items())


def _shown(value: Any) -> str:
    """Return a setting as text; of an absolute path, which means nothing elsewhere, just the last part."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return "not defined" if isnan(value) else f"{value:g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(part)}" for name, part in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value)) or "none"
    path = PurePosixPath(str(value))
    return path.name if path.is_absolute() else str(value)


def _first(names: Sequence[str]) -> str:
    more = len(names) - _MAX_NAMED
    return "; ".join(names[:_MAX_NAMED]) + (f"; and {more:,} more" if more > 0 else "")
