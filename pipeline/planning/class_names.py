"""What the labels of masks are called: as files beside them say, or as known data sets have it."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from pipeline.files import safe_yaml
from pipeline.params.class_name import spelling
from pipeline.planning import names_files, well_known
from pipeline.planning.contents import Contents, Label
from pipeline.planning.label_names import Name, is_ignored, is_rest, named
from pipeline.planning.listing import Listing
from pipeline.planning.names_files import NamesFile

_FEW = 5  # files of a folder of names, with a licence and such
_CORRECT = "Default: yes; if no, correct the names in dataset.classes"


@dataclass(frozen=True)
class Known:
    """Names of labels."""

    names: Mapping[Label, Name]
    source: str = ""
    """Where they are from; "" if no source is known."""
    questions: tuple[str, ...] = ()
    """What could not be decided about them."""


def of_pixels(contents: Contents, listing: Listing, mask: str) -> Known:
    """Return the names of an index mask's values, or of a colour mask's colours.

    A file of names counts for more than the layout. Of several files, the one counts that names most of the labels that
    masks hold; of those, the one that says so without a doubt, and then the one nearest to the masks.

    Args:
        contents: what masks hold.
        listing: the data set's files.
        mask: path of one mask.
    """
    held = contents.pixels.keys()
    known = _of_palette(contents, listing) if contents.palette else []
    if not known:
        files = names_files.read_all(listing, contents.kind)
        known = [_of_values(file, held) if contents.kind == "index" else Known(file.names, file.path) for file in files]
    known = [each for each in known if each.names.keys() & held]
    if known:
        return _chosen(known, contents, listing, mask)
    if contents.kind == "colour":
        return Known({})
    names, source, is_sure = well_known.of_layout(mask)
    asked = f"Are the classes {source}? {_CORRECT}"
    return Known(names, source, () if (is_sure and _are_many(names, held)) or not names else (asked,))


def of_yolo(listing: Listing, contents: Contents, labels: str) -> Known:
    """Return the names of YOLO's classes by their numbers, as text, from data.yaml or a file of lines, and which it is.

    They are a list or a mapping of numbers, of which those that are no text are left out.

    Args:
        listing: the data set's files.
        contents: what files of labels hold.
        labels: path of one of them.
    """
    known = []
    for path, tree in yaml_mappings(listing):
        names = tree.get("names")
        numbered = dict(enumerate(names)) if isinstance(names, list) else names
        if isinstance(numbered, dict) and all(str(number).isdecimal() for number in numbered):
            texts = {str(int(number)): name.strip() for number, name in numbered.items() if isinstance(name, str)}
            known.append(Known({number: named(text) for number, text in texts.items() if text}, path))
    if not any(each.names for each in known):
        files = names_files.read_all(listing, "index")
        known = [Known({str(value): name for value, name in file.names.items()}, file.path) for file in files]
    known = [each for each in known if each.names]
    return _chosen(known, contents, listing, labels) if known else Known({})


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


def _chosen(known: Sequence[Known], contents: Contents, listing: Listing, mask: str) -> Known:
    """Return the names that count, with questions where other files say others, or these may be of other masks."""
    held = contents.pixels.keys() - {None, 255}

    def order(each: Known) -> tuple[int, int, int, str]:
        return len(held - each.names.keys()), len(each.questions), _distance(each.source, mask), each.source

    best = min(known, key=order)
    questions = list(best.questions)
    others = [each.source for each in known if _differ(each.names, best.names, held)]
    if others:
        questions.append(
            f"Are the classes those in {best.source} or in {', '.join(others[:3])}? Default: those in {best.source}"
        )
    if not _is_beside(listing, best.source, [mask, *contents.by_mask]):
        questions.append(f"Are the classes those in {best.source}, which lies with other images or labels? {_CORRECT}")
    elif contents.kind != "yolo" and not _are_many(best.names, held):
        questions.append(f"Are the classes those in {best.source}, which names more than twice as many? {_CORRECT}")
    return Known(best.names, best.source, tuple(questions))


def _differ(names: Mapping[Label, Name], others: Mapping[Label, Name], held: Collection[Label]) -> bool:
    both = names.keys() & others.keys() & set(held)
    return any(spelling(names[label].text) != spelling(others[label].text) for label in both)


def _distance(path: str, mask: str) -> int:
    """Return how many folders lead from one file to another."""
    return len(PurePath(os.path.relpath(PurePath(path).parent, PurePath(mask).parent)).parts)


def _is_beside(listing: Listing, path: str, used: Sequence[str]) -> bool:
    """Return whether a file's folder has images or masks that are used, or no pictures and hardly another file."""
    folder = path[: path.rfind("/") + 1]

    def num_within(paths: Sequence[str]) -> int:
        return sum(each.startswith(folder) for each in paths)

    return num_within(used) > 0 or (not num_within(listing.pictures) and num_within(listing.others) <= _FEW)


