"""Files beside masks that say what their labels are called."""

import codecs
import csv
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.files import safe_yaml
from pipeline.files.decoding import suffixes
from pipeline.files.printable import visible
from pipeline.params.class_name import told
from pipeline.planning.contents import Label
from pipeline.planning.listing import Listing
from pipeline.planning.names import name_lines, name_tables, name_trees
from pipeline.planning.names.label_names import Name, named
from pipeline.planning.names.name_tables import Reading, UnclearError

_FAULTS = (OSError, ValueError, LookupError, TypeError, AttributeError, StopIteration, RecursionError)
_LONGEST = 200  # characters of a name
_LARGEST = 1 << 20  # bytes; a larger file, such as COCO's, lists images or objects
_WORDS = r"(class(es)?|labels?|names|codes|categor(y|ies))([_-]?(names?|list|map|ids?))?"


@dataclass(frozen=True)
class NamesFile:
    """Names as one reading of a file has them."""

    path: str
    names: Mapping[Label, Name]
    is_list: bool = False
    """Whether the names stand without values, in their order."""
    by: str = ""
    """What tells the values in it, where it has several that may."""
    others: Mapping[Label, Sequence[str]] = field(default_factory=dict)
    """Further names of a label, of which the first counts."""


def read_all(listing: Listing, kind: str) -> tuple[list[NamesFile], dict[str, str]]:
    """Return the names of an index mask's values, or of a colour mask's colours, in files in order of their paths.

    Files of which half of the names are those of pictures are left out: they are lists of these. The second are files
    of names that could not be read, with the reasons.
    """
    likely = [path for path in listing.others if _LIKELY.search(path) and _is_small(listing.root / path)]
    files, unclear = list[NamesFile](), dict[str, str]()
    for path in likely:
        try:
            files += _read(listing, path, kind)
        except UnclearError as err:
            unclear[path] = str(err)
    stems = {path.rpartition("/")[2].rpartition(".")[0] for path in listing.pictures} if files else set()
    return [file for file in files if not _are_pictures(file, stems)], unclear


def _are_pictures(file: NamesFile, stems: Collection[str]) -> bool:
    texts = [name.text for name in file.names.values()]
    num_stems = sum(text in stems or PurePosixPath(text).suffix.lower() in suffixes() for text in texts)
    return 2 * num_stems >= len(texts)


def _is_small(path: Path) -> bool:
    try:
        return path.stat().st_size <= _LARGEST
    except OSError:
        return False


def _read(listing: Listing, path: str, kind: str) -> list[NamesFile]:
    """Return what a file says; nothing: it is none of these, or another file of the same name.

    Raises:
        UnclearError: it is one of them, and does not say which names the labels have.
    """
    for pattern, reader in _READERS.items():
        if re.fullmatch(pattern, PurePosixPath(path).name, re.IGNORECASE):
            try:
                readings = reader(listing.root / path, kind)
            except UnicodeDecodeError as err:
                raise UnclearError("expected text in UTF-8; save it so") from err
            except UnclearError:
                raise
            except (*_FAULTS, csv.Error):
                continue
            readings = [each for each in readings if each.texts]
            if readings:
                return [_file(path, each, is_only=len(readings) == 1) for each in readings]
    return []


def _file(path: str, found: Reading, *, is_only: bool) -> NamesFile:
    if odd := [text for text in found.texts.values() if not visible(text).strip() or len(text) > _LONGEST]:
        raise UnclearError(f"expected names of up to {_LONGEST} characters that can be seen, got {told(odd[0][:20])}")
    names = {label: named(text) for label, text in found.texts.items()}
    return NamesFile(path, names, found.is_list, "" if is_only else found.by, found.others)


