"""The section `dataset`: which images the pipeline works on."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from pipeline.files import storage_address
from pipeline.files.printable import printable
from pipeline.params import class_name
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
    value: Byte | Text | None
    """Pixel value in an index mask; label in annotations, where null stands for the pixels that none covers; null where
    the masks are coloured."""
    colour: tuple[Byte, Byte, Byte]
    """Red, green, blue: the class's pixels in a colour mask, and its colour in overlays."""
    ignore: bool
    """True: these pixels become void, which is neither learnt nor scored."""

    @field_validator("name")
    @classmethod
    def _is_seen(cls, name: str) -> str:
        if printable(name) != name or not class_name.spelling(name):
            raise ValueError(
                f"expected the name of a class in one line that can be seen, got {name!a}; write it without "
                "control characters"
            )
        return name


class Carved(Section):
    """Validation images that are taken from the training images: entire sequences, drawn at random."""

    share: Share
    """Fraction of the training images that have masks."""
    seed: Seed
    """Decides which sequences they are."""


class FolderSplits(Section):
    """Splits by folder: an image belongs to the split whose folder, such as train or set1/train, is in its path."""

    by: Literal["folder"]
    """Split by folder name."""
    train: Text
    """Folder name of the training images."""
    val: Text | Carved
    """Folder name of the validation images, or {share, seed}: that many of the training images."""
    test: Text | None
    """Folder name of the test images; null: there are none, and the validation images are scored in their place."""


class ListSplits(Section):
    """Splits by list files: UTF-8 text with one image per line; images that are in no list are left out.

    Or a list in a YAML or JSON file: splits.yaml#train is the one at the key train, splits_final.json#0.train the one
    of the first of nnU-Net's folds. Or a folder, with / at its end: all images in it; or a file that `masks` matches,
    such as annotations/instances_train.json: all images that it annotates. An image is named by its path relative to
    the data set's folder, its file name with or without suffix, its mask's name without suffix, or the only number in
    its own; where `images` and `masks` are null, a line is the path of an image and that of its mask, of which leading
    folders may be others.
    """

    by: Literal["list"]
    """Split by list files."""
    train: Text
    """List of the training images, relative to the data set's folder."""
    val: Text | Carved
    """List of the validation images, or {share, seed}: that many of the training images."""
    test: Text | None
    """List of the test images; null: there are none, and the validation images are scored in their place."""


class RatioSplits(Section):
    """Splits by ratio: each sequence is assigned to a single split as a whole."""

    by: Literal["ratio"]
    """Split by ratio."""
    train: Share
    """Fraction of the images that have masks, for training."""
    val: Share
    """Fraction of the images that have masks, for validation."""
    test: Share | None
    """Fraction of the images that have masks, for testing; null: there are no test images, and the validation images
    are scored in their place."""
    seed: Seed
    """Decides which sequence goes into which split."""

    @model_validator(mode="after")
    def _shares_add_up(self) -> Self:
        total = self.train + self.val + (self.test or 0)
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
    """The data set's folder, absolute or relative to the repository. s3://bucket/prefix, gs://bucket/prefix or
    az://container/prefix: an object store, from which all below it is copied to this machine first."""
    images: Text | None
    """Glob of the images in it, such as images/**/*.jpg; files that `masks` also matches are not images. {train,val}
    stands for either word. null: the lists of `splits` name both images and masks."""
    masks: Text | None
    """Glob of the masks, such as masks/**/*_label.png; it may be absolute, or start with .., if they lie elsewhere. An
    image and a mask form a pair if the wildcards of both globs, taken without the suffix, match the same text:
    images/train/a.jpg and masks/train/a_label.png. Of panoptic, coco and cvat, the glob of the annotation files, which
    name their images. null: as `images`."""
    mask_kind: Literal["index", "colour", "panoptic", "coco", "labelme", "cvat", "yolo"]
    """index: a pixel is a class value. colour: a pixel is a class colour. Annotations, whose classes are named by their
    labels: panoptic: COCO's, a JSON file of segments beside a folder of PNGs. coco: COCO's polygons, a JSON file for
    many images. labelme: LabelMe's, a JSON file for each image. cvat: CVAT's XML for images. yolo: Ultralytics'
    polygons, a text file for each image, whose labels are the numbers of classes; an image without one shows no object,
    unless no image of its folder has one."""
    classes: Annotated[tuple[ClassRow, ...], Field(min_length=2)]
    """The class table, in the order of the class indices."""
    sequence: Text
    """Regular expression with one group, searched for in the image's path below the data set's folder: the group names
    the sequence. ([^/]+)/[^/]+$ takes the image's folder, ^([^/]+)/ the highest one, such as a patient's or a video's;
    (.+) makes each image a sequence of its own. Cross-validation and intervals keep sequences together too."""
    splits: Annotated[FolderSplits | ListSplits | RatioSplits, Field(discriminator="by")]
    """How images are assigned to train, val and test."""

    @field_validator("path")
    @classmethod
    def _is_a_place(cls, path: str) -> str:
        if "://" in path:
            storage_address.check_address(path, folders=False)
        return path

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

    @property
    def is_annotated(self) -> bool:
        """Return whether labels are named, and drawn from annotations."""
        return self.mask_kind not in ("index", "colour")

    @model_validator(mode="after")
    def _names_images_and_masks(self) -> Self:
        listed = isinstance(self.splits, ListSplits) and not self.is_annotated
        if (self.images is None) != (self.masks is None) or (self.images is None and not listed):
            raise ValueError(
                "expected globs as images and masks, or null for both where splits by list name pairs of files, got "
                f"{self.images} and {self.masks} with splits by {self.splits.by} and mask_kind {self.mask_kind}; "
                "correct one of them"
            )
        return self

    @model_validator(mode="after")
    def _class_table_is_usable(self) -> Self:
        keys: list[object] = [r.colour if self.mask_kind == "colour" else r.value for r in self.classes]
        if self.mask_kind == "index" and None in keys:
            raise ValueError("expected a value for every class of an index mask, got null; add value: to each class")
        kind, word = (str, "a label or null") if self.is_annotated else (int, "a number or null")
        if wrong := [r.value for r in self.classes if not isinstance(r.value, kind | None)]:
            raise ValueError(f"expected {word} as value of a class of mask_kind {self.mask_kind}, got {wrong[0]!r}")
        if len(set(keys)) < len(keys):
            what = "label" if self.is_annotated else self.mask_kind
            raise ValueError(f"expected each {what} once in the class table, got {keys}; change one")
        names: dict[str, str] = {}
        for name in [row.name for row in self.classes if not row.ignore]:
            if (other := names.setdefault(class_name.spelling(name), name)) != name:
                got = " and ".join(map(class_name.told, (other, name)))
                raise ValueError(
                    "expected names of classes that differ in more than case, blanks, the encoding of letters and "
                    f"characters that are not seen, got {got}; write one name for both to merge them, or rename one"
                )
        if not 2 <= len(names) <= 255:
            raise ValueError("expected 2 to 255 classes that are not ignored; add or merge classes")
        return self


def num_classes(dataset: "ScenesDataset | CamvidDataset | FolderDataset") -> int:
    """Return how many classes are told apart: rows of the same name are one, and ignored ones none."""
    if isinstance(dataset, FolderDataset):
        return len({row.name for row in dataset.classes if not row.ignore})
    return 11  # CamVid's, which the drawn scenes have too


Dataset = ScenesDataset | CamvidDataset | FolderDataset
