from dataclasses import dataclass
from math import inf, isnan, nan

import pytest

from pipeline.files import strict_json


@dataclass(frozen=True)
class Part:
    name: str
    count: int


@dataclass(frozen=True)
class Whole:
    parts: tuple[Part, ...]
    share: float | None


def test_json_becomes_dataclasses():
    text = b'{"share": null, "parts": [{"count": 2, "name": "a"}]}'
    assert strict_json.parse(text, Whole) == Whole((Part("a", 2),), None)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "the file: Invalid JSON: EOF"),
        ("[" * 100_000, "the file: Invalid JSON: recursion limit exceeded"),
        (b"\xff", "the file: Invalid JSON"),
        ('{"parts": []}', "share: Field required"),
        ('{"parts": [], "share": 1.5, "more": 1}', "more: Unexpected keyword argument"),
        ('{"parts": [{"name": 1, "count": 2}], "share": 1.5}', r"parts\.0\.name: Input should be a valid string"),
        ('{"parts": [{"name": "a", "count": "2"}], "share": 1.5}', r"parts\.0\.count: Input should be a valid integer"),
    ],
)
def test_anything_else_is_refused_by_the_first_fault(text, fault):
    with pytest.raises(ValueError, match=f"^{fault}"):
        strict_json.parse(text, Whole)


def test_what_json_cannot_hold_is_null():
    assert [strict_json.number_or_null(value) for value in (0.5, 2, nan, inf, -inf)] == [0.5, 2, None, None, None]
    assert strict_json.null_or_number(0.5) == 0.5
    assert isnan(strict_json.null_or_number(None))
