"""What the labels of masks are called: as files beside them say, or as known data sets have it."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from pipeline.files import safe_yaml
from pipeline.params.class_name import spelling
from pipeline.planning.contents import Contents, Label
from pipeline.planning.listing import Listing
from pipeline.planning.names import name_order, names_files, well_known
from pipeline.planning.names.label_names import Name, is_rest, named
from pipeline.planning.names.names_files import NamesFile

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
    by: str = ""
    """What tells the labels in the source, if it has several that may."""
    is_plain: bool = False
    """Whether it says what the labels are by itself: the masks' own colours, or the file that YOLO reads."""
    is_list: bool = False
    """Whether its names stand without values."""
    is_layout: bool = False
    """Whether the source is no file, but how folders and files are named."""

    @property
    def said(self) -> str:
        """Return the source in a sentence, and by what it tells the labels."""
        if self.is_layout:
            return self.source
        return f"those in {self.source} by {self.by}" if self.by else f"those in {self.source}"


def of_pixels(contents: Contents, listing: Listing, mask: str) -> Known:
    """Return the names of an index mask's values, or of a colour mask's colours.

    A file of names counts for more than the layout, unless it lacks labels that a sure layout has. Of several files,
    the one counts that names most of the labels that masks hold; of those, the one that says so without a doubt, then
    one with values rather than an order, and then the one nearest to the masks.

    Args:
        contents: what masks hold.
        listing: the data set's files.
        mask: path of one mask.
    """
    held = contents.pixels.keys() - {255}
    files, unclear = names_files.read_all(listing, contents.kind)
    known = _of_palette(contents, listing) if contents.palette else []
    known += [_of_file(file, contents) for file in files]
    known = [each for each in known if each.names.keys() & contents.pixels.keys()]
    layout, is_sure = _of_layout(contents, mask)
    if is_sure and all(held - each.names.keys() for each in known):
        known.append(layout)
    chosen = _chosen(known, contents, listing, mask) if known else layout
    if unclear and held - chosen.names.keys():
        path, why = min(unclear.items(), key=lambda each: _distance(each[0], mask))
        asked = (
            f"Are the classes those in {path}, which could not be read: {why}? Default: no; if yes, correct that file"
        )
        return replace(chosen, questions=(*chosen.questions, f"{asked}, and run segnet init again"))
    return chosen


def _of_layout(contents: Contents, mask: str) -> tuple[Known, bool]:
    """Return the names of a known data set with such folders, and whether its files have these names too."""
    names, source, is_sure = well_known.of_layout(mask) if contents.kind == "index" else ({}, "", False)
    held = contents.pixels.keys()
    others = sorted(value for value in held - names.keys() - {255} if isinstance(value, int))
    if names and others:
        return Known({}, questions=(f"Are the classes {source}? Default: no, they have no value {others[0]}",)), False
    is_sure = is_sure and _are_many(names, held)
    asked = () if is_sure or not names else (f"Are the classes {source}? {_CORRECT}",)
    return Known(names, source, asked, is_layout=bool(names)), is_sure


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
            found: dict[Label, Name] = {number: named(text) for number, text in texts.items() if text}
            known.append(Known(found, path, is_plain=True))
    files, _ = names_files.read_all(listing, "index")
    known += [Known({str(value): name for value, name in file.names.items()}, file.path) for file in files]
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

    def order(each: Known) -> tuple[int, bool, int, bool, int, str, int]:
        unnamed = len(held - each.names.keys())
        unheld = len(_counted(each.names) - held)
        near = _distance(each.source, mask)
        return unnamed, not each.is_plain, len(each.questions), each.is_list, near, each.source, unheld

    best = min(known, key=order)
    questions = list(best.questions)
    beside = [each for each in known if not (best.is_plain and each.source == best.source)]
    others = [each.said for each in beside if _differ(each.names, best.names, held)]
    if others:
        questions.append(f"Are the classes {best.said} or {', '.join(others[:3])}? Default: {best.said}")
    if not best.is_layout and not _is_beside(listing, best.source, [mask, *contents.by_mask]):
        questions.append(f"Are the classes those in {best.source}, which lies with other images or labels? {_CORRECT}")
    elif contents.kind != "yolo" and not best.questions and not _are_many(best.names, held):
        questions.append(f"Are the classes those in {best.source}, which names more than twice as many? {_CORRECT}")
    return replace(best, questions=tuple(questions))


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
    return len(_counted(names).intersection(held)) >= len(_counted(names)) / 2


