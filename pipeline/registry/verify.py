"""Whether a registered version is what its record says: every link from data and commit to the verdict, recomputed.

A link is the comparison of two things that were kept apart: a file and its hash, a score and the counts that it comes
from, a verdict and the evidence for it. What is not at hand, such as another machine's data, is reported and skipped.
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
    """What was compared, and what came out."""

    name: str
    state: State
    detail: str
    """What agrees; or what is missing; or expected and found."""


def verify(version: Version, root: Path) -> Iterator[Link]:
    """Yield each link of a version, in the order from its files to the verdict; the last one may be broken.

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
            except ValueError as err:  # BrokenError, or of a file that is not what its reader expects
                link = Link(name, "broken", str(err))
            except (LookupError, TypeError) as err:
                link = Link(name, "broken", f"expected files as the stages write them, got one without {err}")
            yield link
            if link.state == "broken":
                return
