"""Which pictures are masks, and which image each belongs to: by the names that data sets give them."""

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pipeline.data.pairing import Pair
from pipeline.planning.masks import likeliest, mask_words
from pipeline.planning.masks.likeliest import OF_NNUNET, Affix, Candidate
from pipeline.planning.masks.mask_words import RARER, USUAL, Words, folders_of_masks
from pipeline.planning.splits import split_words

_START_OF_MASK = re.compile(r"(?i)(mask|label|gt|seg)([_-](?=.)|(?=\d))")
_START_OF_IMAGE = re.compile(r"(?i)(image|img|photo|picture|rgb|sat)([_-](?=.)|(?=\d))")
_MASK = re.compile(r"(?i)masks?|labels?|gt|seg|segmentations?|annotations?|ground.?truth|lbl|trimap")
_IMAGE = re.compile(r"(?i)images?|imgs?|photo|picture|rgb|sat|raw|orig(inal)?|input|scan")
_SECOND_BEST = re.compile(r"(?i)instance|object|colou?r|edge|trainids|panoptic|preview|overlay|coarse|semantics?_rgb")


@dataclass(frozen=True)
class Family:
    """Masks that are named alike, each with its image."""

    pairs: tuple[Pair, ...]
    image_start: str = ""
    """What begins all image names, such as image_."""
    image_end: str = ""
    """What ends all image names before the suffix, such as _leftImg8bit."""
    mask_start: str = ""
    mask_end: str = ""
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
    if masks is None:
        return _told(pictures, USUAL) or _told(pictures, RARER)
    given = dict.fromkeys(sorted(masks), ())
    return _families(pictures, given, USUAL) or _families(pictures, given, RARER)


def by_rarer_words(pictures: Sequence[str], families: Iterable[Family]) -> list[Family]:
    """Return further families, whose masks are told by words that often mean something else, the most likely first.

    Args:
        pictures: paths below the data set's folder.
        families: the families that `find` has found among them.
    """
    masks = {pair.mask for family in families for pair in family.pairs}
    images = {pair.image for family in families for pair in family.pairs}
    others = [path for path in pictures if path not in masks]
    told = (path for path in others if path not in images and _is_mask(path, RARER) and not _is_mask(path, USUAL))
    return _families(others, {path: _words(path, RARER) for path in told}, RARER)


def _told(pictures: Sequence[str], by: Words) -> list[Family]:
    return _families(pictures, {path: _words(path, by) for path in sorted(_masks(pictures, by))}, by)


def _families(pictures: Sequence[str], kinds: Mapping[str, tuple[str, ...]], by: Words) -> list[Family]:
    """Return the families of the masks, each with what tells its kind."""
    others = [path for path in pictures if path not in kinds]
    images, places = _by_core(others, by), _places(others)
    grouped: dict[tuple[str, ...], list[str]] = defaultdict(list)
    names = _names(kinds, images, by)
    for path, words in kinds.items():
        named = [(word, *mask_words.place_and_kind(word)) for word in words]
        told = [" ".join(kind) if place in places else word for word, place, kind in named]  # gt of gt_north
        grouped[(*told, names[path].start, names[path].end, PurePosixPath(path).suffix.lower())].append(path)
    families = [family for group in grouped.values() if (family := _family(group, images, names)) is not None]
    return sorted(families, key=lambda each: (is_second_best(each), -len(each.pairs), each.pairs[0].path))


def _words(path: str, by: Words) -> tuple[str, ...]:
    """Return what the folders of a mask say of its kind."""
    told = [folder for folder in folders_of_masks(path, by) if not _glued(folder)]
    return tuple(split_words.without_split(OF_NNUNET.sub("", folder)) for folder in told)


def _places(images: Iterable[str]) -> set[tuple[str, ...]]:
    """Return the places, cameras or days that folders of images are named after."""
    folders = {folder for path in images for folder in PurePosixPath(path).parent.parts}
    return {place for place, _ in map(mask_words.place_and_kind, folders) if place}


def _names(kinds: Mapping[str, tuple[str, ...]], images: Mapping[str, object], by: Words) -> dict[str, _Name]:
    """Return the name of each mask; where it is no image's by the usual words, by what all such of its kind end with.

    Such are fast.ai's CamVid, labels/a_P.png for images/a.png, and ApolloScape's a_bin.png for a.jpg.
    """
    names: dict[str, _Name] = {}
    others: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for path, words in kinds.items():
        stem = _stem(path)
        names[path] = _Name("", stem, "") if stem in images else _split(path, by)
        if names[path].core not in images:
            others[words].append(path)
    for paths in others.values():
        stems = [_stem(path) for path in paths]
        end = _common_end(stems, images)
        names |= {path: _Name("", stem.removesuffix(end), end) for path, stem in zip(paths, stems, strict=True) if end}
    return names


def _common_end(stems: Sequence[str], images: Mapping[str, object]) -> str:
    """Return the shortest end of all names, from a separator on, without which each is an image's; "" if none is."""
    common = os.path.commonprefix([stem[::-1] for stem in stems])[::-1]  # noqa: RUF071  # of characters, as wanted
    ends = [common[at.start() :] for at in re.finditer(r"[_\-. ]", common)]
    return next((end for end in reversed(ends) if all(stem.removesuffix(end) in images for stem in stems)), "")


