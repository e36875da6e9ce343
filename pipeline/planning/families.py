"""Which pictures are masks, and which image each belongs to: by the names that data sets give them."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pipeline.data.pairing import Pair
from pipeline.planning import split_words

_OF_MASKS = re.compile(
    r"(?i)mask|label|annot|segm|ground.?truth|(?<![a-z])(gt|seg|lbl|semantics?|instances?|panoptic)(?![a-z])|"
    r"^gt(fine|coarse)|(?-i:_L$)"
)
_END_OF_MASK = re.compile(r"(?i:gt\w*|masks?|label\w*|seg\w*|annot\w*|lbl|trimap)|L")
_START_OF_MASK = re.compile(r"(?i)(mask|label|gt|seg)[_-](?=.)")
_END_OF_IMAGE = re.compile(r"(?i)[_-](leftImg8bit|0000|image|img|rgb|sat|photo)$")
_OF_NNUNET = re.compile(r"(?<=[a-z])(Tr|Ts)$")  # imagesTr, labelsTs: its splits
_OF_IMAGES = re.compile(r"(?i)(jpeg)?(images?|imgs?|rgb|photos?|leftimg8bit|orig(inals?)?|raw|scans?|pictures?)")
_WITH_IMAGES = re.compile(r"(?i)images?|imgs?|photos?|pictures?")
_SECOND_BEST = re.compile(r"(?i)instance|object|colou?r|edge|trainids|panoptic|preview|overlay|coarse|semantics?_rgb")


@dataclass(frozen=True)
class Family:
    """Masks that are named alike, each with its image."""

    pairs: tuple[Pair, ...]
    image_end: str
    """What ends all image names before the suffix, such as _leftImg8bit."""
    mask_start: str
    mask_end: str
    """What ends all mask names before the suffix, such as _mask."""
    left_out: tuple[str, ...] = ()
    """Pictures of the same names as images, which were not taken for them."""


@dataclass(frozen=True)
class _Name:
    start: str
    core: str
    end: str


def find(pictures: Sequence[str], masks: Iterable[str] | None = None) -> list[Family]:
    """Return the families of masks among the pictures, the most likely first.

    Args:
        pictures: paths below the data set's folder.
        masks: those that are masks; None: as their names, or those of their folders, tell.
    """
    chosen = set(masks) if masks is not None else _masks(pictures)
    images = _by_core([path for path in pictures if path not in chosen])
    grouped: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for path in sorted(chosen):
        stem, folders = PurePosixPath(path).stem, PurePosixPath(path).parent.parts
        name = _Name("", stem, "") if stem in images else _split(path)
        words = tuple(
            split_words.without_split(_OF_NNUNET.sub("", each))
            for each in folders
            if masks is None and _OF_MASKS.search(each) and not _glued(each)
        )
        grouped[(*words, name.start, name.end, PurePosixPath(path).suffix.lower())].append(path)
    families = [family for group in grouped.values() if (family := _family(group, images)) is not None]
    return sorted(families, key=lambda each: (is_second_best(each), -len(each.pairs), each.pairs[0].path))


def _masks(pictures: Sequence[str]) -> set[str]:
    """Return the pictures that are masks, by their names or folders; or the PNGs beside JPEGs of the same names.

    Folders that all pictures lie in tell nothing, such as segmentation_dataset. Where no image would remain, names do
    not count, since images may be called field_segment_1; then neither do folders of images, such as labeled_images.
    """
    top = len(PurePosixPath(os.path.commonpath(pictures)).parts) if len(pictures) > 1 else 0
    below = {path: path.split("/", top)[-1] for path in pictures}
    for is_mask in (_is_mask, _is_in_folder_of_masks, _is_in_no_folder_of_images):
        chosen = {path for path, rest in below.items() if is_mask(rest)}
        if len(chosen) < len(pictures):
            return chosen or _lossless_twins(pictures)
    return set(pictures)


def is_named_after_masks(folder: str) -> bool:
    """Return whether a folder's name says that it holds masks."""
    return _OF_MASKS.search(folder) is not None


def _glued(folder: str) -> bool:
    """Return whether a folder's name is a split's and a mask word's in one: trainannot, val_labels."""
    return re.match(r"(?i)(train|val|test)", folder) is not None


