"""A document of a few kinds of blocks, as Markdown and as an HTML page: both say the same."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jinja2

# What GitHub's Markdown takes for its own; of underscores, those that can begin or end an emphasis.
_MARKS = re.compile(r"[\\`*|~$\[\]]|(?<![^\W_])_|_(?![^\W_])|^[-+#]")
_ORDINAL = re.compile(r"^(\d+)([.)])(?= |$)")  # the number of a list's item


@dataclass(frozen=True)
class Banner:
    """A word that must not be missed, and what it means."""

    kind: ClassVar[str] = "banner"
    word: str
    text: str


@dataclass(frozen=True)
class Bullets:
    """A list."""

    kind: ClassVar[str] = "bullets"
    items: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows of as many cells as the header has."""

    kind: ClassVar[str] = "table"
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[int, ...] = ()
    """Columns of numbers: aligned to the right."""
    bars: tuple[int, ...] = ()
    """Columns of fractions that the page draws as bars too."""


@dataclass(frozen=True)
class Code:
    """Lines to copy, shown as they are: without three backticks, which would end them in Markdown."""

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
    """Return the document in GitHub's Markdown; no text breaks a table, or is taken for code, link or HTML."""
    environment = _environment(autoescape=False, finalize=_escape)
    return environment.get_template("card.md.j2").render(title=title, sections=sections)


def page(title: str, sections: Sequence[Section]) -> str:
    """Return the document as an HTML page that refers to nothing outside itself."""
    return _environment(autoescape=True).get_template("card.html.j2").render(title=title, sections=sections)


def _environment(**options: Any) -> jinja2.Environment:
    return jinja2.Environment(  # noqa: S701  # its users say how it escapes
        loader=jinja2.PackageLoader("pipeline.registry.card", "."),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **options,
    )


def _escape(value: Any) -> Any:
    """Return a value as text on one line of Markdown; what the template calls safe stays as it is."""
    if hasattr(value, "__html__"):
        return value
    line = " ".join(str(value).split())
    marked = _MARKS.sub(r"\\\g<0>", html.escape(line, quote=False))
    return _ORDINAL.sub(r"\1\\\2", marked)
