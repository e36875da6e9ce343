"""What is verified: a version, with copies of its files; and how it can fail."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.files import lineage
from pipeline.files.lineage import Lineage
from pipeline.tracking import registry
from pipeline.tracking.versions import Version


class BrokenError(ValueError):
    """Two things that must agree do not; the message says which, what was expected and what was found."""


class AbsentError(ValueError):
    """A thing to compare with is not at hand; the message says which."""


@dataclass(frozen=True)
class Subject:
    """A version, with copies of its files."""

    uri: str
    model: str
    version: Version
    root: Path
    """The working tree."""
    files: Path
    """All files of the version."""

    @property
    def evidence(self) -> Path:
        """Return the folder of its evidence."""
        return self.files / registry.EVIDENCE / self.version.tags.get("evidence", "")

    @property
    def weights(self) -> Path:
        """Return the folder of the model."""
        return next((self.files / "artifacts").iterdir())

    @property
    def origin(self) -> Lineage:
        """Return what its evidence says that it comes from."""
        return lineage.read(self.evidence)


def agree(what: str, expected: object, found: object) -> None:
    """Raise BrokenError unless what was found is what was expected."""
    if expected != found:
        raise BrokenError(f"expected {what} to be {expected}, got {found}")
