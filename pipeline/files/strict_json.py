"""JSON as dataclasses: every key is there and none besides, and every value is of its type."""

from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

Kind = TypeVar("Kind")


def parse(text: str | bytes, kind: type[Kind]) -> Kind:
    """Return the JSON `text` as `kind`, a dataclass or another annotated type.

    Raises:
        ValueError: it is no JSON, is nested too deep, or is not of that kind; the message names the first such value.
    """
    try:
        adapter = _adapter(kind)  # type: ignore[arg-type]  # typeshed: a type that may be a union is not known hashable
        found: Kind = adapter.validate_json(text, strict=True, extra="forbid")
    except ValidationError as err:
        first = err.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}") from err
    return found


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
