"""Reading YAML 1.2 files as DVC does; nothing in them can run code."""

from copy import deepcopy
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

_MAX_DEPTH = 20  # ruamel.yaml looks ahead at every level, so 2,000 brackets would take 20 seconds
# What ruamel.yaml raises on a broken file: its own errors, and those of its components.
_FAULTS = (OSError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, YAMLError)


def read(path: Path) -> Any:
    """Return the content of a YAML file: mappings, lists, strings, numbers, booleans and None.

    Raises:
        ValueError: the file cannot be read, is not YAML, or is nested more than 20 levels deep.
    """
    try:
        return deepcopy(_parsed(path.read_bytes(), str(path)))
    except _FAULTS as err:
        raise ValueError(f"{path}: expected a readable YAML file: {err}") from err


@lru_cache(maxsize=8)  # a command reads params.yaml several times, some 20 ms each
def _parsed(content: bytes, name: str) -> Any:
    """Return the content of a YAML file; `name` is what an error calls it."""
    yaml = YAML(typ="safe", pure=True)
    yaml.max_depth = _MAX_DEPTH
    stream = BytesIO(content)
    stream.name = name
    return yaml.load(stream)
