"""The tables that the checks of a data set examine: the manifest in pandas."""

import numpy as np
import pandas as pd

from pipeline.artifacts.manifest import PIXELS, SPLITS, Manifest
from pipeline.artifacts.validation import Split
from pipeline.core import near_duplicates
from pipeline.core.arrays import Counts

_TRANSPOSED = 5  # the EXIF orientations from here on exchange rows and columns


def tables_of(manifest: Manifest, near_duplicate_bits: int) -> dict[str, pd.DataFrame]:
    """Return the tables that the checks examine, one for each kind of item that can be wrong.

    Every table has the columns `name`, the name of a row, and `shown`, a tuple of the ids of images that show it. NaN
    means that a check has nothing to judge, such as the contrast of an unreadable image.
    """
    images = manifest.images
    pixels_SK = _pixels_by_split(manifest)
    return {
        "images": _images(manifest),
        "files": _files(images[images["sha256"] != ""]),
        "nearest pairs": _nearest_pairs(images[images["phash"] != ""], near_duplicate_bits),
        "sequences": _sequences(images[images["sequence"] != ""]),
        "classes": _classes(manifest, pixels_SK),
        "splits": _splits(manifest, pixels_SK),
    }


def summary(manifest: Manifest) -> tuple[Split, ...]:
    """Return a summary of each split."""
    pixels_SK = _pixels_by_split(manifest)
    return tuple(_summarise(manifest, name, pixels_K) for name, pixels_K in zip(SPLITS, pixels_SK, strict=True))


def _summarise(manifest: Manifest, name: str, pixels_K: Counts) -> Split:
    images = manifest.images[manifest.images["split"] == name]
    sizes = _sizes(images["width"], images["height"]).value_counts().sort_index()
    labelled, void = pixels_K[:-1].sum(), pixels_K[-1]
    return Split(
        name=name,
        images=len(images),
        sequences=images.loc[images["sequence"] != "", "sequence"].nunique(),
        sizes={str(size): int(count) for size, count in sizes.items()},
        shares=dict(zip(manifest.classes.names, (pixels_K[:-1] / max(labelled, 1)).tolist(), strict=True)),
        void_share=float(void / max(labelled + void, 1)),
    )


def _pixels(manifest: Manifest) -> Counts:
    """Return mask pixels by image, class and void, (N, C + 1)."""
    shape = (len(manifest.images), len(manifest.classes) + 1)
    return np.array(manifest.images[PIXELS].tolist(), np.int64).reshape(shape)


def _pixels_by_split(manifest: Manifest) -> Counts:
    """Return mask pixels by split, class and void, (3, C + 1)."""
    pixels_NK = _pixels(manifest)
    pixels_NK[~manifest.images.index.isin(manifest.usable.index)] = 0  # they are left out
    return np.stack([pixels_NK[(manifest.images["split"] == split).to_numpy()].sum(axis=0) for split in SPLITS])


def _sizes(widths: "pd.Series[int]", heights: "pd.Series[int]") -> "pd.Series[str]":
    """Return "<width> x <height>", NaN where it is unknown."""
    return (widths.astype("str") + " x " + heights.astype("str")).where(heights > 0)


def _images(manifest: Manifest) -> pd.DataFrame:
    """Return one row per image."""
    images = manifest.images
    has_mask = images["mask_height"] > 0
    return pd.DataFrame(
        {
            "name": images["id"],
            "shown": [(name,) for name in images["id"]],
            "problem": images["problem"],
            "missing": np.select([images["image"] == "", images["mask"] == ""], ["image", "mask"], ""),
            "image_size": _sizes(images["width"], images["height"]),
            "mask_size": _sizes(images["mask_width"], images["mask_height"]),
            "turned": ("; " + _orientations(images)).where(images["orientation"] != images["mask_orientation"], ""),
            "in_doubt": _in_doubt(images),
            "outside": images["outside"].where(has_mask),
            "labels_outside": images["labels_outside"],
            "labelled": pd.Series(_pixels(manifest)[:, :-1].sum(axis=1), images.index).where(has_mask),
            "contrast": images["contrast"].where(images["height"] > 0),
        }
    )