def _are_many(names: Mapping[Label, Name], held: Collection[Label]) -> bool:
    """Return whether masks hold at least half of the labels that are named and not ignored."""
    counted = {label for label, name in names.items() if not name.ignore}
    return len(counted.intersection(held)) >= len(counted) / 2


def _of_palette(contents: Contents, listing: Listing) -> list[Known]:
    """Return the names of values by files with the colours that the masks' palette gives to all of them."""
    shown = {value: contents.palette.get(value) for value in contents.pixels if value != 255}
    colours = {value: int.from_bytes(bytes(colour)) for value, colour in shown.items() if colour is not None}
    return [
        Known({value: file.names[colour] for value, colour in colours.items()}, file.path)
        for file in names_files.read_all(listing, "colour")
        if colours.keys() == shown.keys() and file.names.keys() >= set(colours.values())
    ]


def _of_values(file: NamesFile, values: Collection[Label]) -> Known:
    """Return the names of an index mask's values, with a question where 0 may be none that is ignored.

    COCO-Stuff's file says 0 is unlabeled and 1 a person, but its masks have 255 and 0.
    """
    known = _counted(file, values)
    first = known.names.get(0)
    if known.questions or first is None or not first.ignore or 255 in known.names or not {0, 255} <= set(values):
        return known
    asked = (
        f"Is value 0 {first.text}, as {file.path} has it? Default: yes; but the masks hold 255 too, as where that is "
        f"{first.text}, and each other value is one less than in the file"
    )
    return Known(known.names, known.source, (asked,))


def _counted(file: NamesFile, values: Collection[Label]) -> Known:
    """Return the names of an index mask's values, with a question where a list without values may count otherwise.

    A list of n names counts from 0, unless the masks hold 1 to n: there 0, if they hold it, is what none of the names
    is about. LabelMe's counts from -1, which its masks have as 255. Where there are as many values as names, but others
    than 0 to n - 1, they are taken in their order.
    """
    texts, held = list(file.names.values()), sorted(int(value) for value in values if value is not None)
    if not file.is_list:
        return Known(file.names, file.path)
    most, below = len(texts) - 1, [value for value in held if value != 255]
    first, last = texts[0].text, texts[-1].text
    is_of_labelme = first == "__ignore__" and max(below, default=0) < most
    if is_of_labelme or (is_ignored(first) and held == [*range(most), 255]):
        asked = f"Is value 255 {first}, the first name in {file.path}, and 0 {texts[1].text}? Default: yes"
        return Known({255: texts[0], **dict(enumerate(texts[1:]))}, file.path, () if is_of_labelme else (asked,))
    if max(below, default=0) <= most and held != [0, 255]:
        return _with_255(file, held)
    if max(below) == most + 1 and not is_ignored(first) and not is_rest(first):
        rest: dict[Label, Name] = {0: Name("background", ignore=False)} if 0 in held else {}
        asked = f"Is value {len(texts)} {last}, the last name in {file.path}? Default: yes, it counts from 1"
        return Known({**rest, **dict(enumerate(texts, 1))}, file.path, (asked,))
    return _in_order(file, held)


def _with_255(file: NamesFile, held: Sequence[int]) -> Known:
    """Return a list's names of the values from 0 on, and its last name's of 255 where that is void."""
    texts, last = dict(file.names), len(file.names) - 1
    if held != [*range(last), 255]:
        return Known(texts, file.path)
    if texts[last].ignore:
        return Known({255: texts.pop(last), **texts}, file.path)
    asked = f"Is value 255 {texts[last].text}, the last name in {file.path}? Default: no, it is ignored"
    return Known(texts, file.path, (asked,))


def _in_order(file: NamesFile, held: Sequence[int]) -> Known:
    """Return a list's names of values that are others than 0 to n - 1."""
    texts, background = list(file.names.values()), Name("background", ignore=False)
    first, last, is_of_rest = texts[0].text, texts[-1].text, texts[0].ignore or is_rest(texts[0].text)
    if held == [0, 255] and (len(texts) == 2 or (len(texts) == 1 and not is_of_rest)):
        asked = f"Is value 255 {last}, the last name in {file.path}? Default: yes, the masks hold 0 and 255 alone"
        return Known({0: texts[0] if len(texts) == 2 else background, 255: texts[-1]}, file.path, (asked,))
    below, above = [value for value in held if value != 255], [value for value in held if value or is_of_rest]
    for values in (held, below, above):
        if len(values) == len(texts) > 1 and values[-1] - values[0] >= len(values):
            rest: dict[Label, Name] = {} if values[0] == held[0] else {held[0]: background}
            shown = ", ".join(map(str, values[:10]))
            asked = f"Are the names in {file.path} those of the values {shown} in this order? Default: yes"
            return Known({**rest, **dict(zip(values, texts, strict=True))}, file.path, (asked,))
    if held == [0, 255]:
        return Known(file.names, file.path)
    asked = f"Is value 0 {first}, the first name in {file.path}? Default: yes; the masks hold values up to {below[-1]}"
    return Known(file.names, file.path, (f"{asked}, and its last name is that of {len(texts) - 1}",))
