"""The tables that the checks of a data set examine: columns of the manifest, and words for what is wrong alone."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.artifacts.manifest import SPLITS, Manifest
from pipeline.artifacts.validation import Split
from pipeline.core import near_duplicates
from pipeline.core.arrays import Counts
from pipeline.validation import groups
from pipeline.validation.groups import Numbers, Table

_AT_ONCE = 2**16  # hashes that are texts
_TRANSPOSED = 5  # the EXIF orientations from here on exchange rows and columns


def tables_of(manifest: Manifest, near_duplicate_bits: int) -> dict[str, Table]:
    """Return the tables that the checks examine, one for each kind of item that can be wrong."""
    images, pixels_SK = manifest.images, _pixels_by_split(manifest)
    contents = groups.numbers_of(images["sha256"])
    return {
        "images": Table(_images(manifest), lambda rows: _described(replace(manifest, images=images.iloc[rows]))),
        "files": groups.of_files(images, contents),
        "nearest pairs": _nearest_pairs(images, contents, near_duplicate_bits),
        "sequences": groups.of_sequences(images),
        "classes": _whole(_classes(manifest, pixels_SK), "training_pixels", "share_ratio"),
        "splits": _whole(_splits(manifest, pixels_SK), "num_images", "void_share"),
    }


def summary(manifest: Manifest) -> tuple[Split, ...]:
    """Return a summary of each split."""
    pixels_SK = _pixels_by_split(manifest)
    return tuple(_summarise(manifest, name, pixels_K) for name, pixels_K in zip(SPLITS, pixels_SK, strict=True))


def _summarise(manifest: Manifest, name: str, pixels_K: Counts) -> Split:
    images = manifest.images.loc[manifest.images["split"] == name, ["sequence", "width", "height"]]
    sizes = images.loc[images["height"] > 0, ["width", "height"]].value_counts().reset_index()
    labelled, void = pixels_K[:-1].sum(), pixels_K[-1]
    return Split(
        name=name,
        images=len(images),
        sequences=images.loc[images["sequence"] != "", "sequence"].nunique(),
        sizes=dict(sorted((f"{width} x {height}", count) for width, height, count in sizes.to_numpy().tolist())),
        shares=dict(zip(manifest.classes.names, (pixels_K[:-1] / max(labelled, 1)).tolist(), strict=True)),
        void_share=float(void / max(labelled + void, 1)),
    )


def _pixels_by_split(manifest: Manifest) -> Counts:
    """Return mask pixels by split, class and void, (3, C + 1); images that are left out do not count."""
    pixels_NK, splits, is_usable = manifest.pixels, manifest.images["split"], manifest.is_usable
    is_counted = ((splits == split) & is_usable for split in SPLITS)
    return np.stack([pixels_NK.sum(axis=0, where=images.to_numpy()[:, None]) for images in is_counted])


def _whole(frame: pd.DataFrame, *judged: str) -> Table:
    """Return a table of few rows, which is there in words already."""
    return Table({name: frame[name].to_numpy() for name in judged}, lambda rows: frame.iloc[rows])


def _sizes(widths: "pd.Series[int]", heights: "pd.Series[int]") -> "pd.Series[str]":
    """Return "<width> x <height>", NaN where it is unknown."""
    return (widths.astype("str") + " x " + heights.astype("str")).where(heights > 0)


def _images(manifest: Manifest) -> dict[str, npt.NDArray[Any]]:
    """Return what checks judge of each image."""
    images = manifest.images
    has_image, has_mask = images["height"] > 0, images["mask_height"] > 0
    differ = (images["height"] != images["mask_height"]) | (images["width"] != images["mask_width"])
    known = (images["orientation"] > 0) & (images["mask_orientation"] > 0)
    columns: dict[str, pd.Series[Any]] = {
        "unreadable": images["problem"] != "",
        "without_partner": (images["image"] == "") | (images["mask"] == ""),
        "sizes_differ": differ.astype("float32").where(has_image & has_mask),
        "turned_in_doubt": _is_in_doubt(images).astype("float32").where(known),
        "outside": images["outside"].where(has_mask),
        "labelled": pd.Series(manifest.pixels[:, :-1].sum(axis=1), images.index).where(has_mask),
        "contrast": images["contrast"].where(has_image),
    }
    return {name: column.to_numpy() for name, column in columns.items()}


def _described(manifest: Manifest) -> pd.DataFrame:
    """Return images in words."""
    images = manifest.images
    return pd.DataFrame(
        {
            "name": images["id"],
            "shown": [(name,) for name in images["id"]],
            "problem": images["problem"],
            "missing": np.select([images["image"] == "", images["mask"] == ""], ["image", "mask"], ""),
            "image_size": _sizes(images["width"], images["height"]),
            "mask_size": _sizes(images["mask_width"], images["mask_height"]),
            "turned": ("; " + _orientations(images)).where(images["orientation"] != images["mask_orientation"], ""),
            "in_doubt": _orientations(images).where(_is_in_doubt(images), ""),
            "outside": images["outside"],
            "labels_outside": images["labels_outside"],
            "contrast": images["contrast"],
        }
    )


def _orientations(images: pd.DataFrame) -> "pd.Series[str]":
    image, mask = images["orientation"].astype("str"), images["mask_orientation"].astype("str")
    return "EXIF orientation " + image + " of the image, " + mask + " of the mask"


def _is_in_doubt(images: pd.DataFrame) -> "pd.Series[bool]":
    """Return where both orientations differ and the sizes fit both upright and as stored.

    A mask may have been drawn over the image as stored, or as a viewer shows it; where only one of the two fits, it is
    the one.
    """
    differ = images["orientation"] != images["mask_orientation"]
    upright = (images["height"] == images["mask_height"]) & (images["width"] == images["mask_width"])
    alike = (images["orientation"] >= _TRANSPOSED) == (images["mask_orientation"] >= _TRANSPOSED)
    stored = alike | (images["height"] == images["width"])
    return differ & upright & stored


def _nearest_pairs(images: pd.DataFrame, contents: Numbers, max_bits: int) -> Table:
    """Return each image of val and test, with the most similar one of an earlier split if they are near duplicates.

    `contents` numbers the images' file contents. `bits` counts the bits that differ, up to max_bits + 1; the most
    similar pairs come first.
    """
    rows = np.flatnonzero(images["phash"] != "")
    splits = groups.splits_of(images)[rows].astype(np.int64)
    texts = (images["phash"].iloc[rows[start : start + _AT_ONCE]] for start in range(0, len(rows), _AT_ONCE))
    hashes = b"".join(bytes.fromhex("".join(some)) for some in texts)
    nearest, bits = near_duplicates.nearest_earlier(
        np.frombuffer(hashes, ">u8").astype(np.uint64), splits, contents[rows], max_bits
    )
    later = np.flatnonzero(splits > splits.min(initial=len(SPLITS)))
    later = later[np.argsort(bits[later], kind="stable")]
    counted = bits[later].clip(max=max_bits + 1)
    nearest = np.where(nearest < 0, nearest, rows[nearest])[later]
    return Table({"bits": counted}, partial(_pairs, images["id"], nearest, rows[later], counted))


def _pairs(ids: "pd.Series[str]", nearest: Numbers, later: Numbers, bits: Numbers, rows: Numbers) -> pd.DataFrame:
    """Return some of the pairs in words."""
    pairs = [(nearest[i], later[i]) if nearest[i] >= 0 else (later[i],) for i in rows]
    shown = [tuple(ids.iloc[list(pair)]) for pair in pairs]
    return pd.DataFrame({"name": [" ~ ".join(each) for each in shown], "shown": shown, "bits": bits[rows]})


def _classes(manifest: Manifest, pixels_SK: Counts) -> pd.DataFrame:
    """Return one row per class; the share ratio is infinite where a split lacks the class, NaN where all do."""
    labelled_S = pixels_SK[:, :-1].sum(axis=1)
    shares_SC = pixels_SK[labelled_S > 0, :-1] / labelled_S[labelled_S > 0, None]
    low, high = shares_SC.min(axis=0, initial=1), shares_SC.max(axis=0, initial=0)
    ratios = np.divide(high, low, out=np.full_like(high, np.inf), where=low > 0)
    splits = [split for split, labelled in zip(SPLITS, labelled_S, strict=True) if labelled > 0]
    return pd.DataFrame(
        {
            "name": manifest.classes.names,
            "shown": [()] * len(manifest.classes),
            "training_pixels": pixels_SK[0, :-1],
            "num_training_images": int((manifest.images["split"] == SPLITS[0]).sum()),
            "share_ratio": np.where(high > 0, ratios, np.nan),
            "shares": [
                ", ".join(f"{split} {share:.2%}" for split, share in zip(splits, shares_S, strict=True))
                for shares_S in shares_SC.T
            ],
        }
    )


def _splits(manifest: Manifest, pixels_SK: Counts) -> pd.DataFrame:
    """Return one row per split."""
    pixels_SK = pixels_SK[: len(manifest.splits)]
    totals_S = pixels_SK.sum(axis=1)
    return pd.DataFrame(
        {
            "name": manifest.splits,
            "shown": [()] * len(manifest.splits),
            "num_images": [
                int(((manifest.images["split"] == split) & manifest.is_usable).sum()) for split in manifest.splits
            ],
            "void_share": np.where(totals_S > 0, pixels_SK[:, -1] / np.maximum(totals_S, 1), np.nan),
        }
    )