def _orientations(images: pd.DataFrame) -> "pd.Series[str]":
    image, mask = images["orientation"].astype("str"), images["mask_orientation"].astype("str")
    return "EXIF orientation " + image + " of the image, " + mask + " of the mask"


def _in_doubt(images: pd.DataFrame) -> "pd.Series[str]":
    """Return both orientations where they differ and the sizes fit both upright and as stored, "" elsewhere.

    A mask may have been drawn over the image as stored, or as a viewer shows it; where only one of the two fits, it is
    the one. NaN where image or mask is missing or unreadable.
    """
    known = (images["orientation"] > 0) & (images["mask_orientation"] > 0)
    differ = images["orientation"] != images["mask_orientation"]
    upright = (images["height"] == images["mask_height"]) & (images["width"] == images["mask_width"])
    alike = (images["orientation"] >= _TRANSPOSED) == (images["mask_orientation"] >= _TRANSPOSED)
    stored = alike | (images["height"] == images["width"])
    return _orientations(images).where(differ & upright & stored, "").where(known)


def _files(images: pd.DataFrame) -> pd.DataFrame:
    """Return one row per distinct image file, shown by the first image of each split, then by all others."""
    groups = _groups(images, "sha256").values()
    firsts = [[names[0] for names in splits.values()] for splits in groups]
    others = [[name for names in splits.values() for name in names[1:]] for splits in groups]
    return pd.DataFrame(
        {
            "name": [" = ".join(names) for names in firsts],
            "shown": [(*first, *other) for first, other in zip(firsts, others, strict=True)],
            "num_splits": [len(splits) for splits in groups],
            "where": [_where(splits) for splits in groups],
        }
    )


def _sequences(images: pd.DataFrame) -> pd.DataFrame:
    """Return one row per sequence, shown by its first image in each split."""
    groups = _groups(images, "sequence")
    return pd.DataFrame(
        {
            "name": list(groups),
            "shown": [tuple(names[0] for names in splits.values()) for splits in groups.values()],
            "num_splits": [len(splits) for splits in groups.values()],
            "where": [_where(splits) for splits in groups.values()],
        }
    )


def _groups(images: pd.DataFrame, column: str) -> dict[str, dict[str, list[str]]]:
    """Return the ids of images by value of `column`, then by split."""
    groups: dict[str, dict[str, list[str]]] = {}
    for split in SPLITS:
        members = images[images["split"] == split]
        for value, name in zip(members[column], members["id"], strict=True):
            groups.setdefault(value, {}).setdefault(split, []).append(name)
    return groups


def _where(splits: dict[str, list[str]]) -> str:
    return ", ".join(f"{split} {len(names)}" for split, names in splits.items())


def _nearest_pairs(images: pd.DataFrame, max_bits: int) -> pd.DataFrame:
    """Return each image of val and test, with the most similar one of an earlier split if they are near duplicates.

    `bits` counts the bits that differ, up to max_bits + 1; the most similar pairs come first.
    """
    groups = images["split"].map(SPLITS.index).to_numpy(np.int64)
    nearest, bits = near_duplicates.nearest_earlier(
        np.array([int(digits, 16) for digits in images["phash"]], np.uint64),
        groups,
        pd.factorize(images["sha256"])[0].astype(np.int64),
        max_bits,
    )
    later = np.flatnonzero(groups > groups.min(initial=len(SPLITS)))
    ids = images["id"].to_numpy()
    shown = [(ids[nearest[i]], ids[i]) if nearest[i] >= 0 else (ids[i],) for i in later]
    names = [" ~ ".join(each) for each in shown]
    table = pd.DataFrame({"name": names, "shown": shown, "bits": bits[later].clip(max=max_bits + 1)})
    return table.sort_values("bits", kind="stable", ignore_index=True)


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
            "num_images": [int((manifest.usable["split"] == split).sum()) for split in manifest.splits],
            "void_share": np.where(totals_S > 0, pixels_SK[:, -1] / np.maximum(totals_S, 1), np.nan),
        }
    )