def _masks(pictures: Sequence[str], by: Words) -> set[str]:
    """Return the pictures that are masks, by their names or folders; or the PNGs beside JPEGs of the same names.

    Folders that all pictures lie in tell nothing, such as segmentation_dataset, nor do those around a
    folder of images and one of masks tell anything of the images. Where no image would remain, names do not count,
    since images may be called field_segment_1; then neither do folders of images, such as labeled_images.
    """
    top = len(PurePosixPath(os.path.commonpath(pictures)).parts) if len(pictures) > 1 else 0
    below = {path: path.split("/", top)[-1] for path in pictures} | mask_words.images_beside_masks(pictures)
    for is_mask in (_is_mask, _is_in_folder_of_masks, _is_in_no_folder_of_images):
        chosen = {path for path, rest in below.items() if is_mask(rest, by)}
        chosen -= _namesakes(chosen, below, by)
        if len(chosen) < len(pictures):
            return chosen or _lossless_twins(pictures)
    return set(pictures)


def _namesakes(masks: Iterable[str], below: Mapping[str, str], by: Words) -> set[str]:
    """Return those of the masks that are images: told by names alone, which masks in folders of masks have too.

    Such are images/0001_L.png of left eyes, where masks/0001_L.png or masks/0001_L_mask.png is there.
    """
    in_folders = {path for path in masks if _is_in_folder_of_masks(below[path], by)}
    stems = {_stem(path) for path in in_folders}
    stems |= {re.sub(r"[_\-. ][^_\-. ]+$", "", stem) for stem in stems}
    return {path for path in masks if path not in in_folders and _stem(path) in stems}


def _glued(folder: str) -> bool:
    """Return whether a folder's name is a split's and a mask word's in one: trainannot, val_labels."""
    return re.match(r"(?i)(train|val|test)", folder) is not None


def is_second_best(family: Family) -> bool:
    """Return whether masks are named as those that other masks of the same images are made into: colours, instances."""
    return any(_SECOND_BEST.search(str(pair.mask)) for pair in family.pairs[:1])


def _is_mask(path: str, by: Words) -> bool:
    name = _split(path, by)
    return bool(name.start or name.end) or _is_in_folder_of_masks(path, by)


def _is_in_folder_of_masks(path: str, by: Words) -> bool:
    return bool(folders_of_masks(path, by))


def _is_in_no_folder_of_images(path: str, _: Words) -> bool:
    folders = PurePosixPath(path).parent.parts
    return any(
        mask_words.is_named_after_masks(folder) and not mask_words.is_named_after_images(folder) for folder in folders
    )


def _split(path: str, by: Words) -> _Name:
    stem = _stem(path)
    for part in re.finditer(r"[_\-. ]([^_\-. ]+)", stem):
        if part.start() and by.end_of_mask.fullmatch(part[1]):
            return _Name("", stem[: part.start()], stem[part.start() :])
    if _MASK.fullmatch(stem):  # the folder says which image it is of
        return _Name("", "", stem)
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


def _by_core(images: Sequence[str], by: Words) -> Mapping[str, list[Candidate]]:
    """Return images, each with what is left out of its name, by what remains of it."""
    by_core: dict[str, list[Candidate]] = defaultdict(list)
    for path in images:
        stem = _stem(path)
        by_core[stem].append((path, ("", "")))
        if _IMAGE.fullmatch(stem):
            by_core[""].append((path, ("", stem)))
        if (end := by.end_of_image.search(stem)) is not None:
            by_core[stem[: end.start()]].append((path, ("", end[0])))
        if (start := _START_OF_IMAGE.match(stem)) is not None:
            by_core[stem[start.end() :]].append((path, (start[0], "")))
    return by_core


def _family(masks: Sequence[str], images: Mapping[str, list[Candidate]], names: Mapping[str, _Name]) -> Family | None:
    cores = {mask: names[mask].core for mask in masks}
    chosen = likeliest.choose(cores, images)
    pairs = [(Pair(chosen[mask][0], mask), chosen[mask][1]) for mask in masks if mask in chosen]
    if not pairs:
        return None
    named = {path for core in set(cores.values()) for path, _ in images.get(core, ())}
    affixes = Counter(affix for _, affix in pairs)
    affix = max(affixes, key=lambda each: (affixes[each], each))  # as many _test as _training: no glob can have both
    name = names[masks[0]]
    whole = any(names[str(pair.mask)].core != _core_of(str(pair.image), affix) for pair, own in pairs if own == affix)
    start, tail = ("", "") if whole else (name.start, name.end)
    left_out = tuple(sorted(named - {str(pair.image) for pair, _ in pairs}))
    return Family(tuple(pair for pair, own in pairs if own == affix), *affix, start, tail, left_out)


def _stem(path: str) -> str:
    """Return a name without its suffix, an accented letter in one character, whichever way it is written."""
    return unicodedata.normalize("NFC", PurePosixPath(path).stem)


def _core_of(image: str, affix: Affix) -> str:
    return _stem(image).removeprefix(affix[0]).removesuffix(affix[1])
