"""Files beside masks that say what their labels are called."""

import csv
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.files import safe_yaml
from pipeline.files.decoding import suffixes
from pipeline.planning import name_trees
from pipeline.planning.contents import Label
from pipeline.planning.label_names import Name, named
from pipeline.planning.listing import Listing

_Read = tuple[Mapping[Label, str], bool]
"""Names, and whether they stand without values."""
_AROUND = " \t,;:\"'"  # what may separate a name from its colour
_COLOUR = re.compile(r"(\d{1,3})[\s,;]+(\d{1,3})[\s,;]+(\d{1,3})")
_TITLES = r"(class|label|category)?[ _]?(name|title|class|label|category)"
_WORDS = r"(class(es)?|labels?|names|codes|categor(y|ies))([_-]?(names?|list|map|ids?))?"


@dataclass(frozen=True)
class NamesFile:
    """A file with names."""

    path: str
    names: Mapping[Label, Name]
    is_list: bool = False
    """Whether the names stand without values, in their order."""


def read_all(listing: Listing, kind: str) -> list[NamesFile]:
    """Return the files with names of an index mask's values, or of a colour mask's colours, in order of their paths.

    Files of which half of the names are those of pictures are left out: they are lists of these.
    """
    likely = [path for path in listing.others if _LIKELY.search(path)]
    files = [file for path in likely if (file := _read(listing, path, kind)) is not None]
    stems = {path.rpartition("/")[2].rpartition(".")[0] for path in listing.pictures} if files else set()
    return [file for file in files if 2 * sum(name.text in stems for name in file.names.values()) < len(file.names)]


def _read(listing: Listing, path: str, kind: str) -> NamesFile | None:
    """Return what a file says; None: it is none of these, or another file of the same name."""
    for pattern, reader in _READERS.items():
        if re.fullmatch(pattern, PurePosixPath(path).name, re.IGNORECASE):
            try:
                texts, is_list = reader(listing.root / path, kind)
            except (OSError, ValueError, LookupError, TypeError, AttributeError, StopIteration, RecursionError):
                continue
            if texts:
                return NamesFile(path, {label: named(text) for label, text in texts.items()}, is_list)
    return None


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text("utf-8-sig").splitlines() if line.strip()]


def _of_nnunet(path: Path, kind: str) -> _Read:
    """Read dataset.json, labels by name (nnU-Net 2) or by number (1); labels of regions are not read."""
    labels = json.loads(path.read_text("utf-8-sig"))["labels"]
    pairs = [(value, name) if isinstance(name, int) else (name, int(value)) for value, name in labels.items()]
    return ({number: str(name) for name, number in pairs} if kind == "index" else {}), False


def _of_colours(path: Path, kind: str) -> _Read:
    """Read lines of three numbers and a name, or a name and three numbers, in any order of CamVid's and its copies."""
    names: dict[Label, str] = {}
    for line in _lines(path):
        numbers = _COLOUR.search(line)
        if numbers is None:
            continue
        name = line[: numbers.start()].strip(_AROUND) or line[numbers.end() :].strip(_AROUND)
        colour = tuple(map(int, numbers.groups()))
        if name and max(colour) < 256 and not name.startswith("#"):
            names[int.from_bytes(bytes(colour))] = name
    numbered = _numbers_of(list(names.values())) or {}
    texts = list(numbered.values()) or list(names.values())
    return (dict(zip(names, texts, strict=True)) if kind == "colour" else {}), False


def _of_ade20k(path: Path, kind: str) -> _Read:
    """Read objectInfo150.txt: the number first, the name last, of which the first synonym is taken."""
    lines = _lines(path)
    rows = list(csv.reader(lines, delimiter="\t" if "\t" in lines[0] else ","))
    names: dict[Label, str] = {int(row[0]): row[-1].replace(";", ",").split(",")[0].strip() for row in rows[1:]}
    return ({0: "other objects", **names} if kind == "index" else {}), False


