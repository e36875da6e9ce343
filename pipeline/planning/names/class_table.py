"""The class table: what each label that masks hold is called, and what is ignored."""

import colorsys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from pipeline.files.printable import in_one_line
from pipeline.params.class_name import spelling
from pipeline.planning.contents import Colour, Contents, Label
from pipeline.planning.listing import Listing
from pipeline.planning.names import class_names, shades
from pipeline.planning.names.class_names import Known
from pipeline.planning.names.label_names import Name, may_be_ignored, named, placeholders

_RARE, _BORDERS = 5e-3, 0.1  # shares of the pixels below which a label, and all such, are borders' that were smoothed
_HARDEN = (
    "If yes: write the masks anew with hard borders, those of two classes by a threshold, and run segnet init again"
)
_MANY = 255
_OBJECTS = 5  # of the masks' values, from which on it is odd that none is without all that are below it
_FAR = 5  # values that lie so far apart are not classes counted from 0


@dataclass(frozen=True)
class Row:
    """One label."""

    label: Label
    name: str
    colour: Colour
    ignore: bool
    share: float
    """Fraction of the pixels that were read; 0: not found."""


@dataclass(frozen=True)
class ClassTable:
    """All labels, with what could not be decided."""

    rows: tuple[Row, ...]
    source: str
    """Where the names are from; "" if they are to be filled in."""
    questions: tuple[str, ...]


def propose(contents: Contents, listing: Listing, mask: str) -> ClassTable:
    """Return the class table of what masks were found to hold.

    Args:
        contents: what was found.
        listing: files beside the masks, which may say the classes' names.
        mask: path of one mask, by which known data sets are recognised.

    Raises:
        ValueError: fewer than two labels remain, or more than 255.
    """
    pixels = contents.pixels
    total = max(1, pixels.total())
    known = _known(contents, listing, mask)
    names = {label: replace(name, text=in_one_line(name.text)) for label, name in known.names.items()}
    labels = sorted(pixels, key=lambda label: (label is not None, str(label) if isinstance(label, str) else label or 0))
    if contents.is_sample and len(names) <= _MANY:
        labels += [label for label in names if label not in pixels]
    unknown = [label for label in labels if label not in known.names]
    names = {**placeholders(unknown, contents.kind), **names}
    ignored, questions = _ignored(labels, names, contents, known)
    names |= {255: names[1]} if 255 not in known.names and _is_255_as_1(labels, contents) else {}
    questions = [*contents.questions, *known.questions, *questions]
    colours = _colours(labels, contents)
    names |= {label: Name("ignored", ignore=True) for label in ignored if label not in known.names}
    merged, asked = _merged({label: names[label] for label in labels if label not in ignored}, pixels)
    names, questions = names | merged, [*questions, *asked]
    rows = tuple(
        Row(label, names[label].text, colours[label], label in ignored, pixels[label] / total) for label in labels
    )
    num = len({row.name for row in rows if not row.ignore})
    unknown = [label for label in unknown if label not in ignored]
    soft = _borders(rows, unknown, contents.kind) if _is_of_pixels(contents) else ""
    if not 2 <= num <= _MANY:
        raise ValueError(
            f"expected 2 to {_MANY} classes in the masks, got {num} in {len(contents.by_mask)} masks such as {mask}: "
            f"are these masks? Say which are by --masks{soft and f'. {soft} {_HARDEN}'}"
        )
    if unknown:
        questions = [
            f"What are the classes called? Default: {', '.join(dict.fromkeys(names[each].text for each in unknown))}",
            *questions,
        ]
    if not known.source:
        questions += _objects(contents)
    if soft:
        questions.append(f"{soft} Default: no, each is a class. {_HARDEN}")
    return ClassTable(rows, known.source, tuple(questions))


def _is_of_pixels(contents: Contents) -> bool:
    return contents.kind in ("index", "colour")


def _known(contents: Contents, listing: Listing, mask: str) -> Known:
    """Return the names of labels."""
    if _is_of_pixels(contents):
        known = class_names.of_pixels(contents, listing, mask)
        if known.names or contents.kind != "colour":
            return known
        of_values = shades.names(contents, listing, mask)
        return replace(of_values, questions=tuple(dict.fromkeys((*known.questions, *of_values.questions))))
    if contents.kind != "yolo":
        return _labels(contents.pixels)
    known = class_names.of_yolo(listing, contents, mask)
    return replace(known, names={None: Name("background", ignore=False), **known.names})


def _labels(pixels: Mapping[Label, int]) -> Known:
    """Return the names of annotations' labels: their own, and background for what none covers."""
    rest = "background" if "background" not in pixels else "no annotation"
    names: dict[Label, Name] = {label: named(str(label)) for label in pixels if label is not None}
    return Known(names | {None: Name(rest, ignore=False)}, "the annotations'")


def _merged(names: Mapping[Label, Name], pixels: Mapping[Label, int]) -> tuple[dict[Label, Name], list[str]]:
    """Return the names without such as nobody would tell apart, of which the commonest stands for all."""
    spelt: dict[str, dict[str, int]] = {}
    for label, name in names.items():
        counts = spelt.setdefault(spelling(name.text), {})
        counts[name.text] = counts.get(name.text, 0) + pixels.get(label, 0)
    chosen = {key: " ".join(max(counts, key=counts.__getitem__).split()) for key, counts in spelt.items()}
    questions = [
        f"Are {' and '.join(map(repr, counts))} one class? Default: yes, {chosen[key]}"
        for key, counts in spelt.items()
        if len(counts) > 1
    ]
    return {label: Name(chosen[spelling(name.text)], name.ignore) for label, name in names.items()}, questions


