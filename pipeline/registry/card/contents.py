"""The content of the model card, section by section."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import PurePosixPath
from typing import Any

from pipeline.artifacts.scores import Intervals, Scores
from pipeline.artifacts.spec import Spec
from pipeline.artifacts.validation import Finding, Split, Validation
from pipeline.artifacts.verdict import Outcome, Verdict
from pipeline.registry.card import quality
from pipeline.registry.card.document import Banner, Block, Bullets, Code, Section, Table
from pipeline.registry.card.quality import fraction, plural
from pipeline.registry.comparison import level_used

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_RESTRICTED = re.compile(r"non-?commercial|research[^.]*\bonly\b|\bonly\b[^.]*research", re.IGNORECASE)
_MAX_NAMED = 3  # sizes per split, offenders per check
_MEANINGS = {
    Outcome.PROMOTE: "by the rule below, it should be champion.",
    Outcome.HOLD: "there is not enough evidence that it is better than the champion, or as good in every class.",
    Outcome.REJECT: "it misses a limit, or is worse than the champion in a class by more than allowed.",
}


@dataclass(frozen=True)
class Card:
    """Everything that the card is made from."""

    model: str
    """Name of the registered model."""
    version: str
    spec: Spec
    scores: Scores
    intervals: Intervals
    """Of the scores."""
    validation: Validation | None
    """Of the data set; None if it is not available."""
    verdict: Verdict
    training: Mapping[str, Any]
    """Sections `model` and `train` of the params, and `class_weights`, one weight per class; any may be missing."""
    lineage: Mapping[str, str]
    """What the version was made from: label -> value, in the order shown."""
    licence: str
    """Licence notice of the data."""
    options: Mapping[str, Any]
    """Of predict.load, with which the model was evaluated and predicts."""

    def __post_init__(self) -> None:
        """Raise ValueError unless model and version are safe in a command, and the scores are the model's."""
        for what, name in (("model", self.model), ("version", self.version)):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{what}: expected letters, digits, '.', '_' and '-', got {name!r}; rename it")
        ours, theirs = (self.spec.run, self.spec.classes.names), (self.scores.run, self.scores.names)
        if theirs != ours:
            raise ValueError(f"expected scores of run and classes {ours}, got those of {theirs}; evaluate the model")


def sections(card: Card) -> tuple[Section, ...]:
    """Return the sections of the card, in order."""
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
        Section("Limitations", (_limitations(card.spec, card.licence),)),
    )


def _purpose(spec: Spec) -> tuple[Block, ...]:
    facts = {
        "Network": f"{spec.network}, width {spec.width:g}",
        "Data set": spec.dataset,
        "Classes, by mask value": ", ".join(f"{value} {name}" for value, name in enumerate(spec.classes.names)),
        "Tile size in training": f"{spec.tile_width} x {spec.tile_height} pixels, width x height",
        "Image scale": f"{spec.scale:g}",
        "Training run": spec.run,
    }
    what = f"Semantic segmentation: assigns each pixel of a colour image to one of {len(spec.classes)} classes."
    return what, Table(("Property", "Value"), _rows(facts))


def _verdict(verdict: Verdict) -> tuple[Block, ...]:
    return (
        Banner(verdict.outcome.name, _MEANINGS[verdict.outcome]),
        Bullets(verdict.reasons),
        f"Level: {level_used(verdict.rule)}.",
        "This is the verdict of the rule; segnet promote VERSION --force REASON overrides it. Champion: segnet status.",
        Table(("Rule", "Value"), (*_rows(verdict.rule), ("test data", verdict.test_data))),
    )


def _data(licence: str, validation: Validation | None) -> tuple[Block, ...]:
    notice = f"Licence notice: {licence}"
    if validation is None:
        return notice, "The validation results are not available."
    failed = validation.errors + validation.warnings
    counts = f"{plural(len(validation.errors), 'error')} and {plural(len(validation.warnings), 'warning')}"
    header = ("Split", "Images", "Sequences", "Width x height", "Share of void")
    return (
        notice,
        Table(header, tuple(map(_split, validation.splits)), (1, 2, 3, 4)),
        f"Validation: {counts} in {plural(len(validation.findings), 'check')}{':' if failed else '.'}",
        Bullets(tuple(map(_finding, failed))),
    )


def _split(split: Split) -> tuple[str, ...]:
    sizes = sorted(split.sizes, key=lambda size: (-split.sizes[size], size))
    return (
        split.name,
        f"{split.images:,}",
        f"{split.sequences:,}",
        _first(sizes, len(sizes)),
        fraction(split.void_share),
    )


def _finding(finding: Finding) -> str:
    check = finding.check.replace("_", " ")
    shown = [f"{offender.name}, {offender.detail}" for offender in finding.offenders[:_MAX_NAMED]]
    named = _first(shown, finding.failing)
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
masks = model.predict(images)["mask"]  # one PNG per image, which holds the class of each pixel"""
    commands = f"""\
segnet predict street.png --model {address} --out predictions
mlflow models serve --model-uri {address} --env-manager local --port 5000
segnet verify {version}  # checks commit, data, params, weights and verdict against its record
segnet trace {version}  # prints the commands that reproduce it"""
    return (
        "Set MLFLOW_TRACKING_URI to the store that holds the version. It predicts with the options that it was "
        f"evaluated with: {_shown(options)}.",
        Code("python", python),
        Code("sh", commands),
        "The server answers POST /invocations. The request is JSON with images as base64 text in the column image of "
        "dataframe_split.",
    )


def _limitations(spec: Spec, licence: str) -> Bullets:
    restricted = "Research only: the licence notice of the data restricts its use; assume that it binds this model too."
    window = f"{spec.tile_width} x {spec.tile_height} pixels"
    return Bullets(
        (
            *((restricted,) if _RESTRICTED.search(licence) else ()),
            "Not for safety-critical use without your own validation on images from that use.",
            f"The scores hold for images like those of {spec.dataset}; other cameras, places, lighting and weather "
            "were not tested.",
            f"Images may be of any size: they are scaled by {spec.scale:g}, and those that are then larger than "
            f"{window} are predicted in overlapping windows of that size. Objects that appear larger or smaller than "
            "in the test images were not tested.",
            "Every pixel is assigned to one of the classes, even if it shows none of them.",
        )
    )


def _rows(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((name, _shown(value)) for name, value in values.items())


def _shown(value: Any) -> str:
    """Return a setting as text; an absolute path, meaningless elsewhere, is reduced to its last part."""
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


def _first(names: Sequence[str], number: int) -> str:
    """Return the first names, of so many."""
    more = number - _MAX_NAMED
    return "; ".join(names[:_MAX_NAMED]) + (f"; and {more:,} more" if more > 0 else "")
