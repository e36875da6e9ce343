"""Whether a registered version is what its record says: every link from data and commit to the verdict, computed again.

A link is the comparison of two things that were kept apart: a file and its hash, a score and the counts that it comes
from, a verdict and the evidence for it. What is not at hand, such as another machine's data, is said and passed over.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from pipeline.registry import model_files, versions
from pipeline.registry.verify_checks import LINKS, AbsentError, Subject

State = Literal["holds", "not at hand", "broken"]


@dataclass(frozen=True)
class Link:
    """What was compared, and what came out."""

    name: str
    state: State
    detail: str
    """What agrees; or what is missing; or expected and found."""


def verify(uri: str, model: str, number: str, root: Path) -> Iterator[Link]:
    """Yield each link of a version, in the order from its files to the verdict; the last one may be broken.

    Raises:
        ValueError: there is no such version.
    """
    version = versions.version(uri, model, number)
    with TemporaryDirectory() as temporary:
        files = model_files.fetch(uri, model, version, "", Path(temporary))
        subject = Subject(uri, model, version, root, files)
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
