"""Reading YAML 1.2 files as DVC does; nothing in them can run code."""

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
    yaml = YAML(typ="safe", pure=True)
    yaml.max_depth = _MAX_DEPTH
    try:
        return yaml.load(path)
    except _FAULTS as err:
        raise ValueError(f"{path}: expected a readable YAML file: {err}") from err
