"""Class names in a JSON file: by value, by name, in the values' order, or as records with values and colours."""

import json
from typing import Any

from pipeline.planning.contents import Label

PATTERN = r"(id2label|label2id|classes|labels|names|class_names|label_?map|palette|config(_v[\d.]+)?)\.json"
"""File names, such as Mapillary Vistas' config_v2.0.json and transformers' id2label.json."""
_WITHIN = ("id2label", "label2id", "labels", "classes", "names", "categories")
_NAMES, _VALUES, _COLOURS = ("readable", "name", "label", "title"), ("id", "value", "index"), ("color", "colour")


def read(text: str, kind: str) -> tuple[dict[Label, str], bool]:
    """Return the names of an index mask's values, or a colour mask's colours; nothing if there are none of the kind.

    The second says whether they stand without values, in their order.

    Raises:
        ValueError, TypeError: the file holds something else.
    """
    tree: Any = json.loads(text)
    if isinstance(tree, dict):
        tree = next((tree[key] for key in _WITHIN if isinstance(tree.get(key), dict | list)), tree)
    if isinstance(tree, dict) and kind != "index":
        return {}, False
    if isinstance(tree, dict):
        is_by_value = any(isinstance(name, str) for name in tree.values())
        pairs = [(int(key), name) if is_by_value else (name, key) for key, name in tree.items()]
    elif kind == "index":
        pairs = [(_of(each, _VALUES, i), _of(each, _NAMES, each)) for i, each in enumerate(tree)]
    else:
        pairs = [(_number(_of(each, _COLOURS, None)), _of(each, _NAMES, each)) for each in tree]
    most = 256 if kind == "index" else 1 << 24
    names = {label: name.strip() for label, name in pairs if isinstance(name, str) and name.strip()}
    if len(names) < len(pairs) or not all(type(label) is int and 0 <= label < most for label in names):
        raise ValueError("expected a name, and a value of its own, of each class")
    is_list = kind == "index" and isinstance(tree, list) and all(_of(each, _VALUES, None) is None for each in tree)
    return dict(names), is_list


def _of(record: object, keys: tuple[str, ...], default: object) -> Any:
    return next((record[key] for key in keys if key in record), default) if isinstance(record, dict) else default


def _number(colour: Any) -> int:
    return int.from_bytes(bytes(colour)) if len(colour) == 3 else -1
