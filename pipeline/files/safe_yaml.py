"""Reading YAML 1.2 files, as DVC reads them; nothing in them can run code."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

_MAX_DEPTH = 20  # ruamel.yaml looks ahead at every level: 2,000 brackets would take 20 seconds
# What ruamel.yaml raises on a broken file: its own errors, and those of its parts.
_FAULTS = (OSError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, YAMLError)


def read(path: Path) -> Any:
    """Return what a YAML file holds: mappings, lists, text, numbers, booleans and None.

    Raises:
        ValueError: the file cannot be read, is not YAML, or is nested more than 20 levels deep.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.max_depth = _MAX_DEPTH
    try:
        return yaml.load(path)
    except _FAULTS as err:
        raise ValueError(f"{path}: expected a readable YAML file: {err}") from err
