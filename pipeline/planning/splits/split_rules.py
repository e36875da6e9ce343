"""How images are assigned to train, val and test: as folders, lists or the images' names suggest."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from pipeline.data.assignment import Job
from pipeline.planning.splits import list_files, sequences
from pipeline.planning.splits.split_words import WORDS, named_by, split_of_folder

_OF_FOLDS = "fold 0, the first in nnU-Net's splits_final.json of the data set"
_OWN = "the splits are given"
_ANNOTATIONS = re.compile(r".*\.(json|xml)").fullmatch  # a list in such a file has a key: splits.json#train
_FOLD = re.compile(r"(?i)(.*[_\-. ])?(k?folds?|splits?|cv)[_\-. ]?\d+").fullmatch
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
    pattern, reason, questions = sequences.propose(images)
    if not named:
        rule = {"by": "ratio", **_SHARES, "seed": 1}
        asked = (*_of_some_folders(images), *([_question(files)] if files else []), *questions)
        return SplitRule(rule, pattern, "drawn: no usable folders or lists are named after splits", reason, asked)
    rule = {"by": kind, "train": named["train"], "val": named.get("val", _CARVED), "test": named.get("test")}
    source = _source(lists)
    among = () if lists else (*_of_folds(images), *_of_words(folders))
    if "val" in named and pattern == sequences.EACH_ALONE:
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
    return replace(rule, sequence=sequences.EACH_ALONE, sequence_reason=_OWN)


def _of_folds(images: Sequence[str]) -> tuple[str, ...]:
    """Return a question about folders that are named after folds and hold several splits each, where there are some."""
    splits_in: dict[str, set[str]] = {}
    for image in images:
        fold = next(filter(_FOLD, PurePosixPath(image).parent.parts), None)
        split = split_of_folder(image)
        if fold is not None and split is not None:
            splits_in.setdefault(fold, set()).add(split[0])
    folds = sorted(fold for fold, splits in splits_in.items() if len(splits) > 1)
    if len(folds) < 2:
        return ()
    return (
        f"Are {', '.join(folds[:4])} folds, which have the same images in other splits? Default: no, the images of all "
        f"are taken. If yes, validation stops at repeated images: run segnet init on one folder, such as {folds[0]}",
    )


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
