"""Class names in JSON or YAML: by value, by name, in the values' order, or as records with values and colours."""

from typing import Any

from pipeline.planning.names import name_cells, name_tables
from pipeline.planning.names.label_names import words
from pipeline.planning.names.name_tables import Reading, UnclearError

_WITHIN = ("id2label", "label2id", "labels", "classes", "names", "categories")


def read(tree: Any, kind: str, *, is_bare: bool) -> list[Reading]:
    """Return the readings of names of an index mask's values, or a colour mask's colours; none if it has no such.

    Args:
        tree: what a file holds.
        kind: index or colour.
        is_bare: whether the names may be all that it holds; else they are below a key such as names or classes.

    Raises:
        UnclearError, ValueError, TypeError: the file holds something else.
    """
    keys = _WITHIN if isinstance(tree, dict) else ()
    within = next((tree[key] for key in keys if isinstance(tree.get(key), dict | list)), None)
    if within is None and not is_bare:
        return []
    tree = tree if within is None else within
    if isinstance(tree, list) and tree and all(isinstance(each, dict) and _by_value(each) for each in tree):
        tree = _joined(tree, kind)
    if isinstance(tree, dict):
        return _of_mapping(tree, kind)
    if not isinstance(tree, list):
        raise UnclearError("expected a list or a mapping of names")
    if all(isinstance(each, dict) for each in tree):
        return _of_records(tree, kind)
    if kind == "colour" or not all(isinstance(each, str) and each.strip() for each in tree):
        raise UnclearError("expected a name, or a record with a name, of each class")
    return [Reading({value: name.strip() for value, name in enumerate(tree)}, is_list=True)]


def _by_value(tree: dict[Any, Any]) -> bool:
    return bool(tree) and all(type(key) is int for key in tree)


def _joined(trees: list[dict[Any, Any]], kind: str) -> Any:
    """Return mappings of a value each as one; or RELLIS-3D's names by value, with the colours of the second mapping."""
    if all(len(each) == 1 for each in trees):
        return {key: name for each in trees for key, name in each.items()}
    if kind == "colour" and len(trees) == 2:
        return [{"name": name, "color": trees[1].get(value)} for value, name in trees[0].items()]
    return trees[0]


def _of_mapping(tree: dict[Any, Any], kind: str) -> list[Reading]:
    """Return the reading of values or colours with their names or records, of which either may be the key."""
    if tree and all(isinstance(each, dict) for each in tree.values()):
        return _of_records(
            [{"id" if str(key).isdecimal() else "name": key, **each} for key, each in tree.items()], kind
        )
    if kind == "colour":
        colours = {key: name_cells.colour(_text(key)) for key in tree}
        are_keys = None not in colours.values()  # facade is a name
        pairs = [
            (colours[key], each) if are_keys else (name_cells.colour(_text(each)), key) for key, each in tree.items()
        ]
    else:
        pairs = _numbered(tree)
    most = 256 if kind == "index" else 1 << 24
    found = [(label, name.strip()) for label, name in pairs if label is not None and isinstance(name, str)]
    if len(found) < len(pairs) or any(label >= most or not name for label, name in found):
        raise UnclearError("expected a name, and a value or colour, of each class")
    return [name_tables.reading((label if label >= 0 else None, name) for label, name in found)]


def _numbered(tree: dict[Any, Any]) -> list[tuple[int | None, Any]]:
    """Return values with names, of which either may be the key, and the values texts."""
    are_values = all(type(value) is int for value in tree.values())
    of_keys = [name_cells.number(_text(key)) for key in tree]
    if not are_values and None not in of_keys:
        return list(zip(of_keys, tree.values(), strict=True))
    of_values = [name_cells.number(_text(value)) for value in tree.values()]
    if {*of_keys, *of_values} <= {None}:
        raise ValueError("expected values")  # of images, perhaps
    return list(zip(of_values, tree, strict=True))


def _of_records(tree: list[dict[Any, Any]], kind: str) -> list[Reading]:
    titles = dict.fromkeys(key for record in tree for key in record)
    return name_tables.of_columns(
        {words(str(title)): [_text(record.get(title)) for record in tree] for title in titles}, kind
    )


def _text(value: object) -> str:
    """Return a cell as a table would have it."""
    return str(value).strip() if isinstance(value, str | int | float | list) and not isinstance(value, bool) else ""
