"""JSON as dataclasses: every key is there and none besides, and every value is of its type."""

from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

Kind = TypeVar("Kind")


def parse(text: str | bytes, kind: type[Kind]) -> Kind:
    """Return the JSON `text` as `kind`, a dataclass or another annotated type.

    Raises:
        ValueError: it is no JSON, is nested too deep, or is not of that kind; the message names the first such value.
    """
    try:
        return TypeAdapter(kind).validate_json(text, strict=True, extra="forbid")
    except ValidationError as err:
        first = err.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}") from err