def _counted(names: Mapping[Label, Name]) -> set[Label]:
    return {label for label, name in names.items() if not name.ignore}


def _of_palette(contents: Contents, listing: Listing) -> list[Known]:
    """Return the names of values by files with the colours that the masks' palette gives to all of them.

    Palettes are filled up with white or black: the colour of 255 says something where no other value has it.
    """
    colours = {value: int.from_bytes(bytes(colour)) for value, colour in contents.palette.items()}
    others = {value for value in contents.pixels if value != 255}
    known = []
    for file in names_files.read_all(listing, "colour")[0]:
        names = {value: file.names[colour] for value, colour in colours.items() if colour in file.names}
        asked = tuple(
            _of_two(file, colours[value], f"the colour of value {value}")
            for value in sorted(others & names.keys(), key=str)
            if colours[value] in file.others
        )
        if 255 in names and (colours[255] in {colours[value] for value in others & names.keys()}):
            del names[255]
        if others <= names.keys():
            known.append(Known(names, file.path, asked, "the masks' palette", is_plain=True))
    return known


def _of_file(file: NamesFile, contents: Contents) -> Known:
    """Return the names of values or colours by a file, with questions where a label has two."""
    is_index = contents.kind == "index"
    names, asked = _of_values(file, contents.pixels.keys()) if is_index else (file.names, ())
    if is_index and 255 in file.others:  # as Cityscapes' trainId
        names = {**names, 255: Name("ignored", ignore=True)}
    twice = [label for label in file.others if label in contents.pixels and not (is_index and label == 255)]
    what = {label: f"value {label}" if is_index else f"colour {label:06x}" for label in twice}
    asked += tuple(_of_two(file, label, what[label]) for label in twice)
    return Known(names, file.path, asked, file.by, is_list=file.is_list)


def _of_two(file: NamesFile, label: Label, what: str) -> str:
    """Return the question which of a label's names counts."""
    name, others = file.names[label].text, ", ".join(file.others[label][:3])
    return f"Is {what} {name} or {others}, as {file.path} has both? Default: {name}"


def _of_values(file: NamesFile, values: Collection[Label]) -> name_order.Numbered:
    """Return the names of an index mask's values, with a question where 0 may be another than the file says.

    COCO-Stuff's file says 0 is unlabeled and 1 a person, but its masks have 255 and 0.
    """
    names, questions = name_order.numbered(file, values)
    first, shifted = names.get(0), _shifted(names, values)
    if shifted and not questions:
        value, why = shifted
        return names, (f"Is value {value} {names[value].text}, as {file.path} has it? Default: yes; but {why}",)
    if questions or first is None or not first.ignore or 255 in names or not {0, 255} <= set(values):
        return names, questions
    asked = (
        f"Is value 0 {first.text}, as {file.path} has it? Default: yes; but the masks hold 255 too, as where that is "
        f"{first.text}, and each other value is one less than in the file"
    )
    return names, (asked,)


def _shifted(names: Mapping[Label, Name], values: Collection[Label]) -> tuple[int, str] | None:
    """Return the first value, and why all names may be those of values one off; None: they hardly are."""
    own = sorted(value for value in names if isinstance(value, int) and value != 255)
    held = [value for value in values if isinstance(value, int) and value != 255]
    if not own or own != [*range(own[0], own[0] + len(own))] or own[0] > 1 or not held:
        return None
    if own[0] == 1 and 0 in held and own[-1] not in held:
        return 1, f"the masks hold 0 and no {own[-1]}"
    if own[0] == 0 and max(held) == own[-1] + 1 and not names[0].ignore and not is_rest(names[0].text):
        return 0, f"the masks hold {max(held)}, which has no name"
    return None
