"""What checks examine: tables of items that can be wrong; and those of files and sequences, which images share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.artifacts.manifest import SPLITS

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Table:
    """Items of one kind that can be wrong, such as images: a few bytes for each, however many there are."""

    columns: Mapping[str, npt.NDArray[Any]]
    """What checks judge: a number for each item, NaN where there is nothing to judge, as the contrast of an unreadable
    image."""
    described: Callable[[Numbers], pd.DataFrame]
    """Returns some rows, by ascending number, in words: the columns `name`; `shown`, a tuple of the ids of images that
    show the item; and those that the offences name."""


def of_files(images: pd.DataFrame, contents: Numbers) -> Table:
    """Return one row for each distinct image file; `contents` numbers them."""
    return _groups(images, contents, _files)


def of_sequences(images: pd.DataFrame) -> Table:
    """Return one row for each sequence."""
    return _groups(images, numbers_of(images["sequence"]), _sequences)


def numbers_of(texts: "pd.Series[str]") -> Numbers:
    """Return a number for each text, the same for the same one; -1 for one that is empty."""
    return pd.factorize(texts.where(texts != ""))[0].astype(np.int64)


def splits_of(images: pd.DataFrame) -> npt.NDArray[np.int8]:
    """Return the number of each image's split."""
    return images["split"].map(SPLITS.index).to_numpy(np.int8)


def _groups(images: pd.DataFrame, numbers: Numbers, words: Callable[[pd.DataFrame], pd.DataFrame]) -> Table:
    """Return one row for each number but -1, in the order of its first image: that of the splits, then of ids."""
    splits = splits_of(images)
    order = np.argsort(splits, kind="stable")
    order = order[numbers[order] >= 0]
    groups, values = pd.factorize(numbers[order])
    present = np.zeros((len(values), len(SPLITS)), np.bool_)
    present[groups, splits[order]] = True
    return Table({"num_splits": present.sum(axis=1)}, lambda rows: words(images.iloc[order[np.isin(groups, rows)]]))


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
