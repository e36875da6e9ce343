"""How images are assigned to train, val and test: as folders, lists or the images' names suggest."""

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from pipeline.data.assignment import Job
from pipeline.planning import list_files
from pipeline.planning.split_words import WORDS, named_by, split_of_folder

_OF_FOLDS = "fold 0, the first in nnU-Net's splits_final.json of the data set"
_EACH_ALONE = "(.+)"
_BY_NAME = r"([^/]+?)[_-](?:frame|image|img|slice)?[_-]?\d+[^/]*$"
_BY_LAST_NUMBER = r"([^/]+)[_-]\d+[^/]*$"
_FEWEST = 6  # sequences: with fewer, a split of 15 % would be far from that
_ANNOTATIONS = re.compile(r".*\.(json|xml)").fullmatch  # a list in such a file has a key: splits.json#train
_CARVED = {"share": 0.15, "seed": 1}
_SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}


@dataclass(frozen=True)
class SplitRule:
    """A value for dataset.splits and one for dataset.sequence."""

    rule: Mapping[str, object]
    sequence: str
    reason: str
    sequence_reason: str
    questions: tuple[str, ...]


def by_folder(images: Sequence[str]) -> dict[str, str]:
    """Return the folder of each split, if each image is in one; nothing if not, or if there is no folder of train."""
    splits = {split_of_folder(image) for image in images}
    named = {} if None in splits else dict(sorted(each for each in splits if each is not None))
    return named if "train" in named and len(named) == len(splits) > 1 else {}


def propose(
    folders: Mapping[str, str], lists: Mapping[str, str], images: Sequence[str], files: Sequence[str] = ()
) -> SplitRule:
    """Return how to split images.

    Args:
        folders: the folder of each split, if there are such.
        lists: the list of each split, if there are such, which count for more.
        images: paths of the images that have masks.
        files: files that are named after splits, and that are no such lists.
    """
    named = lists or folders
    kind = "list" if lists else "folder"
    pattern, reason, questions = _sequence(images)
    if not named:
        rule = {"by": "ratio", **_SHARES, "seed": 1}
        asked = (*_of_some_folders(images), *([_question(files)] if files else []), *questions)
        return SplitRule(rule, pattern, "drawn: no usable folders or lists are named after splits", reason, asked)
    rule = {"by": kind, "train": named["train"], "val": named.get("val", _CARVED), "test": named.get("test")}
    source = _source(lists)
    among = () if lists else _of_words(folders)
    if "val" in named and pattern == _EACH_ALONE:
        reason = _OWN
    if "val" in named and "test" in named:
        return SplitRule(rule, pattern, source, reason, among)
    if "val" in named:
        question = (
            "There are no test images: is the validation split to be the test split, and are validation images to be "
            "taken from train? Default: no; val chooses the epoch and is scored too, and no version becomes champion "
            f"by itself. If yes: splits: {{by: {kind}, train: {named['train']}, val: {{share: 0.15, seed: 1}}, test: "
            f"{named['val']}}}"
        )
        return SplitRule(rule, pattern, f"{source}, which has no test images", reason, (*among, question))
    return SplitRule(rule, pattern, f"{source}; val is taken from train", reason, (*among, *questions))


def _source(lists: Mapping[str, str]) -> str:
    """Say what the splits are taken from."""
    if list_files.is_fold(lists):
        return _OF_FOLDS
    if not lists or all(path.endswith("/") for path in lists.values()):
        return "folders that the data set's YAML file names" if lists else "folders of the data set"
    return "files of annotations of the data set" if all(map(_ANNOTATIONS, lists.values())) else "lists of the data set"


def fits(rule: SplitRule, jobs: Collection[Job]) -> bool:
    """Return whether each sequence is in one split, or the data set leaves it to the rule which images are in val."""
    in_splits = {(job.sequence, job.split) for job in jobs if job.sequence}
    return rule.rule["val"] in (_CARVED, _SHARES["val"]) or len({each for each, _ in in_splits}) == len(in_splits)


def without_sequences(rule: SplitRule) -> SplitRule:
    """Return the rule with each image as a sequence of its own."""
    return replace(rule, sequence=_EACH_ALONE, sequence_reason=_OWN)