def is_second_best(family: Family) -> bool:
    """Return whether masks are named as those that other masks of the same images are made into: colours, instances."""
    return any(_SECOND_BEST.search(str(pair.mask)) for pair in family.pairs[:1])


def _is_mask(path: str) -> bool:
    name = _split(path)
    return bool(name.start or name.end) or _is_in_folder_of_masks(path)


def _is_in_folder_of_masks(path: str) -> bool:
    return any(_OF_MASKS.search(folder) for folder in PurePosixPath(path).parent.parts)


def _is_in_no_folder_of_images(path: str) -> bool:
    folders = PurePosixPath(path).parent.parts
    return any(_OF_MASKS.search(folder) and not _WITH_IMAGES.search(folder) for folder in folders)


def _split(path: str) -> _Name:
    stem = PurePosixPath(path).stem
    for part in re.finditer(r"[_\-. ]([^_\-. ]+)", stem):
        is_last = part.end() == len(stem)
        if part.start() and (_END_OF_MASK.fullmatch(part[1]) or (is_last and part[1].lower() == "lab")):
            return _Name("", stem[: part.start()], stem[part.start() :])
    if (start := _START_OF_MASK.match(stem)) is not None:
        return _Name(start[0], stem[start.end() :], "")
    return _Name("", stem, "")


def _lossless_twins(pictures: Sequence[str]) -> set[str]:
    """Return the PNGs beside a JPEG of the same name, where nothing is named after masks."""
    kinds: dict[str, dict[str, str]] = defaultdict(dict)
    for path in pictures:
        pure = PurePosixPath(path)
        kinds[str(pure.with_suffix(""))][pure.suffix.lower()] = path
    return {each[".png"] for each in kinds.values() if ".png" in each and {".jpg", ".jpeg"} & each.keys()}


def _by_core(images: Sequence[str]) -> Mapping[str, list[tuple[str, str]]]:
    """Return images, each with the end of its name that is left out, by what remains of the name."""
    by_core: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for path in images:
        stem = PurePosixPath(path).stem
        by_core[stem].append((path, ""))
        if (end := _END_OF_IMAGE.search(stem)) is not None:
            by_core[stem[: end.start()]].append((path, end[0]))
    return by_core


def _family(masks: Sequence[str], images: Mapping[str, list[tuple[str, str]]]) -> Family | None:
    found: list[tuple[Pair, str]] = []
    named: set[str] = set()
    for mask in masks:
        candidates = images.get(PurePosixPath(mask).stem) or images.get(_split(mask).core, [])
        if candidates:
            image, end = max(candidates, key=lambda each: (_likeness(each[0], mask), _is_of_images(each[0]), each[0]))
            found.append((Pair(image, mask), end))
            named.update(path for path, _ in candidates)
    if not found:
        return None
    (end, _), *_ = Counter(end for _, end in found).most_common(1)
    name = _split(masks[0])
    whole = any(_split(str(pair.mask)).core != _core_of(str(pair.image), end) for pair, _ in found)
    start, tail = ("", "") if whole else (name.start, name.end)
    left_out = tuple(sorted(named - {str(pair.image) for pair, _ in found}))
    return Family(tuple(pair for pair, own in found if own == end), end, start, tail, left_out)


def _core_of(image: str, end: str) -> str:
    return PurePosixPath(image).stem.removesuffix(end)


def _likeness(image: str, mask: str) -> int:
    """Return how many folders two paths have in common.

    A folder that begins with the other's name counts as one, and so does one that is named after the same split.
    """
    ours, theirs = PurePosixPath(image).parent.parts, PurePosixPath(mask).parent.parts
    return sum(any(their.startswith(our) or _of_same_split(our, their) for their in theirs) for our in ours)


def _is_of_images(path: str) -> bool:
    """Return whether a folder is named as those of images are: images, rgb."""
    return any(_OF_IMAGES.fullmatch(_OF_NNUNET.sub("", folder)) for folder in PurePosixPath(path).parent.parts)


def _of_same_split(ours: str, theirs: str) -> bool:
    words = [match and match[1] for match in map(_OF_NNUNET.search, (ours, theirs))]
    split = split_words.named_by(ours)
    return (words[0] is not None and words[0] == words[1]) or bool(split and split == split_words.named_by(theirs))
