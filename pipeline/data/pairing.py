"""Which image belongs to which mask: two globs whose wildcards must match the same text."""

import glob
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path, PurePosixPath

Key = tuple[str, ...]
_WILDCARD = re.compile(r"(\*\*/|\*|\?|\[.[^\]]*\]|\{[^{}/]*,[^{}/]*\})")  # one group: re.split keeps what it matches
_MOST = 1000  # globs that braces stand for


@dataclass(frozen=True, slots=True)
class Pair:
    """An image and its mask, as "/"-separated paths below the data set's folder; one of them may be missing."""

    image: str | None
    mask: str | None
    """Of annotations, the file that they are in; absolute, or starting with .., if it lies elsewhere."""

    @property
    def path(self) -> str:
        """Return the image's path, or the mask's where the image is missing."""
        return self.image or self.mask or ""


def find(root: Path, images: str, masks: str) -> list[Pair]:
    """Return every image with its mask, and every image or mask without a partner, sorted by path.

    As in a shell, wildcards skip hidden files, and {a,b} stands for either word; a suffix matches in any case. A file
    that `masks` matches is not an image. Suffixes are otherwise ignored: images/*.jpg and masks/*.png are pairs if *
    matches the same text, and so are images/* and masks/*.

    Args:
        root: the data set's folder.
        images: glob of the images below it; ** stands for any number of folders.
        masks: glob of the masks; below it, or elsewhere if it is absolute or starts with .. .

    Raises:
        ValueError: `images` leaves the folder, a glob matches nothing, the globs have different numbers of wildcards,
            no image has a mask, two files match the same text, a glob ends in part of a suffix, or a name is not UTF-8.
    """
    images, masks = str(PurePosixPath(images)), str(PurePosixPath(masks))  # ./a//b is a/b
    image_files, mask_files = matches(root, images, masks)
    if not _pattern(images).groups == _pattern(masks).groups > 0:
        raise ValueError(
            f"expected one or more wildcards, as many in dataset.images as in dataset.masks, suffixes excluded, got "
            f"{images} and {masks}; what they match decides which mask belongs to which image"
        )
    by_image, by_mask = _by_key(images, image_files), _by_key(masks, mask_files)
    if not by_image.keys() & by_mask.keys():
        image, mask = min(by_image), min(by_mask)
        raise ValueError(
            f"expected an image and a mask whose wildcards match the same text, got none: {by_image[image]} gives "
            f"{_shown(image)}, {by_mask[mask]} gives {_shown(mask)}; change dataset.images or dataset.masks"
        )
    pairs = [Pair(by_image.get(key), by_mask.get(key)) for key in by_image.keys() | by_mask.keys()]
    return sorted(pairs, key=lambda pair: pair.path)


def matches(root: Path, images: str, masks: str) -> tuple[set[str], set[str]]:
    """Return the files that the globs match: images, which are no masks, and masks, or files of annotations.

    Raises:
        ValueError: as for `find`.
    """
    if PurePosixPath(images).is_absolute() or ".." in PurePosixPath(images).parts:
        raise ValueError(f"expected dataset.images to stay below dataset.path, got {images}; change dataset.path")
    mask_files = _files(root, masks, "masks")
    image_files = _files(root, images, "images") - mask_files
    if not image_files:
        raise ValueError(f"expected images that dataset.images {images} matches and dataset.masks {masks} does not")
    return image_files, mask_files


def _files(root: Path, pattern: str, field: str) -> set[str]:
    files = {path for alternative in _alternatives(pattern) for path in _below(root, alternative, field)}
    if not files:
        raise ValueError(f"expected files that dataset.{field} matches, got none for {pattern} in {root}; correct it")
    for path in files:
        try:
            path.encode()
        except UnicodeEncodeError as err:
            raise ValueError(f"expected file names in UTF-8, got {path!r} in {root}; rename it") from err
    return files


def _below(root: Path, pattern: str, field: str) -> set[str]:
    suffix = PurePosixPath(pattern).suffix
    any_case = pattern if _WILDCARD.search(suffix) else f"{pattern.removesuffix(suffix)}.*" if suffix else pattern
    try:
        paths = glob.glob(any_case, root_dir=root, recursive=True)  # noqa: PTH207  # pathlib's matches hidden files too
        paths = [path for path in paths if any_case == pattern or PurePosixPath(path).suffix.lower() == suffix.lower()]
        return {path for path in paths if (root / path).is_file()}
    except (OSError, ValueError) as err:  # a name that no file system holds, a folder that may not be read
        raise ValueError(f"expected a glob as dataset.{field}, got {pattern!r}: {err}; correct it") from err


def _alternatives(pattern: str) -> list[str]:
    """Return the globs that a glob with braces stands for."""
    parts = _WILDCARD.split(pattern)
    words = [part[1:-1].split(",") if i % 2 and part[0] == "{" else [part] for i, part in enumerate(parts)]
    if prod(map(len, words)) > _MOST:
        raise ValueError(f"expected at most {_MOST} alternatives in braces, got {pattern}; use * in place of some")
    return ["".join(chosen) for chosen in product(*words)]


def _pattern(pattern: str) -> re.Pattern[str]:
    """Return the glob, without its suffix, as a regular expression with one group for each wildcard."""
    parts = _WILDCARD.split(_without_suffix(pattern))
    regex = "".join(_group(part) if i % 2 else re.escape(part) for i, part in enumerate(parts))
    try:
        return re.compile(regex, re.DOTALL)
    except re.error as err:
        raise ValueError(f"expected a glob, got {pattern}: {err}; correct what is in brackets") from err


def _group(wildcard: str) -> str:
    match wildcard:
        case "**/":
            return "((?:.*/)?)"
        case "*":
            return "([^/]*)"
        case "?":
            return "([^/])"
    if wildcard[0] == "{":
        return f"({'|'.join(map(re.escape, wildcard[1:-1].split(',')))})"
    return f"({wildcard.replace('[!', '[^', 1)})"


def _by_key(pattern: str, files: Iterable[str]) -> dict[Key, str]:
    by_key: dict[Key, str] = {}
    regex = _pattern(pattern)
    for path in sorted(files):
        match = regex.fullmatch(_without_suffix(path))
        if match is None:
            raise ValueError(f"expected a glob that ends in a suffix or *, got {pattern} for {path}; add its suffix")
        key = tuple(text.strip("/") for text in match.groups())
        other = by_key.setdefault(key, path)
        if other != path:
            raise ValueError(f"expected one file for each pair, got {other} and {path}; narrow the glob or rename one")
    return by_key


def _shown(key: Key) -> str:
    return ", ".join(map(repr, key))


def _without_suffix(path: str) -> str:
    return str(PurePosixPath(path).with_suffix(""))
