"""reports/validation.json: statistics of the data set and the result of each check. Written by validate."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pipeline.files import atomic, strict_json


@dataclass(frozen=True)
class Offender:
    """An image, pair, sequence, class or split that fails a check."""

    name: str
    detail: str
    """Why, in plain words."""
    images: tuple[str, ...]
    """Ids of the images that show it; if there are many, the first of each split come first."""


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    check: str
    """Its key in params.yaml, validate.severities."""
    severity: Literal["error", "warning"]
    ok: bool
    expected: str
    """The bound, in plain words."""
    observed: str
    """The measured value, in plain words."""
    offenders: tuple[Offender, ...]
    """Those that fail it, or the first of very many."""
    unnamed: int = 0
    """The number of those after them."""

    @property
    def failing(self) -> int:
        """Return the number of all that fail it."""
        return len(self.offenders) + self.unnamed


@dataclass(frozen=True)
class Split:
    """Statistics of a split."""

    name: str
    images: int
    sequences: int
    sizes: dict[str, int]
    """Number of images of each size; a size is "<width> x <height>", in pixels."""
    shares: dict[str, float]
    """Fraction of the labelled pixels in each class, 0..1; all 0 if no pixel is labelled."""
    void_share: float
    """Fraction of all mask pixels that are void, 0..1; 0 if there are no masks."""


@dataclass(frozen=True)
class Validation:
    """The verdict on a data set."""

    dataset: str
    splits: tuple[Split, ...]
    findings: tuple[Finding, ...]
    """One per check, in the order of params.yaml."""

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Return the failed checks that stop the pipeline."""
        return tuple(f for f in self.findings if not f.ok and f.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Return the failed checks that do not stop the pipeline."""
        return tuple(f for f in self.findings if not f.ok and f.severity == "warning")

    @property
    def ok(self) -> bool:
        """Return whether the pipeline may continue: there is no error, whatever the warnings."""
        return not self.errors


def write(validation: Validation, path: Path) -> None:
    """Write `validation` as JSON; the same validation gives the same bytes."""
    atomic.write_json(path, {"ok": validation.ok, **asdict(validation)})


def read(path: Path) -> Validation:
    """Read what `write` wrote.

    Raises:
        ValueError: the file is missing, or not as `write` writes it.
    """
    try:
        document = strict_json.parse(path.read_bytes(), _Document)
    except (OSError, ValueError) as err:
        raise ValueError(f"{path}: expected the report that the validate stage writes: {err}; run it again") from err
    return Validation(document.dataset, document.splits, document.findings)


@dataclass(frozen=True)
class _Document:
    """A Validation as written, with its verdict for readers other than this program."""

    ok: bool
    dataset: str
    splits: tuple[Split, ...]
    findings: tuple[Finding, ...]
