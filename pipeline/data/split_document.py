"""Splits that one YAML or JSON file holds: a mapping from each split to a list of its images.

Or a list of such mappings, a fold each, as nnU-Net's splits_final.json has them: `0.train` is a key of the first one.
"""

import re
from pathlib import Path
from typing import Any

from pipeline.files import safe_yaml, strict_json

SUFFIXES = (".json", ".yaml", ".yml")
_ADDRESS = re.compile(r"(.+\.(?:json|yaml|yml))#(.+)", re.IGNORECASE)


def parse_address(text: str) -> tuple[str, str] | None:
    """Return the file and the key of an address such as splits.yaml#train; None: it is the path of a text list.

    >>> parse_address("meta/splits.yaml#train")
    ('meta/splits.yaml', 'train')
    """
    match = _ADDRESS.fullmatch(text)
    return None if match is None else (match[1], match[2])


def read(path: Path) -> dict[str, list[str]]:
    """Return the lists of names or whole numbers that a file holds, by key; other keys are left out.

    Raises:
        ValueError: it cannot be read, or is neither a mapping nor a list of mappings.
    """
    try:
        content: Any
        if path.suffix.lower() == ".json":
            content = strict_json.parse(path.read_bytes(), object)
        else:
            content = safe_yaml.read(path)
    except OSError as err:
        raise ValueError(f"{path}: expected a readable file: {err}") from err
    if isinstance(content, list) and content and all(isinstance(fold, dict) for fold in content):
        content = {f"{i}.{key}": entries for i, fold in enumerate(content) for key, entries in fold.items()}
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a mapping from splits to lists of images, got {type(content).__name__}")
    return {
        str(key): [str(entry).strip() for entry in entries] for key, entries in content.items() if _is_names(entries)
    }


def lines(root: Path, split: str, address: tuple[str, str]) -> list[str]:
    """Return the list at a file's key, as `split_lists.lines` returns that of a text file.

    Raises:
        ValueError: the file cannot be read, or has no list of names or whole numbers there.
    """
    file, key = address
    try:
        lists = read(root / file)
    except ValueError as err:
        raise ValueError(f"dataset.splits.{split}: {err}") from err
    if key not in lists:
        raise ValueError(
            f"dataset.splits.{split}: expected the key of a list of names or numbers in {file} after the #, one of "
            f"{', '.join(sorted(lists)) or 'none'}, got {key}; correct it"
        )
    return [entry for entry in lists[key] if entry]


def _is_names(entries: object) -> bool:
    return (
        isinstance(entries, list)
        and bool(entries)
        and all(isinstance(entry, str | int) and not isinstance(entry, bool) for entry in entries)
    )
