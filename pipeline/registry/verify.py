"""Verification that a registered version is what its record says: recomputes every link, from data to verdict.

A link compares two things that are stored separately: a file and its hash, a score and the counts behind it, a verdict
and the evidence for it. What is not available, such as data on another machine, is reported and skipped.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from pipeline.registry import model_files
from pipeline.registry.verify_checks import LINKS, AbsentError, Subject
from pipeline.registry.versions import Version

State = Literal["holds", "not at hand", "broken"]


@dataclass(frozen=True)
class Link:
    """What was compared, and the result."""

    name: str
    state: State
    detail: str
    """What agrees, what is missing, or what was expected and what was found instead."""


def verify(version: Version, root: Path) -> Iterator[Link]:
    """Yield the links of a version, from its files to the verdict, up to the first broken one.

    Raises:
        ValueError: its files cannot be read.
    """
    with TemporaryDirectory() as temporary:
        subject = Subject(version, root, model_files.fetch(version, "", Path(temporary)))
        for name, check in LINKS.items():
            try:
                link = Link(name, "holds", check(subject))
            except AbsentError as err:
                link = Link(name, "not at hand", str(err))
            except ValueError as err:  # BrokenError, or raised by the reader of an invalid file
                link = Link(name, "broken", str(err))
            except (LookupError, TypeError, OSError, StopIteration) as err:
                link = Link(name, "broken", f"expected files as the stages write them, got one without {err}")
            yield link
            if link.state == "broken":
                return
