"""Lists of images, one for each split, in the forms that data sets use: paths, names, numbers, or pairs of paths.

A folder, written with / at its end, stands for the list of its images.
"""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from pipeline.data import split_document
from pipeline.data.pairing import Pair

_BETWEEN = re.compile(r"\s*[,;\t]\s*|\s+")  # an image and its mask on one line
_NUMBER = re.compile("[0-9]+")


class Names:
    """What lists may call images: by path, file name, path or name without suffix, or the only number in the name.

    Or by the name of their mask without suffix, as nnU-Net does: case_01 for case_01_0000.png.
    """

    def __init__(self, pairs: Collection[Pair]) -> None:
        """Collect the names of the pairs that have images."""
        self.by_image = {pair.image: pair for pair in pairs if pair.image is not None}
        self._by_name: dict[str, list[Pair]] = {}
        self._by_number: dict[str, list[Pair]] = {}
        for image, pair in self.by_image.items():
            path = PurePosixPath(image)
            for name in {path.name, path.stem, str(path.with_suffix(""))}:
                self._by_name.setdefault(name, []).append(pair)
            if len(numbers := _NUMBER.findall(path.stem)) == 1:
                self._by_number.setdefault(numbers[0].lstrip("0"), []).append(pair)

    @cached_property
    def _by_mask(self) -> dict[str, list[Pair]]:
        by_stem: dict[str, list[Pair]] = {}
        for pair in self.by_image.values():
            if pair.mask is not None:
                by_stem.setdefault(PurePosixPath(pair.mask).stem, []).append(pair)
        return by_stem

    def find(self, line: str) -> list[Pair]:
        """Return the pairs that a line may mean: by its path, else its name, its mask's, or its number; [] if none."""
        if line in self.by_image:
            return [self.by_image[line]]
        if line in self._by_name:
            return self._by_name[line]
        if line in self._by_mask:
            return self._by_mask[line]
        return self._by_number.get(line.lstrip("0"), []) if _NUMBER.fullmatch(line) else []


def lines(root: Path, split: str, file: str) -> list[str]:
    """Return the lines of a list that are not empty, without the spaces around them.

    Args:
        root: the data set's folder.
        split: what the list is of, for messages.
        file: a text file below it, or a YAML or JSON file with a key, such as splits.yaml#train.

    Raises:
        ValueError: it cannot be read, is not UTF-8, or has no such key.
    """
    if (address := split_document.parse_address(file)) is not None:
        return split_document.lines(root, split, address)
    try:
        text = (root / file).read_text("utf-8-sig")
    except (OSError, ValueError) as err:
        raise ValueError(f"dataset.splits.{split}: expected a readable UTF-8 list file: {err}") from err
    return [line.strip() for line in text.splitlines() if line.strip()]


def paths(root: Path, file: str, listed: Sequence[str]) -> list[str]:
    """Return the lines of a list as paths below the folder `root`.

    Raises:
        ValueError: a line leaves the folder.
    """
    normal = [str(PurePosixPath(line)) for line in listed]
    for path in normal:
        if path == "." or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise ValueError(f"{file}: expected paths below {root}, got {path}; make it relative to it")
    return normal


def images(pairs: Collection[Pair], root: Path, file: str, listed: Sequence[str]) -> list[Pair]:
    """Return the pairs whose images a list names, in one of the ways of `Names`, as Pascal VOC does by their stems.

    Raises:
        ValueError: an image is there twice, a name is that of several images, or no line is an image.
    """
    names = Names(pairs)
    listed_pairs: list[Pair] = []
    for path in listed:
        candidates = names.find(path) or [Pair(path, None)]
        if len(candidates) > 1:
            which = " and ".join(sorted(str(pair.image) for pair in candidates)[:2])
            raise ValueError(f"{file}: expected a name of one image, got {path}, which is {which}; write its path")
        listed_pairs += candidates
    _refuse_repeated(file, listed_pairs)
    if listed_pairs and not any(pair.image in names.by_image for pair in listed_pairs):
        example = min(names.by_image, default="none")
        raise ValueError(
            f"{file}: expected on each line the path of an image that dataset.images matches, relative to {root} and "
            f"with its suffix, such as {example}, or its name without suffix, got {listed_pairs[0].path[:200]!r}, and "
            "no line is one; correct the list or dataset.images; if each line is an image and its mask, make both "
            "images and masks null"
        )
    return listed_pairs


def pairs(root: Path, file: str, listed: Sequence[str]) -> list[Pair]:
    """Return the image and the mask that each line of a list names, as CamVid's in the SegNet release.

    Of an absolute path, which was right on another machine, leading folders are left out until there is such a file.

    Raises:
        ValueError: a line is not the paths of two files below the folder, or an image is there twice.
    """
    listed_pairs = [_pair(root, file, line) for line in listed]
    _refuse_repeated(file, listed_pairs)
    return listed_pairs


def _refuse_repeated(file: str, listed_pairs: Sequence[Pair]) -> None:
    for path, count in Counter(pair.path for pair in listed_pairs).items():
        if count > 1:
            raise ValueError(f"{file}: expected each image once, got {path} {count} times; remove one")


def _pair(root: Path, file: str, line: str) -> Pair:
    for gap in _BETWEEN.finditer(line):
        image, mask = _file(root, line[: gap.start()]), _file(root, line[gap.end() :])
        if image is not None and mask is not None:
            return Pair(image, mask)
    raise ValueError(
        f"{file}: expected an image and its mask, two files below {root}, on each line, got {line[:200]!r}; correct "
        "it, or name globs as dataset.images and dataset.masks"
    )


def _file(root: Path, text: str) -> str | None:
    """Return the path below `root` of the file that a list means; None: there is none."""
    path = PurePosixPath(text)
    if ".." in path.parts:
        return None
    parts = path.parts[1:] if path.is_absolute() else path.parts
    starts = range(len(parts) if path.is_absolute() else min(1, len(parts)))
    candidates = ("/".join(parts[start:]) for start in starts)
    return next((each for each in candidates if _is_file(root / each)), None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file system holds
        return False
