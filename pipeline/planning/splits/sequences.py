"""Which images are of one sequence, such as a patient's or a film's, as names and folders suggest."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

EACH_ALONE = "(.+)"
_FIRST = (r"([^/]+?)[_-](?:frame|image|img|slice)?[_-]?\d+[^/]*$", "what is before the number in a name")
_LAST = (r"([^/]+)[_-]\d+[^/]*$", "what is before the last number in a name")
_BETWEEN = tuple(
    (rf"(?:^|/)((?:[^/\d]*\d+){{{n}}})[^/\d]*[_-][A-Za-z]*\d+[^/]*$", f"what ends with the {nth} number in a name")
    for n, nth in enumerate(("first", "second", "third", "fourth"), start=1)
)
_FEWEST = 6  # sequences: with fewer, a split of 15 % would be far from that
_SUBJECT = re.compile(
    r"(?i)(?<![a-z])(patient|subject|case|vol(?:ume)?|slide|video|clip|scene|seq(?:uence)?|study|plant|leaf|person)"
    r"[_-]?\d+"
)
_ARE_NEIGHBOURS_ALIKE = (
    "Are neighbouring images alike, such as frames of a film? Then let dataset.sequence name what they share, or test "
    "images are too easy. Default: no, each image is on its own"
)
_PART = re.compile(r"(?i)(.*[^a-z])?(z|t|slices?|frames?|layers?|aug(mented|mentation)?|time|step|rot(ation)?)[_-]?\d+")


@dataclass(frozen=True)
class _Groups:
    """The sequence of each image by a pattern."""

    pattern: str
    what: str
    of_images: tuple[str, ...]

    def __len__(self) -> int:
        return len(set(self.of_images))

    @property
    def are_enough(self) -> bool:
        """Whether there are enough sequences to be split, most of which have several images."""
        return _FEWEST <= len(self) <= len(self.of_images) / 2


def propose(images: Sequence[str]) -> tuple[str, str, tuple[str, ...]]:
    """Return dataset.sequence, its reason, and what is to be asked."""
    of_names = _by_name(images)
    by_name = next((each for each in of_names if each.are_enough), None)
    by_folder = next((each for each in _by_folder(images) if each.are_enough), None)
    found = [each for each in (by_name, by_folder) if each is not None]
    if not found:
        alone = _Groups(EACH_ALONE, "each image on its own", tuple(images))
        return alone.pattern, "each image is on its own", _across_names(alone, images) or (_ARE_NEIGHBOURS_ALIKE,)
    asked: tuple[str, ...]
    chosen = min(found, key=len)  # in larger sequences, more of what may be alike stays together
    if len(set(zip(*(each.of_images for each in found), strict=True))) > max(map(len, found)):
        chosen = found[1]
        asked = (
            f"Are images of one folder alike, or those of all folders whose names begin as {found[0].of_images[0]}? "
            f"Default: those of a folder, such as {found[1].of_images[0]}; if not: sequence: {found[0].pattern}",
        )
    elif chosen is by_name:
        asked = _across_names(chosen, images) or _coarser(chosen, of_names)
    else:
        asked = _across_folders(chosen, images)
    return chosen.pattern, f"{chosen.what}: {len(chosen)} sequences, each of which stays in one split", asked


def _by_name(images: Sequence[str]) -> list[_Groups]:
    """Return the sequences by names, from the coarsest; where names differ in more than numbers, by few cuts."""
    shapes = {re.sub(r"\d+", "0", PurePosixPath(image).name) for image in images}
    between = [_groups(*cut, images) for cut in _BETWEEN] if len(shapes) == 1 else []
    first, last = _groups(*_FIRST, images), _groups(*_LAST, images)
    others = [each for each in between if each is not None and (last is None or len(each) != len(last))]
    return [each for each in (first, *others, last) if each is not None]


def _coarser(chosen: _Groups, of_names: Sequence[_Groups]) -> tuple[str, ...]:
    """Return a question about the coarsest sequences by names that are several, but too few to be split."""
    fewer = next((each for each in of_names if 1 < len(each) < _FEWEST), None)
    return () if fewer is None else _question(f"begin with {fewer.of_images[0]}", chosen, len(fewer), fewer.pattern)


def _across_names(chosen: _Groups, images: Sequence[str]) -> tuple[str, ...]:
    """Return a question about patients and the like, if one's images are in several sequences."""
    matches = [_SUBJECT.search(PurePosixPath(image).name) for image in images]
    subjects = [match[0] for match in matches if match is not None]
    words = {match[1] for match in matches if match is not None}
    is_across = len(set(zip(subjects, chosen.of_images, strict=False))) > len(set(subjects)) > 1
    if not is_across or len(subjects) < len(images) or len(words) > 1:
        return ()
    pattern = rf"(?<![A-Za-z])({words.pop()}[_-]?\d+)[^/]*$"
    return _question(f"contain {subjects[0]}", chosen, len(set(subjects)), pattern)


def _across_folders(chosen: _Groups, images: Sequence[str]) -> tuple[str, ...]:
    """Return a question about images of one name, if folders are slices, augmentations or the like."""
    names = [PurePosixPath(image).stem for image in images]
    if len(set(names)) > len(names) / 2 or not all(map(_PART.fullmatch, chosen.of_images)):
        return ()
    return _question(f"are {names[0]}", chosen, len(set(names)), r"([^/]+?)(?:\.[^./]*)?$")


def _question(names: str, chosen: _Groups, number: int, pattern: str) -> tuple[str, ...]:
    taken = f"{chosen.what}, such as {chosen.of_images[0]}" if chosen.pattern != EACH_ALONE else chosen.what
    return (
        f"Are images alike whose names {names}? As it is, they may be in several splits. Default: no, a sequence is "
        f"{taken}. If yes, which makes {number} sequences: sequence: {pattern}",
    )


def _groups(pattern: str, what: str, images: Sequence[str]) -> _Groups | None:
    """Return the sequences by a pattern; None: not all images match."""
    matches = [re.search(pattern, image) for image in images]
    return _Groups(pattern, what, tuple(match[1] for match in matches if match is not None)) if all(matches) else None


def _by_folder(images: Sequence[str]) -> Iterator[_Groups]:
    """Yield the sequences by folders, from the highest in which they differ; a sequence's name begins with that."""
    parents = [PurePosixPath(image).parent for image in images]
    same = len(PurePosixPath(os.path.commonpath(parents)).parts) if parents else 0
    for number in range(1, min((len(parent.parts) for parent in parents), default=0) - same + 1):
        found = _groups("^" + "[^/]+/" * same + "(" + "/".join(["[^/]+"] * number) + ")/", "the folder", images)
        if found is not None:
            yield found
