"""Lists of images, one file for each split, in the forms that data sets use: paths, stems, or pairs of paths."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from pipeline.data.pairing import Pair

_BETWEEN = re.compile(r"\s*[,;\t]\s*|\s+")  # an image and its mask on one line


def lines(root: Path, split: str, file: str) -> list[str]:
    """Return the lines of a list that are not empty, without the spaces around them.

    Raises:
        ValueError: it cannot be read, or is not UTF-8.
    """
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
    found = [str(PurePosixPath(line)) for line in listed]
    for path in found:
        if path == "." or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise ValueError(f"{file}: expected paths below {root}, got {path}; make it relative to it")
    return found


def images(pairs: Sequence[Pair], root: Path, file: str, listed: Sequence[str]) -> list[Pair]:
    """Return the pairs whose images a list names, by path or by file name without suffix, as Pascal VOC does.

    Raises:
        ValueError: an image is there twice, a name is that of several images, or no line is an image.
    """
    by_image = {pair.image: pair for pair in pairs if pair.image is not None}
    by_stem: dict[str, list[Pair]] = {}
    for pair in by_image.values():
        plain = PurePosixPath(str(pair.image)).with_suffix("")
        for name in {plain.name, str(plain)}:
            by_stem.setdefault(name, []).append(pair)
    found: list[Pair] = []
    for path in listed:
        candidates = [by_image[path]] if path in by_image else by_stem.get(path, [Pair(path, None)])
        if len(candidates) > 1:
            which = " and ".join(sorted(str(pair.image) for pair in candidates)[:2])
            raise ValueError(f"{file}: expected a name of one image, got {path}, which is {which}; write its path")
        found += candidates
    _refuse_repeated(file, found)
    if found and by_image.keys().isdisjoint(pair.image for pair in found):
        example = min(by_image, default="none")
        raise ValueError(
            f"{file}: expected on each line the path of an image that dataset.images matches, relative to {root} and "
            f"with its suffix, such as {example}, or its name without suffix, got {found[0].path[:200]!r}, and no line "
            "is one; correct the list or dataset.images; if each line is an image and its mask, make both images and "
            "masks null"
        )
    return found


def pairs(root: Path, file: str, listed: Sequence[str]) -> list[Pair]:
    """Return the image and the mask that each line of a list names, as CamVid's in the SegNet release.

    Of an absolute path, which was right on another machine, leading folders are left out until there is such a file.

    Raises:
        ValueError: a line is not the paths of two files below the folder, or an image is there twice.
    """
    found = [_pair(root, file, line) for line in listed]
    _refuse_repeated(file, found)
    return found


def _refuse_repeated(file: str, found: Sequence[Pair]) -> None:
    for path, count in Counter(pair.path for pair in found).items():
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