def _lines(path: Path) -> list[str]:
    content = path.read_bytes()
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = content.decode("utf-16" if is_utf16 else "utf-8-sig")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _of_nnunet(path: Path, kind: str) -> list[Reading]:
    """Read dataset.json, labels by name (nnU-Net 2) or by number (1); labels of regions are not read."""
    labels = json.loads(path.read_text("utf-8-sig"))["labels"]
    pairs = [(value, name) if isinstance(name, int) else (name, int(value)) for value, name in labels.items()]
    return [Reading({number: str(name) for name, number in pairs})] if kind == "index" else []


def _of_colours(path: Path, kind: str) -> list[Reading]:
    """Read lines of three numbers and a name, or a name and three numbers."""
    return name_lines.of_colours(_lines(path)) if kind == "colour" else []


def _of_ade20k(path: Path, kind: str) -> list[Reading]:
    """Read objectInfo150.txt: the number first, the name last, of which the first synonym is taken; 0 is no object."""
    lines = _lines(path)
    rows = list(csv.reader(lines, delimiter="\t" if "\t" in lines[0] else ","))
    names: dict[Label, str] = {int(row[0]): row[-1].replace(";", ",").split(",")[0].strip() for row in rows[1:]}
    return [Reading({0: "unlabelled", **names})] if kind == "index" else []


def _of_lines(path: Path, kind: str) -> list[Reading]:
    """Read a name on each line, or all on one, parted by commas; or a list or mapping as programs print it."""
    lines = _lines(path)
    if lines and lines[0][0] in "{[" and lines[-1][-1] in "}]":
        with suppress(ValueError):
            return name_trees.read(safe_yaml.read(path), kind, is_bare=True)
    return name_lines.of_lines(lines) if kind == "index" else name_lines.of_colours(lines)


def _of_table(path: Path, kind: str) -> list[Reading]:
    """Read a table, such as Roboflow's."""
    lines = [line for line in _lines(path) if not re.fullmatch("sep=.", line)]  # which Excel writes
    delimiter = max("\t;,", key=lines[0].count)
    return name_tables.of_rows(list(csv.reader(lines, delimiter=delimiter)), kind)


def _of_label_map(path: Path, kind: str) -> list[Reading]:
    """Read TensorFlow's label map, in protobuf's text format."""
    names: dict[Label, str] = {}
    for item in re.findall(r"item\s*\{(.*?)\}", path.read_text("utf-8-sig"), re.DOTALL):
        found = {key: text.strip("\"'") for key, text in re.findall(_FIELD, item)}
        names[int(found["id"])] = found.get("display_name") or found.get("name", "")
    return [Reading(names)] if kind == "index" and all(names.values()) else []


def _of_tree(path: Path, kind: str) -> list[Reading]:
    """Read JSON or YAML; of a file whose name says nothing of names, what a key such as names or classes holds."""
    is_bare = re.fullmatch(_BARE, path.stem, re.IGNORECASE) is not None
    try:
        tree = _tree(path)
        readings = name_trees.read(tree, kind, is_bare=is_bare)
    except UnclearError:
        if is_bare:
            raise
        return []  # a file of another program's settings
    # YOLO's numbers count its objects, and a classifier's its outputs, whatever the values of masks are.
    are_counted = path.stem.lower() in ("data", "dataset", "id2label")
    return [
        replace(each, is_list=each.is_list or (are_counted and [*each.texts] == [*range(len(each.texts))]))
        for each in readings
    ]


def _tree(path: Path) -> Any:
    if path.suffix.lower() != ".json":
        try:
            return safe_yaml.read(path)
        except ValueError as err:
            raise UnclearError("expected YAML") from err
    try:
        return json.loads(path.read_text("utf-8-sig"))
    except json.JSONDecodeError as err:
        raise UnclearError(f"expected JSON: {err}") from err


_FIELD = r"""\b(id|name|display_name)\s*:\s*("[^"\n]*"|'[^'\n]*'|[^\s,;]+)"""
_BARE = rf"id2label|label2id|palette|ontology|{_WORDS}"
_READERS: Mapping[str, Callable[[Path, str], list[Reading]]] = {
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
