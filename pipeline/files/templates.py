"""Jinja templates of pages and documents: what others named is escaped, and its control characters are shown."""

import json
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup, escape

from pipeline.files import direction
from pipeline.files.printable import printable


def shown(value: Any) -> Any:
    """Return a template's value, text without control characters but line breaks and tabs; autoescape follows."""
    return printable(value, keep="\n\t") if isinstance(value, str) and not hasattr(value, "__html__") else value


@cache  # it keeps the compiled templates; that of a card takes some 20 ms
def environment(package: str, *, autoescape: bool = True, finalize: Callable[[Any], Any] = shown) -> jinja2.Environment:
    """Return the environment of the templates beside a package's modules, which may import those beside this one.

    Args:
        package: its full name.
        autoescape: whether values are escaped for HTML.
        finalize: called with every value that a template inserts; the JSON of `tojson` is made of shown values.
    """
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package, "."), jinja2.PackageLoader(__package__, ".")]),
        autoescape=autoescape,  # noqa: S701  # the callers choose the escaping
        finalize=finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"bdi": _bdi, "isolated": _isolated}
    made.policies["json.dumps_function"] = lambda tree, **options: json.dumps(_shown_tree(tree), **options)
    return made


def _bdi(value: Any) -> Any:
    """Return a value for HTML, in which no text from right to left reorders the rest."""
    return direction.bdi(shown(value)) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _isolated(value: Any) -> Any:
    """Return a value for an attribute, in which no text from right to left reorders the rest."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return Markup(direction.isolated(str(escape(shown(value)))))  # noqa: S704  # escaped


def style(*names: str) -> str:
    """Return the style sheets of these names, which lie beside this module: what pages have in common."""
    return "".join(resources.files(__package__).joinpath(name).read_text("utf-8") for name in names)


def _shown_tree(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _shown_tree(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_shown_tree(value) for value in tree]
    return shown(tree)