def _borders(rows: Sequence[Row], unknown: Sequence[Label], kind: str) -> str:
    """Ask whether labels without a name are nothing but soft borders; "" if they hardly are."""
    rare = [row.share for row in rows if row.label in unknown and 0 < row.share < _RARE]
    if len(rare) <= 2 * (len(rows) - len(rare)) or sum(rare) >= _BORDERS:
        return ""
    what = "colours" if kind == "colour" else "values"
    return f"{len(rare)} {what} have {sum(rare):.2%} of the pixels together: were the masks drawn with soft borders?"


def _objects(contents: Contents) -> list[str]:
    """Return a question about index masks whose values may number the objects in each."""
    held = [{value for value in each if isinstance(value, int)} - {0, 255} for each in contents.by_mask.values()]
    numbers = {len(values) for values in held if values}
    are_counted = contents.kind == "index" and all(values == set(range(1, len(values) + 1)) for values in held)
    if not are_counted or len(numbers) < 3 or max(numbers) < _OBJECTS:
        return []
    return [
        f"Do the values number objects, not classes? They are 1 to some number in each mask, up to {max(numbers)}. "
        "Default: no, each is a class. If yes: write the masks anew, with one value for all objects of a class"
    ]


def _ignored(
    labels: Sequence[Label], names: Mapping[Label, Name], contents: Contents, known: Known
) -> tuple[set[Label], list[str]]:
    """Return the labels that are ignored, and questions about those that may be."""
    ignored = {label for label in labels if names[label].ignore}
    either = [name for name in dict.fromkeys(names[label].text for label in labels) if may_be_ignored(name)]
    questions = [f"Is {name} to be ignored? Default: no, it is a class" for name in either]
    if contents.kind == "panoptic":
        return ignored | {None}, questions
    if contents.kind == "index":
        is_void, asked = (False, []) if 255 in known.names else _is_void_255(labels, contents, known)
        return ignored | ({255} if is_void else set()), questions + asked
    black = {"colour": 0, "coco": None, "labelme": None, "cvat": None, "yolo": None}[contents.kind]
    if not ignored and black in labels and (contents.kind != "colour" or not known.source):
        what = "black" if contents.kind == "colour" else "what no annotation covers"
        questions.append(f"Is {what} a class, or to be ignored? Default: the class {names[black].text}")
    return ignored, questions


def _is_void_255(labels: Sequence[Label], contents: Contents, known: Known) -> tuple[bool, list[str]]:
    """Return whether a 255 without a name is ignored, with questions where that is not clear.

    It is a class where the values lie as far apart as it lies from them, such as 0, 127 and 255.
    """
    if _is_255_as_1(labels, contents):
        return False, [
            "Are 1 and 255 the same class? Default: yes: some masks hold 0 and 1, others 0 and 255, none both"
        ]
    if labels == [0, 255] and not known.source:
        return False, ["Is value 255 a class? Default: yes, the masks hold 0 and 255 alone"]
    others = sorted(label for label in contents.pixels if isinstance(label, int) and label != 255)
    if 255 not in labels or len(others) < 2:
        return False, []
    gaps, rest = [later - value for value, later in pairwise(others)], 255 - others[-1]
    shown = ", ".join(map(str, others[:6]))
    if rest <= 2 * max(gaps):
        asked = f"Is 255 a class? Default: yes, it is as far from the other values as they from each other: {shown}"
        return False, [asked] if rest > max(gaps) else []
    if min(gaps) >= _FAR:
        return True, [f"Is 255 a class? Default: no, it is ignored; the other values are {shown}"]
    if any(255 in held and held.keys() - {0, 255} for held in contents.by_mask.values()):
        return True, []
    return True, ["Is 255 a class? Default: no, it is ignored, though no mask holds it beside another value than 0"]


def _is_255_as_1(labels: Sequence[Label], contents: Contents) -> bool:
    """Return whether some masks hold 0 and 1, others 0 and 255, and none both: of a bit, or of 8, for one class."""
    return labels == [0, 1, 255] and not any({1, 255} <= held.keys() for held in contents.by_mask.values())


def _colours(labels: Sequence[Label], contents: Contents) -> dict[Label, Colour]:
    if contents.kind == "colour":
        shown = [int(label or 0).to_bytes(3) for label in labels]
        return {label: (rgb[0], rgb[1], rgb[2]) for label, rgb in zip(labels, shown, strict=True)}
    drawn = {label: _spread(i, len(labels)) for i, label in enumerate(labels)}
    return {label: contents.palette.get(label, colour) for label, colour in drawn.items()}


def _spread(i: int, count: int) -> Colour:
    """Return a colour that differs from those of the other labels; the first is nearly black, 255's is white."""
    if i == 0:
        return (32, 32, 32)
    red, green, blue = colorsys.hsv_to_rgb((i * 0.618) % 1, 0.85 if i % 2 else 0.55, 0.95 - 0.4 * (i / max(1, count)))
    return (round(red * 255), round(green * 255), round(blue * 255))