def _of_lines(path: Path, kind: str) -> _Read:
    """Read a name on each line, or all on one, parted by commas; numbers before all of them are their values."""
    names = _lines(path)
    if len(names) == 1 and "," in names[0]:
        names = [name.strip() for name in names[0].split(",") if name.strip()]
    are_others = any(PurePosixPath(name).suffix.lower() in suffixes() or _COLOUR.search(name) for name in names)
    if kind != "index" or len(names) > 256 or are_others:
        return {}, False
    numbered = _numbers_of(names)
    return numbered or dict(enumerate(names)), numbered is None


def _of_table(path: Path, kind: str) -> _Read:
    """Read a table, such as Roboflow's: a value, a name and a colour in each row, of which one may be missing.

    A first row of titles is left out. Names without values stand in their order.
    """
    if kind == "colour":
        return _of_colours(path, kind)
    lines = _lines(path)
    delimiter = max("\t;,", key=lines[0].count)
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter)]
    names = [([int(cell) for cell in row if cell.isdecimal()], _first_text(row)) for row in rows]
    if not names[0][0] and (names[-1][0] or re.fullmatch(_TITLES, names[0][1], re.IGNORECASE)):
        names = names[1:]
    if {len(numbers) for numbers, _ in names} <= {0, 3}:
        return dict(enumerate(name for _, name in names)), True
    numbered: dict[Label, str] = {numbers[0]: name for numbers, name in names}
    are_own = len(numbered) == len(names) and max(numbers[0] for numbers, _ in names) < 256
    return numbered if are_own and all(numbered.values()) else {}, False


def _first_text(row: Sequence[str]) -> str:
    return next((cell for cell in row if cell and not cell.isdecimal()), "")


def _of_label_map(path: Path, kind: str) -> _Read:
    """Read TensorFlow's label map, in protobuf's text format."""
    names: dict[Label, str] = {}
    for item in re.findall(r"item\s*\{(.*?)\}", path.read_text("utf-8-sig"), re.DOTALL):
        found: dict[str, str] = dict(
            re.findall(r"(id|name|display_name)\s*:\s*[\"']?(.*?)[\"']?\s*$", item, re.MULTILINE)
        )
        names[int(found["id"])] = found.get("display_name") or found.get("name", "")
    return (names if kind == "index" and all(names.values()) else {}), False


def _of_tree(path: Path, kind: str) -> _Read:
    """Read JSON or YAML; of a file whose name says nothing of names, what a key such as names or classes holds."""
    is_json = path.suffix.lower() == ".json"
    tree = json.loads(path.read_text("utf-8-sig")) if is_json else safe_yaml.read(path)
    return name_trees.read(tree, kind, is_bare=re.fullmatch(_BARE, path.stem, re.IGNORECASE) is not None)


def _numbers_of(names: Sequence[str]) -> dict[Label, str] | None:
    """Return names by the numbers before them, as in "3: car"; None: not each has one of its own, up to 255."""
    matches = [re.fullmatch(r"(\d{1,3})(?:\s*[:;,.)=-]\s*|\s+)(\D.*)", name) for name in names]
    numbered: dict[Label, str] = {int(match[1]): match[2] for match in matches if match and int(match[1]) < 256}
    return numbered if 0 < len(numbered) == len(names) else None


_BARE = rf"id2label|label2id|palette|ontology|{_WORDS}"
_READERS: Mapping[str, Callable[[Path, str], _Read]] = {
    r"dataset\.json": _of_nnunet,
    r"label_?colou?rs\.txt|labelmap\.txt|.*colou?r_?map\.txt": _of_colours,
    rf".*class.*\.(csv|tsv)|({_WORDS}|palette)\.(csv|tsv)": _of_table,
    r"objectinfo150\.(txt|csv)": _of_ade20k,
    rf"{_WORDS}\.txt|.*\.names": _of_lines,
    r".*\.pbtxt": _of_label_map,
    rf"({_BARE}|data|dataset|meta|config(_v[\d.]+)?)\.(json|ya?ml)": _of_tree,
}
_LIKELY = re.compile(rf"(?i)(^|/)({'|'.join(_READERS)})$")
"""Paths of such files: of a million others, each reader need not be asked about."""
