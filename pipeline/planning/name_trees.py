"""Class names in JSON or YAML: by value, by name, in the values' order, or as records with values and colours."""

import re
from typing import Any

from pipeline.planning.contents import Label

_WITHIN = ("id2label", "label2id", "labels", "classes", "names", "categories")
_NAMES, _VALUES = ("readable", "name", "label", "title"), ("id", "value", "index")
_COLOURS = ("color", "colour", "rgb")


def read(tree: Any, kind: str, *, is_bare: bool) -> tuple[dict[Label, str], bool]:
    """Return the names of an index mask's values, or a colour mask's colours; nothing if there are none of the kind.

    The second says whether they stand without values, in their order.

    Args:
        tree: what a file holds.
        kind: index or colour.
        is_bare: whether the names may be all that it holds; else they are below a key such as names or classes.

    Raises:
        ValueError, TypeError: the file holds something else.
    """
    keys = _WITHIN if isinstance(tree, dict) else ()
    within = next((tree[key] for key in keys if isinstance(tree.get(key), dict | list)), None)
    if within is None and not is_bare:
        return {}, False
    tree = tree if within is None else within
    if isinstance(tree, list) and tree and isinstance(tree[0], dict) and all(type(key) is int for key in tree[0]):
        tree = tree[0]  # as RELLIS-3D's ontology.yaml, whose second mapping has the colours
    pairs = _in_mapping(tree, kind) if isinstance(tree, dict) else _in_list(tree, kind)
    most = 256 if kind == "index" else 1 << 24
    names = {label: name.strip() for label, name in pairs if isinstance(name, str) and name.strip()}
    if len(names) < len(pairs) or not all(type(label) is int and 0 <= label < most for label in names):
        raise ValueError("expected a name, and a value of its own, of each class")
    is_list = kind == "index" and isinstance(tree, list) and all(_of(each, _VALUES, None) is None for each in tree)
    return dict(names), is_list


def _in_mapping(tree: dict[Any, Any], kind: str) -> list[tuple[Any, Any]]:
    """Return values or colours with their names, of which either may be the key."""
    if kind == "colour":
        colours = {key: _number(key) for key in tree}
        return [(colours[key], each) if colours[key] >= 0 else (_number(each), key) for key, each in tree.items()]
    is_by_value = any(isinstance(name, str) for name in tree.values())
    return [(int(key), name) if is_by_value else (name, key) for key, name in tree.items()]


def _in_list(tree: Any, kind: str) -> list[tuple[Any, Any]]:
    if kind == "index":
        return [(_of(each, _VALUES, i), _of(each, _NAMES, each)) for i, each in enumerate(tree)]
    return [(_number(_of(each, _COLOURS, None)), _of(each, _NAMES, each)) for each in tree]


def _of(record: object, keys: tuple[str, ...], default: object) -> Any:
    return next((record[key] for key in keys if key in record), default) if isinstance(record, dict) else default


def _number(colour: Any) -> int:
    """Return a colour, of three numbers or in hexadecimal, as one number; -1: it is none."""
    if isinstance(colour, str):
        return int(colour.lstrip("#"), 16) if re.fullmatch("#?[0-9a-fA-F]{6}", colour) else -1
    return int.from_bytes(bytes(colour)) if isinstance(colour, list) and len(colour) == 3 else -1
