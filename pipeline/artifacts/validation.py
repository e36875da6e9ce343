"""reports/validation.json: what the data set looks like and what each check found. Written by validate."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pipeline.files import atomic, strict_json


@dataclass(frozen=True)
class Offender:
    """One image, pair, sequence, class or split that a check does not accept."""

    name: str
    detail: str
    """Why, in plain words."""
    images: tuple[str, ...]
    """Ids of the images that show it; where they are many, the first of each split come first."""


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    check: str
    """Its key in params.yaml, validate.severities."""
    severity: Literal["error", "warning"]
    ok: bool
    expected: str
    """The bound, in plain words."""
    observed: str
    """The measured value, in plain words."""
    offenders: tuple[Offender, ...]


@dataclass(frozen=True)
class Split:
    """What a split holds."""

    name: str
    images: int
    sequences: int
    sizes: dict[str, int]
    """Number of images of each size, "<width> x <height>" in pixels."""
    shares: dict[str, float]
    """Share of each class in the labelled pixels, 0..1; all 0 where nothing is labelled."""
    void_share: float
    """Share of void in all mask pixels, 0..1; 0 where there are no masks."""


@dataclass(frozen=True)
class Validation:
    """The verdict on a data set."""

    dataset: str
    splits: tuple[Split, ...]
    findings: tuple[Finding, ...]
    """One a check, in the order of params.yaml."""

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Return the failed checks that stop the path."""
        return tuple(f for f in self.findings if not f.ok and f.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Return the failed checks that do not stop the path."""
        return tuple(f for f in self.findings if not f.ok and f.severity == "warning")

    @property
    def ok(self) -> bool:
        """Return whether the path may go on: no error, whatever the warnings."""
        return not self.errors


def write(validation: Validation, path: Path) -> None:
    """Write `validation` as JSON; the same validation gives the same bytes."""
    atomic.write_json(path, {"ok": validation.ok, **asdict(validation)})


def read(path: Path) -> Validation:
    """Read what `write` wrote.

    Raises:
        ValueError: the file is missing or not what `write` makes.
    """
    try:
        found = strict_json.parse(path.read_bytes(), _Document)
    except (OSError, ValueError) as err:
        raise ValueError(f"{path}: expected the report that the validate stage writes: {err}; run it again") from err
    return Validation(found.dataset, found.splits, found.findings)


@dataclass(frozen=True)
class _Document:
    """A Validation as it is written: with its verdict, for those who read the file without this program."""

    ok: bool
    dataset: str
    splits: tuple[Split, ...]
    findings: tuple[Finding, ...]