def _of_words(folders: Mapping[str, str]) -> tuple[str, ...]:
    """Return a question about folders of which a split's name is but a word, which may mean something else."""
    others = sorted(
        folder for split, folder in folders.items() if named_by(folder) == split and not WORDS[split].fullmatch(folder)
    )
    if not others:
        return ()
    return (
        f"Are {', '.join(sorted(folders.values()))} the splits? Default: yes, by a word in their names. If no, as of "
        "crash_test: splits: {by: ratio, train: 0.7, val: 0.15, test: 0.15, seed: 1}",
    )


def _of_some_folders(images: Sequence[str]) -> list[str]:
    """Return a question about folders that are named after splits, where the splits do not follow from them."""
    split_of = {image: split_of_folder(image) for image in images}
    folders = sorted({each[1] for each in split_of.values() if each is not None})
    if len({*split_of.values()}) == 1:  # no such folder, or one of all images, such as nnU-Net's imagesTr
        return []
    without = [image for image, each in split_of.items() if each is None]
    why = f", of which {without[0]} is in none" if without else ""
    return [
        f"Do the folders {', '.join(folders)} say the splits{why}? Default: no, images are drawn at random, those of a "
        "test folder too. If yes: name one folder for each of dataset.splits, and let dataset.images leave out others"
    ]


def _question(files: Sequence[str]) -> str:
    return (
        f"Does {' or '.join(files[:3])} say the splits? It is no list with an image on each line, and splits are not "
        "read from it. Default: images are drawn at random. If yes: write train.txt and test.txt in the data set's "
        "folder, with an image's path or name without suffix on each line, and run segnet init again"
    )


_OWN = "the splits are given"


@dataclass(frozen=True)
class _Groups:
    """The sequence of each image by a pattern."""

    pattern: str
    what: str
    of_images: tuple[str, ...]

    def __len__(self) -> int:
        return len(set(self.of_images))


def _sequence(images: Sequence[str]) -> tuple[str, str, tuple[str, ...]]:
    """Return dataset.sequence, its reason, and what is to be asked."""
    by_name = _groups(_BY_NAME, "what is before the number in a name", images) or _groups(
        _BY_LAST_NUMBER, "what is before the last number in a name", images
    )
    by_folder = next(filter(None, (_groups(each, "the folder", images) for each in _folders(images))), None)
    found = [each for each in (by_name, by_folder) if each is not None]
    if not found:
        question = (
            "Are neighbouring images alike, such as frames of a film? Then let dataset.sequence name what they share, "
            "or test images are too easy. Default: no, each image is on its own"
        )
        return _EACH_ALONE, "each image is on its own", (question,)
    chosen = min(found, key=len)  # in larger sequences, more of what may be alike stays together
    asked: tuple[str, ...] = ()
    if len(set(zip(*(each.of_images for each in found), strict=True))) > max(map(len, found)):
        chosen = found[1]
        asked = (
            f"Are images of one folder alike, or those of all folders whose names begin as {found[0].of_images[0]}? "
            f"Default: those of a folder, such as {found[1].of_images[0]}; if not: sequence: {found[0].pattern}",
        )
    return chosen.pattern, f"{chosen.what}: {len(chosen)} sequences, each of which stays in one split", asked


def _groups(pattern: str, what: str, images: Sequence[str]) -> _Groups | None:
    """Return the sequences by a pattern; None: there are too few, or most have one image, or not all images match."""
    matches = [re.search(pattern, image) for image in images]
    found = _Groups(pattern, what, tuple(match[1] for match in matches if match is not None))
    return found if all(matches) and _FEWEST <= len(found) <= len(images) / 2 else None


def _folders(images: Sequence[str]) -> Iterator[str]:
    """Yield patterns of the images' folders, from the highest in which they differ; its name begins with that."""
    parents = [PurePosixPath(image).parent for image in images]
    same = len(PurePosixPath(os.path.commonpath(parents)).parts) if parents else 0
    for number in range(1, min((len(parent.parts) for parent in parents), default=0) - same + 1):
        yield "^" + "[^/]+/" * same + "(" + "/".join(["[^/]+"] * number) + ")/"
