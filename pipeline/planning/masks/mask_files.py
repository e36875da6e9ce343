"""Which family of masks of a data set is meant: told by a pattern, or the most likely one."""

import glob
import re
from collections.abc import Collection, Iterable, Sequence
from itertools import chain
from pathlib import Path, PurePosixPath

from pipeline.data import pairing
from pipeline.data.pairing import Pair
from pipeline.files.decoding import suffixes
from pipeline.planning import contents
from pipeline.planning.contents import Contents
from pipeline.planning.listing import Listing
from pipeline.planning.masks import families, mask_words
from pipeline.planning.masks.families import Family

_LOOKED_AT = 3  # masks of each family, where several could be meant
_MANY = 64  # labels: more are a picture's colours, or instances


def find(listing: Listing, pattern: str | None) -> tuple[Family, list[str]]:
    """Return the masks with their images, and questions where others could be meant.

    Without a pattern, folders beside the data set's are looked at too, if none in it holds masks; and of several kinds
    for equally many images, those with the most labels are meant: masks of crop and weed before those of plants. It is
    asked too about those that are told by words which often mean something else.

    Args:
        listing: the data set's files.
        pattern: glob of the masks, or their folder; below the data set's folder or elsewhere.

    Raises:
        ValueError: no mask has an image of its name, an image has several, or the pattern has too many alternatives.
    """
    if pattern is not None:
        masks = matching(listing.root, pattern, suffixes())
        usual = families.find([*listing.pictures, *(set(masks) - set(listing.pictures))], masks)
    else:
        usual = families.find(listing.pictures)
        if not usual and (beside := _families_beside(listing)):
            mask = beside[0].pairs[0].mask
            where = f"Are the masks those beside the data set's folder, such as {mask}? Default: yes"
            return beside[0], [where, *asked_of_left_out(beside[0])]
    if not usual:
        asked = f"that --masks {pattern} matches" if pattern is not None else "recognised by their names or folders"
        raise ValueError(
            f"expected masks {asked}, with images of the same names in {listing.root}, got none; name the masks, as in "
            "--masks 'labels/*_mask.png'. Annotations are read of COCO, LabelMe, CVAT and, polygons alone, YOLO"
            f"{listing.unread()}"
        )
    if pattern is not None:
        return _one_each(usual[0]), asked_of_left_out(usual[0])
    both = [*usual, *families.by_rarer_words(listing.pictures, usual)]
    alike = [each for each in both if families.is_second_best(each) <= families.is_second_best(usual[0])]
    _refuse_numbered(alike)
    if len(alike) == 1:
        return _one_each(usual[0]), asked_of_left_out(usual[0])
    family, questions = _most_likely(listing.root, alike)
    return _one_each(family), questions


def _most_masks(family: Family) -> tuple[str, list[str]]:
    """Return the image that has the most masks, and these."""
    masks_of: dict[str, list[str]] = {}
    for pair in family.pairs:
        masks_of.setdefault(str(pair.image), []).append(str(pair.mask))
    return max(masks_of.items(), key=lambda each: len(each[1]))


def _one_each(family: Family) -> Family:
    """Return the family.

    Raises:
        ValueError: an image has several masks.
    """
    image, masks = _most_masks(family)
    if len(masks) == 1:
        return family
    raise _several(image, masks)


def _refuse_numbered(alike: Iterable[Family]) -> None:
    """Raise ValueError for masks that are others' with a number: the second object of a, in a_mask_1 beside a_mask."""
    of_names = {(each.mask_start, each.mask_end): each for each in alike}
    for (start, end), family in of_names.items():
        first = of_names.get((start, re.sub(r"[_\-. ]?\d+$", "", end)))
        if first is None or first is family:
            continue
        mask_of = {pair.image: str(pair.mask) for pair in first.pairs}
        if both := next((pair for pair in family.pairs if pair.image in mask_of), None):
            raise _several(str(both.image), [mask_of[both.image], str(both.mask)])


def _several(image: str, masks: Sequence[str]) -> ValueError:
    return ValueError(
        f"expected one mask for each image, got {len(masks)} for {image}: {', '.join(masks[:3])}; where each holds a "
        "class or an object of its own, merge them into one, in which a pixel has the value of its class; or say which "
        "are meant by --masks"
    )


