"""What a label of a mask is called, and whether its pixels count."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.params.class_name import placeholder
from pipeline.planning.contents import Label

_VOID = (
    r"void|ignored?( label| region| class| area)?|un ?labell?ed|not labell?ed|un ?known|un ?defined|un ?classified|"
    r"un ?annotated|not annotated|not classified|un ?label|no ?data|no ?label|don ?t ?care|do not care|invalid|"
    r"out of roi|n a"
)
_IGNORED = re.compile(rf"(the )?({_VOID})( ({_VOID}))*( (pixels?|areas?|regions?|class|label|index|value))?")
_OF_REST = r"back ?ground|bg|none|other|rest"
_REST = re.compile(_OF_REST)
_EITHER = re.compile(rf"({_OF_REST}) (or |and )?({_VOID})|({_VOID}) (or |and )?({_OF_REST})")


@dataclass(frozen=True)
class Name:
    """What a label is called."""

    text: str
    ignore: bool


def named(text: str) -> Name:
    """Return a label's name, which says too whether its pixels count."""
    return Name(text, is_ignored(text))


def is_ignored(name: str) -> bool:
    """Return whether a name is one that data sets give to pixels that do not count.

    Example:
        >>> [is_ignored(name) for name in ("Void", "__ignore__", "don't care", "void/unlabelled", "no-data", "devoid")]
        [True, True, True, True, True, False]
    """
    return _IGNORED.fullmatch(words(name)) is not None


def is_rest(name: str) -> bool:
    """Return whether a name is one of what no other class is about, such as LabelMe's _background_."""
    return _REST.fullmatch(words(name)) is not None


def may_be_ignored(name: str) -> bool:
    """Return whether a name is of both kinds, such as background/unlabelled."""
    return _EITHER.fullmatch(words(name)) is not None


def placeholders(labels: Iterable[Label], kind: str) -> dict[Label, Name]:
    """Return names to fill in: class_3, or colour_ff0080."""
    kind = "index" if kind == "yolo" else kind
    return {label: Name(placeholder(int(label), kind), ignore=False) for label in labels if label is not None}


def words(name: str) -> str:
    """Return a name in small letters, with a space for all that is neither letter nor digit."""
    return " ".join(re.split(r"[\W_]+", name.casefold())).strip()
