"""A document of a few kinds of blocks, as Markdown and as an HTML page with the same content."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pipeline.files import direction, templates
from pipeline.files.printable import printable

# Characters that GitHub Markdown interprets; of underscores, only those that can begin or end emphasis.
_MARKS = re.compile(r"[\\`*|~$\[\]]|(?<![^\W_])_|_(?![^\W_])|^[-+#]")
_ORDINAL = re.compile(r"^(\d+)([.)])(?= |$)")  # the number of a list item


@dataclass(frozen=True)
class Banner:
    """A prominent word and its meaning."""

    kind: ClassVar[str] = "banner"
    word: str
    text: str


@dataclass(frozen=True)
class Bullets:
    """A bulleted list."""

    kind: ClassVar[str] = "bullets"
    items: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows with as many cells as the header."""

    kind: ClassVar[str] = "table"
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[int, ...] = ()
    """Columns of numbers, which are right-aligned."""
    bars: tuple[int, ...] = ()
    """Columns of fractions that the page also draws as bars."""


@dataclass(frozen=True)
class Code:
    """Lines to copy, shown verbatim; they must not hold three backticks, which would end the block in Markdown."""

    kind: ClassVar[str] = "code"
    language: str
    text: str


Block = str | Banner | Bullets | Table | Code
"""A str is a paragraph."""


@dataclass(frozen=True)
class Section:
    """Blocks under a heading."""

    title: str
    blocks: tuple[Block, ...]


def markdown(title: str, sections: Sequence[Section]) -> str:
    """Return the document as GitHub Markdown; no text breaks a table or is interpreted as code, link or HTML."""
    environment = templates.environment("pipeline.registry.card", autoescape=False, finalize=_escape)
    return environment.get_template("card.md.j2").render(title=title, sections=sections)


def page(title: str, sections: Sequence[Section]) -> str:
    """Return the document as an HTML page without external references."""
    return (
        templates.environment("pipeline.registry.card")
        .get_template("card.html.j2")
        .render(title=title, sections=sections)
    )


def _escape(value: Any) -> Any:
    """Return a value as one line of Markdown text; of what the template marks as safe, only control characters go."""
    if hasattr(value, "__html__"):
        return printable(str(value), keep="\n")
    line = printable(" ".join(str(value).split()))
    marked = _MARKS.sub(r"\\\g<0>", html.escape(line, quote=False))
    return direction.isolated(_ORDINAL.sub(r"\1\\\2", marked))
