"""What the labels of masks are called: as files beside them say, or as known data sets have it."""

import csv
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pipeline.core.classes import CAMVID
from pipeline.files import safe_yaml
from pipeline.params.class_name import placeholder
from pipeline.planning import json_names
from pipeline.planning.contents import Label
from pipeline.planning.listing import Listing

_AROUND = " \t,;:\"'"  # what may separate a name from its colour
_IGNORED = re.compile(r"(?i)(void|ignored?|un-?labell?ed|unknown|dont.?care|other objects?)\W*")
_REST = re.compile(r"(?i)_?(back.?ground|bg|none|other|rest)_?")
_LIST = r"(classes|labels|names|class_names|codes)\.txt"
_VOC = (
    "background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person "
    "pottedplant sheep sofa train tvmonitor"
)
"""Pascal VOC's classes by value (host.robots.ox.ac.uk/pascal/VOC/voc2012, section 3)."""
_CITYSCAPES = {
    7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole", 19: "traffic light",
    20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky", 24: "person", 25: "rider", 26: "car", 27: "truck",
    28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle",
}  # fmt: skip
"""The 19 classes that Cityscapes evaluates, by labelId (cityscapesScripts, helpers/labels.py); others are ignored."""


@dataclass(frozen=True)
class Name:
    """What a label is called."""

    text: str
    ignore: bool


def known(listing: Listing, kind: str, masks: str) -> tuple[dict[Label, Name], str]:
    """Return the names of labels, and where they are from; nothing, "" if no source is known.

    Args:
        listing: the data set's files.
        kind: index or colour.
        masks: path of one mask.
    """
    for path in listing.others:
        for pattern, reader in _READERS.items():
            if re.fullmatch(pattern, PurePosixPath(path).name, re.IGNORECASE):
                try:
                    names = reader((listing.root / path).read_text("utf-8-sig"), kind)
                except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration, RecursionError):
                    continue  # another file of the same name
                if names:
                    return names, path
    return _of_layout(masks) if kind == "index" else ({}, "")


def counted(
    names: Mapping[Label, Name], source: str, listing: Listing, values: Collection[Label]
) -> tuple[Mapping[Label, Name], tuple[str, ...]]:
    """Return the names of an index mask's values, and a question if they are from a list that counts from 1, or may.

    A list of n names without numbers counts from 0, unless the masks hold 1 to n: there 0, if they hold it, is what
    none of the names is about. Where they hold 0 and 255 alone, 255 is the last of one or two names.

    Args:
        names: as `known` returns them with their source.
        source: likewise.
        listing: the data set's files.
        values: those that masks hold.
    """
    if not re.fullmatch(_LIST, PurePosixPath(source).name, re.IGNORECASE):
        return names, ()
    if _numbers_of(_entries((listing.root / source).read_text("utf-8-sig"))) is not None:
        return names, ()
    background = Name("background", ignore=False)
    first, last = names[0].text, names[len(names) - 1].text
    if set(values) == {0, 255} and (len(names) == 2 or (len(names) == 1 and not _REST.fullmatch(first))):
        asked = f"Is value 255 {last}, the last name in {source}? Default: yes, the masks hold 0 and 255 alone"
        return {0: names[0] if len(names) == 2 else background, 255: names[len(names) - 1]}, (asked,)
    held = {int(value) for value in values if value is not None} - {255}
    if max(held, default=0) < len(names):
        return names, ()
    if max(held) > len(names) or names[0].ignore or _REST.fullmatch(first):
        asked = f"Is value 0 {first}, the first name in {source}? Default: yes; the masks hold values up to {max(held)}"
        return names, (f"{asked}, and its last name is that of {len(names) - 1}",)
    rest: dict[Label, Name] = {0: background} if 0 in held else {}
    asked = f"Is value {len(names)} {last}, the last name in {source}? Default: yes, it counts from 1"
    return {**rest, **{int(value or 0) + 1: name for value, name in names.items()}}, (asked,)


def of_yolo(listing: Listing) -> tuple[dict[Label, Name], str]:
    """Return the names of YOLO's classes by their numbers, as text, from data.yaml or a file of lines, and which it is.

    They are a list or a mapping of numbers, of which those that are no text are left out; nothing, "" if there is no
    such file.
    """
    for path, tree in yaml_mappings(listing):
        names = tree.get("names")
        numbered = dict(enumerate(names)) if isinstance(names, list) else names
        if isinstance(numbered, dict) and all(str(number).isdecimal() for number in numbered):
            texts = {str(int(number)): name for number, name in numbered.items() if isinstance(name, str)}
            return {number: _named(text.strip()) for number, text in texts.items() if text.strip()}, path
    numbered_lines, source = known(listing, "index", "")
    return {str(number): name for number, name in numbered_lines.items()}, source


def are_poses(listing: Listing) -> bool:
    """Return whether a file of YAML says that YOLO's objects are poses, points that are no outline."""
    return any("kpt_shape" in tree for _, tree in yaml_mappings(listing))


