"""The section `dataset`: which images the pipeline works on."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from pipeline.params.section import Byte, Positive, Section, Seed, Share, Side, Text


class SplitCounts(Section):
    """Number of images in each split."""

    train: Positive
    """Training images."""
    val: Positive
    """Validation images, which select the best epoch."""
    test: Positive
    """Test images, which are scored once, at the end."""


class ScenesDataset(Section):
    """Synthetic road scenes: the built-in data set."""

    name: Literal["scenes"]
    """Synthetic road scenes."""
    seed: Seed
    """The same seed gives the same bytes."""
    height: Side
    """Image height, pixels."""
    width: Side
    """Image width, pixels."""
    images: SplitCounts
    """Number of images in each split."""
    images_per_sequence: Positive
    """Consecutive images that show the same street; a sequence is in one split only."""


class CamvidDataset(Section):
    """CamVid as in the SegNet release: 367, 101 and 233 images of 480x360 pixels, 11 classes; for research only."""

    name: Literal["camvid"]
    """The SegNet tutorial's copy of CamVid."""


class ClassRow(Section):
    """One label of a user's masks."""

    name: Text
    """Name in tables and metrics; rows with the same name are merged into one class."""
    value: Byte | None
    """Pixel value in an index mask; null where the masks are coloured."""
    colour: tuple[Byte, Byte, Byte]
    """Red, green, blue: the class's pixels in a colour mask, and its colour in overlays."""
    ignore: bool
    """True: these pixels become void, which is neither learnt nor scored."""


class FolderSplits(Section):
    """Splits by folder: an image belongs to the split whose folder, such as train or set1/train, is in its path."""

    by: Literal["folder"]
    """Split by folder name."""
    train: Text
    """Folder name of the training images."""
    val: Text
    """Folder name of the validation images."""
    test: Text
    """Folder name of the test images."""


class ListSplits(Section):
    """Splits by list files: UTF-8 text with one image path per line, relative to the data set's folder.

    Images that are in no list are left out.
    """

    by: Literal["list"]
    """Split by list files."""
    train: Text
    """List of the training images, relative to the data set's folder."""
    val: Text
    """List of the validation images."""
    test: Text
    """List of the test images."""


class RatioSplits(Section):
    """Splits by ratio: each sequence is assigned to a single split as a whole."""

    by: Literal["ratio"]
    """Split by ratio."""
    train: Share
    """Fraction of the images for training."""
    val: Share
    """Fraction of the images for validation."""
    test: Share
    """Fraction of the images for testing."""
    seed: Seed
    """Decides which sequence goes into which split."""

    @model_validator(mode="after")
    def _shares_add_up(self) -> Self:
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"expected train + val + test = 1, got {total:g}; change one of them")
        return self


class FolderDataset(Section):
    """A user's own images and masks."""

    name: Literal["folder"]
    """A folder of images and masks."""
    title: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    """Short name of the data set: the registered model is segnet-<title>."""
    path: Text
    """The data set's folder, absolute or relative to the repository."""
    images: Text
    """Glob of the images in it, such as images/**/*.jpg; files that `masks` also matches are not images."""
    masks: Text
    """Glob of the masks, such as masks/**/*_label.png. An image and a mask form a pair if the wildcards of both
    globs, taken without the suffix, match the same text: images/train/a.jpg and masks/train/a_label.png."""
    mask_kind: Literal["index", "colour"]
    """index: a pixel is a class value. colour: a pixel is a class colour."""
    classes: Annotated[tuple[ClassRow, ...], Field(min_length=2)]
    """The class table, in the order of the class indices."""
    sequence: Text
    """Regular expression with one group, searched for in the image's path below the data set's folder: the group names
    the sequence. ([^/]+)/[^/]+$ takes the image's folder, ([^/]+)$ makes each image a sequence of its own."""
    splits: Annotated[FolderSplits | ListSplits | RatioSplits, Field(discriminator="by")]
    """How images are assigned to train, val and test."""

    @field_validator("sequence")
    @classmethod
    def _has_one_group(cls, pattern: str) -> str:
        try:
            num_groups = re.compile(pattern).groups
        except re.error as err:
            raise ValueError(f"expected a regular expression, got {pattern!r}: {err}; correct it") from err
        if num_groups != 1:
            raise ValueError(f"expected one group in {pattern!r}, got {num_groups}; put the sequence's name in (...)")
        return pattern

    @model_validator(mode="after")
    def _class_table_is_usable(self) -> Self:
        keys: list[object] = [r.value if self.mask_kind == "index" else r.colour for r in self.classes]
        if None in keys:
            raise ValueError("expected a value for every class of an index mask, got null; add value: to each class")
        if len(set(keys)) < len(keys):
            raise ValueError(f"expected each {self.mask_kind} once in the class table, got {keys}; change one")
        if not 2 <= len({row.name for row in self.classes if not row.ignore}) <= 255:
            raise ValueError("expected 2 to 255 classes that are not ignored; add or merge classes")
        return self


Dataset = ScenesDataset | CamvidDataset | FolderDataset
