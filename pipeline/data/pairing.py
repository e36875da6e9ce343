"""Which image belongs to which mask: two globs whose wildcards must match the same text."""

import glob
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data import columns
from pipeline.data.columns import Texts

_COLUMNS = ("image", "mask")
_BETWEEN = "\0"  # the texts that a glob's wildcards match, which together are a key
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


Pairs = columns.Items[Pair]


def kept(pairs: Iterable[Pair]) -> Pairs:
    """Return the pairs as columns of texts, in their order."""
    return Pairs(columns.table(_COLUMNS, ((pair.image, pair.mask) for pair in pairs)), Pair)


def find(root: Path, images: str, masks: str) -> Pairs:
    """Return every image with its mask, and every image or mask without a partner, sorted by path.

    As in a shell, wildcards skip hidden files, and {a,b} stands for either word; a suffix matches in any case. A file
    that `masks` matches is not an image; one behind a link to a folder is left out if the glob matches it there too.
    Suffixes are otherwise ignored: images/*.jpg and masks/*.png are pairs if * matches the same text, and so are
    images/* and masks/*. Of an accented letter, both of Unicode's ways to write it (NFC, and NFD as in archives made on
    a Mac) are the same text.

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
    of_image, of_mask = _keyed(images, image_files), _keyed(masks, mask_files)
    places = pc.index_in(of_image["key"], of_mask["key"])  # of the images' masks
    if places.null_count == len(places):
        (image, image_key), (mask, mask_key) = (next(columns.rows(table)) for table in (of_image, of_mask))
        raise ValueError(
            f"expected an image and a mask whose wildcards match the same text, got none: {image} gives "
            f"{_shown(image_key)}, {mask} gives {_shown(mask_key)}; change dataset.images or dataset.masks"
        )
    alone = of_mask["path"].filter(pc.invert(pc.is_in(of_mask["key"], of_image["key"])))
    paired = [of_image["path"], of_mask["path"].take(places)]
    without = [pa.nulls(len(alone), alone.type), alone]
    texts = pa.concat_tables([pa.table(paired, list(_COLUMNS)), pa.table(without, list(_COLUMNS))])
    return Pairs(texts.take(pc.sort_indices(pc.coalesce(*texts.columns))), Pair)


def matches(root: Path, images: str, masks: str) -> tuple[Texts, Texts]:
    """Return the files that the globs match, sorted: images, which are no masks, and masks, or files of annotations.

    Raises:
        ValueError: as for `find`.
    """
    if PurePosixPath(images).is_absolute() or ".." in PurePosixPath(images).parts:
        raise ValueError(f"expected dataset.images to stay below dataset.path, got {images}; change dataset.path")
    mask_files = _files(root, masks, "masks")
    image_files = _files(root, images, "images")
    image_files = image_files.filter(pc.invert(pc.is_in(image_files, mask_files)))
    if not len(image_files):
        raise ValueError(f"expected images that dataset.images {images} matches and dataset.masks {masks} does not")
    return image_files, mask_files


def place_of_mask(images: str, masks: str, image: str) -> str:
    """Return where the mask of an image would lie, without its suffix, by what the wildcards of `images` match.

    Example:
        >>> place_of_mask("images/**/*_rgb.jpg", "labels/**/*.txt", "images/a/b/7_rgb.jpg")
        'labels/a/b/7'
    """
    match = _pattern(images).fullmatch(_without_suffix(image))
    parts = _WILDCARD.split(_without_suffix(masks))
    parts[1::2] = match.groups() if match is not None else ()
    return "".join(parts)


def _files(root: Path, pattern: str, field: str) -> Texts:
    paths = (path for alternative in alternatives(pattern) for path in _below(root, alternative, field))
    files = columns.table(["path"], ([path] for path in paths)).sort_by("path")["path"]
    if not len(files):
        raise ValueError(f"expected files that dataset.{field} matches, got none for {pattern} in {root}; correct it")
    return _once(root, files.filter(pc.invert(columns.equals_last(files))))


def _once(root: Path, files: Texts) -> Texts:
    """Return the files without those in a linked folder, such as latest, that are there by their own path too."""
    top = os.path.realpath(root)
    places = {folder: str(Path(top, folder)) for folder, _ in _split(files)}
    real = {folder: os.path.realpath(place) for folder, place in places.items()}
    linked = {folder for folder, place in places.items() if os.path.normpath(place) != real[folder]}
    if not linked:
        return files
    there = {f"{real[folder]}/{name}" for folder, name in _split(files) if folder not in linked}
    is_first = (folder not in linked or f"{real[folder]}/{name}" not in there for folder, name in _split(files))
    return files.filter(pa.array(is_first, pa.bool_()))


def _split(files: Texts) -> Iterator[tuple[str, str]]:
    """Yield the folder and the name of each file."""
    for [path] in columns.rows(pa.table([files], ["path"])):
        folder, _, name = path.rpartition("/")
        yield folder, name


def _below(root: Path, pattern: str, field: str) -> Iterator[str]:
    """Yield the files that a glob without braces matches; one may come twice."""
    suffix = PurePosixPath(pattern).suffix
    any_case = pattern if _WILDCARD.search(suffix) else f"{pattern.removesuffix(suffix)}.*" if suffix else pattern
    try:
        for path in glob.iglob(any_case, root_dir=root, recursive=True):  # noqa: PTH207  # pathlib's has hidden files
            is_match = any_case == pattern or PurePosixPath(path).suffix.lower() == suffix.lower()
            if is_match and os.path.isfile(os.path.join(root, path)):  # noqa: PTH113, PTH118  # a third of the time
                path.encode()
                yield path
    except UnicodeEncodeError as err:
        raise ValueError(f"expected file names in UTF-8, got {err.object!r} in {root}; rename it") from err
    except (OSError, ValueError) as err:  # a name that no file system holds, a folder that may not be read
        raise ValueError(f"expected a glob as dataset.{field}, got {pattern!r}: {err}; correct it") from err


def alternatives(pattern: str) -> list[str]:
    """Return the globs that a glob with braces stands for.

    Raises:
        ValueError: they are too many.
    """
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


def _keyed(pattern: str, files: Texts) -> pa.Table:
    """Return the columns `path` and `key`, what the glob's wildcards match, sorted by key; each key is there once."""

    def rows() -> Iterator[tuple[str, str]]:
        regex = _pattern(pattern)
        for [path] in columns.rows(pa.table([files], ["path"])):
            match = regex.fullmatch(_without_suffix(path))
            if match is None:
                raise ValueError(
                    f"expected a glob that ends in a suffix or *, got {pattern} for {path}; add its suffix"
                )
            key = _BETWEEN.join(text.strip("/") for text in match.groups())
            yield path, unicodedata.normalize("NFC", key)

    keyed = columns.table(("path", "key"), rows()).sort_by([("key", "ascending"), ("path", "ascending")])
    repeated = keyed.filter(columns.equals_last(keyed["key"]))
    if len(repeated):
        path, key = min(columns.rows(repeated))
        other = pc.min(keyed.filter(pc.equal(keyed["key"], key))["path"])
        raise ValueError(f"expected one file for each pair, got {other} and {path}; narrow the glob or rename one")
    return keyed


def _shown(key: str) -> str:
    return ", ".join(map(repr, key.split(_BETWEEN)))


def _without_suffix(path: str) -> str:
    return str(PurePosixPath(path).with_suffix(""))
