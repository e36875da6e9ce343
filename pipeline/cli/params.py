"""`segnet params`: what every value of params.yaml means, as a page or a JSON schema, from the code that checks it."""

import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from pipeline import params as sections
from pipeline.files.terminal import say_file, say_json

_WIDTH = 120
_HEAD = """# Params
Every value of `params.yaml`, with what it may be. Printed by `segnet params`; `make docs` writes it here. None has a
default: each key must be there, and a wrong key or value stops the first stage that runs before its work. Editors that
know the YAML language server complete and check the files with `params.schema.json`, which their first line names.
"""
_TYPES = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false", "null": "null"}
_BOUNDS = {
    "minimum": "from {}",
    "exclusiveMinimum": "above {}",
    "maximum": "to {}",
    "exclusiveMaximum": "below {}",
}


def params(
    *, schema: Annotated[bool, typer.Option("--schema", help="Print a JSON schema, for editors.")] = False
) -> None:
    """Print what every value of params.yaml means, and what it may be."""
    if schema:
        say_json(tree())
    else:
        say_file(page())


def tree() -> dict[str, Any]:
    """Return the JSON schema of params.yaml; rules that join several keys are not in it."""
    made = _without_titles(sections.Params.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "params.yaml", **made}


def page() -> str:
    """Return docs/params.md."""
    schema = tree()
    lines = [_HEAD]
    for name, value in schema["properties"].items():
        lines.append(f"## {name}")
        choices = list(_choices(value, schema["$defs"]))
        for choice in choices:
            lines += [_heading(name, choice)] if len(choices) > 1 else []
            lines += _section(name, choice, schema["$defs"])
    return "\n".join(lines).rstrip() + "\n"


def _section(name: str, section: Mapping[str, Any], defs: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a section: what it is, its keys, and those of the sections in it."""
    yield _wrapped(_one_line(section.get("description", ""))) + "\n"
    nested = []
    for key, value in section.get("properties", {}).items():
        yield _wrapped(f"* `{name}.{key}`: {_kind(value, defs)}. {_described(value, defs)}", hanging="  ")
        inner = f"{name}.{key}" + ("[]" if value.get("type") == "array" else "")
        nested += [(inner, choice) for choice in _choices(value, defs)]
    yield ""
    for inner, choice in nested:
        yield _heading(inner, choice)
        yield from _section(inner, choice, defs)


def _heading(name: str, section: Mapping[str, Any]) -> str:
    """Return the heading of a section; of several that a key may hold, with the value that chooses it."""
    chosen = [f"{key}: {value['const']}" for key, value in section["properties"].items() if "const" in value]
    return f"### {', '.join([name, *chosen])}"


def _described(value: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    """Return a key's description; pydantic leaves out one that is the same as that of the section under the key."""
    return _one_line(value.get("description") or _resolved(value, defs)["description"])


def _choices(value: Mapping[str, Any], defs: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the sections that a value may be: none, one, or several of which one is chosen."""
    value = _resolved(value, defs)
    if "properties" in value:
        yield value
    for part in (*value.get("anyOf", ()), *value.get("oneOf", ())):
        yield from _choices(part, defs)
    if isinstance(value.get("items"), dict):
        yield from _choices(value["items"], defs)


def _resolved(value: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    resolved: Mapping[str, Any] = defs[value["$ref"].rpartition("/")[2]] if "$ref" in value else value
    return resolved


def _kind(value: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    """Return in words what a value may be."""
    value = _resolved(value, defs)
    if parts := (*value.get("anyOf", ()), *value.get("oneOf", ())):
        return ", or ".join(dict.fromkeys(_kind(part, defs) for part in parts))
    if "const" in value or "enum" in value:
        return " or ".join(f"`{each}`" for each in value.get("enum", [value.get("const")]))
    if "prefixItems" in value:
        return f"[{'; '.join(_kind(part, defs) for part in value['prefixItems'])}]"
    match value["type"]:
        case "array":
            return f"list, each {_kind(value['items'], defs)}"
        case "object":
            return "section" if "properties" in value else "mapping of text to text"
    bounds = [words.format(f"{value[key]:,}".removesuffix(".0")) for key, words in _BOUNDS.items() if key in value]
    if "pattern" in value:
        bounds.append(f"that matches `{value['pattern']}`")
    return " ".join([_TYPES[value["type"]], *bounds])


def _one_line(text: str) -> str:
    """Return a docstring as one line of Markdown, in which * and < stand for themselves."""
    return re.sub(r"([*<])", r"\\\1", " ".join(text.split()))


def _wrapped(text: str, *, hanging: str = "") -> str:
    return textwrap.fill(text, _WIDTH, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False)


def _without_titles(tree: Any) -> Any:
    """Return a schema without the titles that pydantic makes of names; `title` is also the name of a key."""
    if isinstance(tree, dict):
        return {
            key: _without_titles(value) for key, value in tree.items() if key != "title" or not isinstance(value, str)
        }
    if isinstance(tree, list):
        return [_without_titles(value) for value in tree]
    return tree
