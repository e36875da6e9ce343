"""The tables that the checks of a data set examine: columns of the manifest, and words for what is wrong alone."""

from functools import partial

import numpy as np
import pandas as pd

from pipeline.artifacts.manifest import SPLITS, USABLE, Rows
from pipeline.artifacts.validation import Split
from pipeline.core import near_duplicates
from pipeline.validation import groups
from pipeline.validation.facts import TURNED, Facts, Numbers, is_in_doubt
from pipeline.validation.groups import Table

_WORDS = ("id", "outside", "labels_outside", "contrast", *TURNED, *USABLE)


def tables_of(facts: Facts, near_duplicate_bits: int) -> dict[str, Table]:
    """Return the tables that the checks examine, one for each kind of item that can be wrong."""
    return {
        "images": Table(facts.judged, lambda rows: _described(facts.manifest.rows(rows, _WORDS))),
        "files": groups.of_files(facts),
        "nearest pairs": _nearest_pairs(facts, near_duplicate_bits),
        "sequences": groups.of_sequences(facts),
        "classes": _whole(_classes(facts), "training_pixels", "share_ratio"),
        "splits": _whole(_splits(facts), "num_images", "void_share"),
    }


def summary(facts: Facts) -> tuple[Split, ...]:
    """Return a summary of each split."""
    return tuple(_summarise(facts, number, name) for number, name in enumerate(SPLITS))


def _summarise(facts: Facts, number: int, name: str) -> Split:
    is_in_split, pixels_K = facts.splits == number, facts.pixels[number]
    labelled, void = pixels_K[:-1].sum(), pixels_K[-1]
    shares = (pixels_K[:-1] / max(labelled, 1)).tolist()
    return Split(
        name=name,
        images=int(is_in_split.sum()),
        sequences=len(np.unique(facts.sequences[is_in_split & (facts.sequences >= 0)])),
        sizes=dict(sorted((f"{width} x {height}", count) for (width, height), count in facts.sizes[number].items())),
        shares=dict(zip(facts.manifest.classes.names, shares, strict=True)),
        void_share=float(void / max(labelled + void, 1)),
    )


def _whole(frame: pd.DataFrame, *judged: str) -> Table:
    """Return a table of few rows, which is there in words already."""
    return Table({name: frame[name].to_numpy() for name in judged}, lambda rows: frame.iloc[rows])


def _sizes(widths: "pd.Series[int]", heights: "pd.Series[int]") -> "pd.Series[str]":
    """Return "<width> x <height>", NaN where it is unknown."""
    return (widths.astype("str") + " x " + heights.astype("str")).where(heights > 0)


def _described(images: pd.DataFrame) -> pd.DataFrame:
    """Return images in words."""
    return pd.DataFrame(
        {
            "name": images["id"],
            "shown": [(name,) for name in images["id"]],
            "problem": images["problem"],
            "missing": np.select([images["image"] == "", images["mask"] == ""], ["image", "mask"], ""),
            "image_size": _sizes(images["width"], images["height"]),
            "mask_size": _sizes(images["mask_width"], images["mask_height"]),
            "turned": _turned(images),
            "in_doubt": _orientations(images).where(is_in_doubt(images), ""),
            "outside": images["outside"],
            "labels_outside": images["labels_outside"],
            "contrast": images["contrast"],
        }
    )


def _turned(images: pd.DataFrame) -> "pd.Series[str]":
    """Return the orientations where image and mask differ in them, and what to do where they fit but for that."""
    fits = (images["width"] == images["mask_height"]) & (images["height"] == images["mask_width"])
    todo = np.where(fits, ": they fit as they are stored; if they match so, remove the tag", "")
    differ = images["orientation"] != images["mask_orientation"]
    return ("; " + _orientations(images) + todo).where(differ, "")


def _orientations(images: pd.DataFrame) -> "pd.Series[str]":
    image, mask = images["orientation"].astype("str"), images["mask_orientation"].astype("str")
    return "EXIF orientation " + image + " of the image, " + mask + " of the mask"


def _nearest_pairs(facts: Facts, max_bits: int) -> Table:
    """Return each image of val and test, with the most similar one of an earlier split if they are near duplicates.

    `bits` counts the bits that differ, up to max_bits + 1; the most similar pairs come first.
    """
    rows = np.flatnonzero(facts.is_hashed)
    splits = facts.splits[rows].astype(np.int64)
    nearest, bits = near_duplicates.nearest_earlier(facts.hashes[rows], splits, facts.contents[rows], max_bits)
    later = np.flatnonzero(splits > splits.min(initial=len(SPLITS)))
    later = later[np.argsort(bits[later], kind="stable")]
    counted = bits[later].clip(max=max_bits + 1)
    nearest = np.where(nearest < 0, nearest, rows[nearest])[later]
    return Table({"bits": counted}, partial(_pairs, facts.manifest, nearest, rows[later], counted))


def _pairs(manifest: Rows, nearest: Numbers, later: Numbers, bits: Numbers, rows: Numbers) -> pd.DataFrame:
    """Return some of the pairs in words."""
    pairs = [(nearest[i], later[i]) if nearest[i] >= 0 else (later[i],) for i in rows]
    numbers = np.array([number for pair in pairs for number in pair], np.int64)
    names = iter(manifest.rows(numbers, ("id",))["id"])
    shown = [tuple(next(names) for _ in pair) for pair in pairs]
    return pd.DataFrame({"name": [" ~ ".join(each) for each in shown], "shown": shown, "bits": bits[rows]})


def _classes(facts: Facts) -> pd.DataFrame:
    """Return one row per class; the share ratio is infinite where a split lacks the class, NaN where all do."""
    pixels_SK, classes = facts.pixels, facts.manifest.classes
    labelled_S = pixels_SK[:, :-1].sum(axis=1)
    shares_SC = pixels_SK[labelled_S > 0, :-1] / labelled_S[labelled_S > 0, None]
    low, high = shares_SC.min(axis=0, initial=1), shares_SC.max(axis=0, initial=0)
    ratios = np.divide(high, low, out=np.full_like(high, np.inf), where=low > 0)
    splits = [split for split, labelled in zip(SPLITS, labelled_S, strict=True) if labelled > 0]
    return pd.DataFrame(
        {
            "name": classes.names,
            "shown": [()] * len(classes),
            "training_pixels": pixels_SK[0, :-1],
            "num_training_images": int((facts.splits == 0).sum()),
            "share_ratio": np.where(high > 0, ratios, np.nan),
            "shares": [
                ", ".join(f"{split} {share:.2%}" for split, share in zip(splits, shares_S, strict=True))
                for shares_S in shares_SC.T
            ],
        }
    )


def _splits(facts: Facts) -> pd.DataFrame:
    """Return one row per split."""
    splits = facts.manifest.splits
    pixels_SK = facts.pixels[: len(splits)]
    totals_S = pixels_SK.sum(axis=1)
    return pd.DataFrame(
        {
            "name": splits,
            "shown": [()] * len(splits),
            "num_images": [int((facts.is_usable & (facts.splits == i)).sum()) for i in range(len(splits))],
            "void_share": np.where(totals_S > 0, pixels_SK[:, -1] / np.maximum(totals_S, 1), np.nan),
        }
    )
