"""Files beside masks that say what their labels are called."""

import csv
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pipeline.planning import json_names
from pipeline.planning.contents import Label
from pipeline.planning.label_names import Name, named
from pipeline.planning.listing import Listing

_Read = tuple[Mapping[Label, str], bool]
"""Names, and whether they stand without values."""
_AROUND = " \t,;:\"'"  # what may separate a name from its colour


@dataclass(frozen=True)
class NamesFile:
    """A file with names."""

    path: str
    names: Mapping[Label, Name]
    is_list: bool = False
    """Whether the names stand without values, in their order."""


def read_all(listing: Listing, kind: str) -> list[NamesFile]:
    """Return the files with names of an index mask's values, or of a colour mask's colours, in order of their paths."""
    return [file for path in listing.others if (file := _read(listing, path, kind)) is not None]


def _read(listing: Listing, path: str, kind: str) -> NamesFile | None:
    """Return what a file says; None: it is none of these, or another file of the same name."""
    for pattern, reader in _READERS.items():
        if re.fullmatch(pattern, PurePosixPath(path).name, re.IGNORECASE):
            try:
                texts, is_list = reader((listing.root / path).read_text("utf-8-sig"), kind)
            except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration, RecursionError):
                continue
            if texts:
                return NamesFile(path, {label: named(text) for label, text in texts.items()}, is_list)
    return None


def _of_nnunet(text: str, kind: str) -> _Read:
    """Read dataset.json, labels by name (nnU-Net 2) or by number (1); labels of regions are not read."""
    labels = json.loads(text)["labels"]
    pairs = [(value, name) if isinstance(name, int) else (name, int(value)) for value, name in labels.items()]
    return ({number: str(name) for name, number in pairs} if kind == "index" else {}), False


def _of_colours(text: str, kind: str) -> _Read:
    """Read lines of three numbers and a name, or a name and three numbers, in any order of CamVid's and its copies."""
    names: dict[Label, str] = {}
    for line in text.splitlines():
        numbers = re.search(r"(\d{1,3})[\s,;]+(\d{1,3})[\s,;]+(\d{1,3})", line)
        if numbers is None:
            continue
        name = (line[: numbers.start()] or line[numbers.end() :]).strip(_AROUND)
        name = name or line[numbers.end() :].strip(_AROUND)
        colour = tuple(map(int, numbers.groups()))
        if name and max(colour) < 256 and not name.startswith("#"):
            names[int.from_bytes(bytes(colour))] = name
    numbered = _numbers_of(list(names.values())) or {}
    texts = list(numbered.values()) or list(names.values())
    return (dict(zip(names, texts, strict=True)) if kind == "colour" else {}), False


def _of_ade20k(text: str, kind: str) -> _Read:
    """Read objectInfo150.txt: the number first, the name last, of which the first synonym is taken."""
    rows = [row for row in csv.reader(text.splitlines(), delimiter="\t" if "\t" in text else ",") if row]
    names: dict[Label, str] = {int(row[0]): row[-1].replace(";", ",").split(",")[0].strip() for row in rows[1:]}
    return ({0: "other objects", **names} if kind == "index" else {}), False


def _of_lines(text: str, kind: str) -> _Read:
    """Read a name on each line, or all on one, parted by commas; numbers before all of them are their values."""
    names = [line.strip() for line in text.splitlines() if line.strip()]
    if len(names) == 1 and "," in names[0]:
        names = [name.strip() for name in names[0].split(",") if name.strip()]
    if kind != "index" or len(names) > 256:
        return {}, False
    numbered = _numbers_of(names)
    return numbered or dict(enumerate(names)), numbered is None


def _of_table(text: str, kind: str) -> _Read:
    """Read lines of three numbers and a name, or of a value and a name, such as Roboflow's, below a line of titles."""
    if kind == "colour":
        return _of_colours(text, kind)
    rows = [line.strip() for line in text.splitlines() if line.strip()]
    return _numbers_of(rows if rows[:1] and rows[0][0].isdigit() else rows[1:]) or {}, False


def _numbers_of(names: Sequence[str]) -> dict[Label, str] | None:
    """Return names by the numbers before them, as in "3: car"; None: not each has one of its own, up to 255."""
    matches = [re.fullmatch(r"(\d{1,3})(?:\s*[:;,.)=-]\s*|\s+)(\D.*)", name) for name in names]
    numbered: dict[Label, str] = {int(match[1]): match[2] for match in matches if match and int(match[1]) < 256}
    return numbered if 0 < len(numbered) == len(names) else None


_READERS: Mapping[str, Callable[[str, str], _Read]] = {
    r"dataset\.json": _of_nnunet,
    r"label_?colou?rs\.txt|class_dict\.csv|labelmap\.txt|.*colou?r_?map\.txt": _of_colours,
    r".*classes.*\.csv": _of_table,
    r"objectinfo150\.(txt|csv)": _of_ade20k,
    r"(classes|labels|names|class_names|codes)\.txt": _of_lines,
    json_names.PATTERN: json_names.read,
}