def _most_likely(root: Path, alike: Sequence[Family]) -> tuple[Family, list[str]]:
    """Return the masks that are meant, and a question that names the others.

    Masks of one shape in all images come last: a camera's field of view, as in DRIVE's and HRF's mask/.
    """
    held = {id(each): _num_labels(root, each) for each in alike}
    fixed = {id(each): contents.are_of_one_shape(root, _looked_at(each)) for each in alike}
    best, *others = sorted(alike, key=lambda each: (fixed[id(each)], -len(each.pairs), -held[id(each)]))
    named = [f"{each.pairs[0].mask} ({_counted(held[id(each)])})" for each in (best, *others[:4])]
    return best, [
        f"Are these the masks: {named[0]}? Default: yes; others could be {', '.join(named[1:])}: --masks says which",
        *asked_of_left_out(best),
    ]


def asked_of_left_out(family: Family) -> list[str]:
    """Return a question about pictures with the names of images, if there are any: overlays, or another camera's."""
    if not family.left_out:
        return []
    folders = {str(PurePosixPath(path).parent): path for path in reversed(family.left_out)}
    examples = ", ".join([folders[folder] for folder in sorted(folders)][:3])
    return [
        f"Are these the images: {family.pairs[0].image}? Default: yes; pictures of the same names are left out "
        f"({len(family.left_out):,}), such as {examples}. If no: correct dataset.images in params.yaml"
    ]


def _looked_at(family: Family) -> Sequence[Pair]:
    return family.pairs[:: max(1, len(family.pairs) // _LOOKED_AT)][:_LOOKED_AT]


def _num_labels(root: Path, family: Family) -> int:
    """Return how many labels a few of the masks hold; 0: they cannot be read, or are pictures."""
    try:
        number = len(contents.of_masks(root, _looked_at(family)).pixels)
    except ValueError:
        return 0
    return number if number <= _MANY else 0


def _counted(number: int) -> str:
    return f"{number} label{'' if number == 1 else 's'}" if number else "not a mask's labels"


def contents_of(listing: Listing, family: Family) -> Contents:
    """Return what the masks of a family hold.

    Raises:
        ValueError: one cannot be read; if it lies beside the data set's folder, it is said that none was in it.
    """
    try:
        return contents.of_masks(listing.root, family.pairs)
    except ValueError as err:
        if not str(family.pairs[0].mask).startswith("../"):
            raise
        raise ValueError(
            f"expected masks in {listing.root}, got none; pictures of its images' names beside it are no masks "
            f"({str(err).partition(';')[0]}). Put the masks into it, or name them with --masks"
        ) from err


def matching(root: Path, pattern: str, kinds: Collection[str]) -> list[str]:
    """Return the files with one of the suffixes that a pattern means, below `root` or as absolute paths."""
    for base in (root, Path.cwd()):
        globs_of = [glob.escape(pattern)] if (base / pattern).is_dir() else pairing.alternatives(pattern)
        paths = _glob(base, globs_of)
        paths |= _glob(base, [f"{glob.escape(path)}/**/*" for path in paths if (base / path).is_dir()])
        files = sorted(path for path in paths if Path(path).suffix.lower() in kinds and (base / path).is_file())
        if files and base == root:
            return [_within(root, path) for path in files]
        if files:
            return [_within(root, str((base / path).absolute())) for path in files]
    return []


def _glob(base: Path, patterns: Iterable[str]) -> set[str]:
    matching = (glob.iglob(each, root_dir=base, recursive=True) for each in patterns)  # noqa: PTH207  # as pairing.py
    return set(chain.from_iterable(matching))


def _within(root: Path, path: str) -> str:
    """Return a path below the data set's folder as one relative to it."""
    place = Path(path)
    if place.is_absolute() and place.is_relative_to(root.absolute()):
        return place.relative_to(root.absolute()).as_posix()
    return place.as_posix()


def _families_beside(listing: Listing) -> list[Family]:
    """Return the families of masks in folders beside the data set's, the most likely first."""
    near = _beside(listing.root)
    return [each for each in families.find([*listing.pictures, *near], near) if len(_most_masks(each)[1]) == 1]


def _beside(root: Path) -> list[str]:
    """Return the pictures in folders of masks beside the data set's, relative to it.

    A folder with images of its own, such as labeled/ beside unlabeled/, is another data set.
    """
    here, kinds = root.absolute(), suffixes()
    masks: list[str] = []
    for folder in sorted(here.parent.iterdir()):
        if folder != here and folder.is_dir() and mask_words.is_named_after_masks(folder.name):
            files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in kinds)
            near = [f"../{path.relative_to(here.parent).as_posix()}" for path in files]
            masks += [] if mask_words.images_beside_masks(near) else near
    return masks
