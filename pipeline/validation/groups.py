"""What checks examine: tables of items that can be wrong; and those of files and sequences, which images share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.artifacts.manifest import SPLITS
from pipeline.validation.facts import Facts, Numbers


@dataclass(frozen=True)
class Table:
    """Items of one kind that can be wrong, such as images: a few bytes for each, however many there are."""

    columns: Mapping[str, npt.NDArray[Any]]
    """What checks judge: a number for each item, NaN where there is nothing to judge, as the contrast of an unreadable
    image."""
    described: Callable[[Numbers], pd.DataFrame]
    """Returns some rows, by ascending number, in words: the columns `name`; `shown`, a tuple of the ids of images that
    show the item; and those that the offences name."""


def of_files(facts: Facts) -> Table:
    """Return one row for each distinct image file."""
    return _groups(facts, facts.contents, _files)


def of_sequences(facts: Facts) -> Table:
    """Return one row for each sequence."""
    return _groups(facts, facts.sequences, _sequences)


def _groups(facts: Facts, numbers: Numbers, words: Callable[[pd.DataFrame], pd.DataFrame]) -> Table:
    """Return one row for each number but -1, in the order of its first image: that of the splits, then of ids."""
    order = np.argsort(facts.splits, kind="stable")
    order = order[numbers[order] >= 0]
    groups, values = pd.factorize(numbers[order])
    present = np.zeros((len(values), len(SPLITS)), np.bool_)
    present[groups, facts.splits[order]] = True

    def described(rows: Numbers) -> pd.DataFrame:
        return words(facts.manifest.rows(order[np.isin(groups, rows)], ("id", "split", "sequence", "sha256")))

    return Table({"num_splits": present.sum(axis=1)}, described)


def _files(images: pd.DataFrame) -> pd.DataFrame:
    """Return one row per distinct image file, shown by the first image of each split, then by all others."""
    groups = _by_value(images, "sha256").values()
    firsts = [[names[0] for names in splits.values()] for splits in groups]
    others = [[name for names in splits.values() for name in names[1:]] for splits in groups]
    return pd.DataFrame(
        {
            "name": [" = ".join(names) for names in firsts],
            "shown": [(*first, *other) for first, other in zip(firsts, others, strict=True)],
            "where": [_where(splits) for splits in groups],
        }
    )


def _sequences(images: pd.DataFrame) -> pd.DataFrame:
    """Return one row per sequence, shown by its first image in each split."""
    groups = _by_value(images, "sequence")
    return pd.DataFrame(
        {
            "name": list(groups),
            "shown": [tuple(names[0] for names in splits.values()) for splits in groups.values()],
            "where": [_where(splits) for splits in groups.values()],
        }
    )


def _by_value(images: pd.DataFrame, column: str) -> dict[str, dict[str, list[str]]]:
    """Return the ids of images, which are in the order of the splits, by value of `column`, then by split."""
    groups: dict[str, dict[str, list[str]]] = {}
    for value, split, name in zip(images[column], images["split"], images["id"], strict=True):
        groups.setdefault(value, {}).setdefault(split, []).append(name)
    return groups


def _where(splits: dict[str, list[str]]) -> str:
    return ", ".join(f"{split} {len(names)}" for split, names in splits.items())
