"""JSON as dataclasses: exactly the declared keys, every value of its declared type, and null for NaN."""

from collections.abc import Iterator, Mapping
from functools import cache
from math import isfinite, nan
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

Kind = TypeVar("Kind")


def parse(text: str | bytes, kind: type[Kind]) -> Kind:
    """Return the JSON `text` as `kind`, a dataclass or another annotated type.

    Raises:
        ValueError: it is not JSON, is nested too deeply, or does not match `kind`; the message names the first fault.
    """
    try:
        adapter = _adapter(kind)  # type: ignore[arg-type]  # typeshed: a type that may be a union is not known hashable
        parsed: Kind = adapter.validate_json(text, strict=True, extra="forbid")
    except ValidationError as err:
        first = err.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}") from err
    return parsed


def number_or_null(value: float) -> float | None:
    """Return a number as JSON can hold it: None for NaN and infinity, such as the IoU of an absent class."""
    return value if isfinite(value) else None


def null_or_number(value: float | None) -> float:
    """Invert `number_or_null`: return NaN for None, and any number unchanged."""
    return nan if value is None else value


def flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of nested mappings under dotted keys.

    Example:
        >>> dict(flat({"train": {"seed": 1, "zoom": [1, 2]}, "code": "a"}))
        {'train.seed': 1, 'train.zoom': [1, 2], 'code': 'a'}
    """
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
