"""Reading files of annotations as records: what they hold beside the declared fields is ignored."""

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError


class Record(BaseModel):
    """A JSON object of which some fields are used."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


Kind = TypeVar("Kind", bound=Record)
Key = TypeVar("Key")
Value = TypeVar("Value")
_BOM = b"\xef\xbb\xbf"  # UTF-8's, which Windows' editors write


def read(path: Path, kind: type[Kind], what: str) -> Kind:
    """Return a JSON file as a record.

    Args:
        path: the file.
        kind: the record.
        what: what the file should be, for the message.

    Raises:
        ValueError: it cannot be read, or is something else.
    """
    try:
        content = path.read_bytes()
    except OSError as err:
        raise ValueError(f"{path}: expected {what}, which can be read: {err}") from err
    return parsed(content, path, kind, what)


def distinct(path: Path, what: str, items: Iterable[tuple[Key, Value]]) -> dict[Key, Value]:
    """Return items by key, such as images by name: of two with one key, one would be lost.

    Raises:
        ValueError: there are two; the message says which.
    """
    by_key: dict[Key, Value] = {}
    for key, value in items:
        if key in by_key:
            raise ValueError(f"{path}: expected each {what} once, got {key!r} twice; merge the two, or remove one")
        by_key[key] = value
    return by_key


def parsed(content: bytes, path: Path, kind: type[Kind], what: str) -> Kind:
    """Return the content of a JSON file as a record; see `read`.

    Raises:
        ValueError: it is something else.
    """
    try:
        return kind.model_validate_json(content.removeprefix(_BOM))
    except ValidationError as err:
        first = err.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        message = (
            f"{path}: expected {what}, got something else at {where}: {first['msg']}; correct dataset.masks or the file"
        )
        raise ValueError(message) from err