def yaml_mappings(listing: Listing) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield the files of YAML that hold a mapping; others are not YOLO's."""
    for path in listing.named(".yaml", ".yml"):
        try:
            tree = safe_yaml.read(listing.root / path)
        except ValueError:
            continue
        if isinstance(tree, dict):
            yield path, tree


def _named(text: str) -> Name:
    return Name(text, is_ignored(text))


def _of_layout(masks: str) -> tuple[dict[Label, Name], str]:
    """Return the names of the data set whose folders or file names a mask's path has."""
    parts = PurePosixPath(masks).parts
    if "SegmentationClass" in parts:
        return _numbered(_VOC.split()), "Pascal VOC's, by the layout"
    if masks.endswith("_gtFine_labelIds.png"):
        ids = (*range(34), 255)
        return {i: Name(_CITYSCAPES.get(i, "ignored"), i not in _CITYSCAPES) for i in ids}, "Cityscapes', by the layout"
    if any(part in ("trainannot", "valannot", "testannot") for part in parts):
        return _numbered([*CAMVID.names, "unlabelled"]), "CamVid's in the SegNet release, by the layout"
    return {}, ""


def is_ignored(name: str) -> bool:
    """Return whether a name is one that data sets give to pixels that do not count."""
    return _IGNORED.fullmatch(name) is not None


def _numbered(names: list[str]) -> dict[Label, Name]:
    return {i: Name(name, is_ignored(name)) for i, name in enumerate(names)}


def _of_nnunet(text: str, kind: str) -> dict[Label, Name]:
    """Read dataset.json, labels by name (nnU-Net 2) or by number (1); labels of regions are not read."""
    labels = json.loads(text)["labels"]
    pairs = [(value, name) if isinstance(name, int) else (name, int(value)) for value, name in labels.items()]
    return {number: Name(str(name), is_ignored(str(name))) for name, number in pairs} if kind == "index" else {}


def _of_colours(text: str, kind: str) -> dict[Label, Name]:
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
    named = {colour: Name(name, is_ignored(name)) for colour, name in zip(names, texts, strict=True)}
    return named if kind == "colour" else {}


def _of_json(text: str, kind: str) -> dict[Label, Name]:
    return {label: _named(name) for label, name in json_names.read(text, kind).items()}


def _of_ade20k(text: str, kind: str) -> dict[Label, Name]:
    """Read objectInfo150.txt: the number first, the name last, of which the first synonym is taken."""
    rows = [row for row in csv.reader(text.splitlines(), delimiter="\t" if "\t" in text else ",") if row]
    numbered = {int(row[0]): row[-1].replace(";", ",").split(",")[0].strip() for row in rows[1:]}
    return {0: Name("other objects", ignore=True), **{i: Name(name, ignore=False) for i, name in numbered.items()}}


def _of_lines(text: str, kind: str) -> dict[Label, Name]:
    """Read a name on each line, or all on one, parted by commas; numbers before all of them are their values."""
    names = _entries(text)
    if kind != "index" or len(names) > 256:
        return {}
    numbered = _numbers_of(names) or dict(enumerate(names))
    return {value: Name(name, is_ignored(name)) for value, name in numbered.items()}


def _entries(text: str) -> list[str]:
    names = [line.strip() for line in text.splitlines() if line.strip()]
    if len(names) == 1 and "," in names[0]:
        return [name.strip() for name in names[0].split(",") if name.strip()]
    return names


def _of_table(text: str, kind: str) -> dict[Label, Name]:
    """Read lines of three numbers and a name, or of a value and a name, such as Roboflow's, below a line of titles."""
    if kind == "colour":
        return _of_colours(text, kind)
    rows = [line.strip() for line in text.splitlines() if line.strip()]
    numbered = _numbers_of(rows if rows[:1] and rows[0][0].isdigit() else rows[1:]) or {}
    return {value: Name(name, is_ignored(name)) for value, name in numbered.items()}


def _numbers_of(names: Sequence[str]) -> dict[int, str] | None:
    """Return names by the numbers before them, as in "3: car"; None: not each has one of its own, up to 255."""
    matches = [re.fullmatch(r"(\d{1,3})(?:\s*[:;,.)=-]\s*|\s+)(\D.*)", name) for name in names]
    numbered = {int(match[1]): match[2] for match in matches if match is not None}
    return numbered if len(numbered) == len(names) and max(numbered, default=256) < 256 else None


_READERS: Mapping[str, Callable[[str, str], dict[Label, Name]]] = {
    r"dataset\.json": _of_nnunet,
    r"label_?colou?rs\.txt|class_dict\.csv|labelmap\.txt|.*colou?r_?map\.txt": _of_colours,
    r".*classes.*\.csv": _of_table,
    r"objectinfo150\.(txt|csv)": _of_ade20k,
    _LIST: _of_lines,
    json_names.PATTERN: _of_json,
}


def placeholders(labels: Iterable[Label], kind: str) -> dict[Label, Name]:
    """Return names to fill in: class_3, or colour_ff0080."""
    kind = "index" if kind == "yolo" else kind
    return {label: Name(placeholder(int(label), kind), ignore=False) for label in labels if label is not None}
