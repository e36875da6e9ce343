"""The sections download, validate and tile, which are about data; and tracking."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.params.section import Fraction, Positive, Section, Side, Text

Severity = Literal["error", "warning"]


class Download(Section):
    """Limits of fetching and unpacking."""

    attempts: Annotated[int, Field(ge=1, le=20)]
    """How often a transfer is tried before it is given up; the pause doubles each time."""
    timeout_seconds: Annotated[float, Field(gt=0)]
    """Longest silence of a server, seconds."""
    max_members: Positive
    """Most members of an archive."""
    max_megabytes: Positive
    """Most that an archive may unpack to, 1e6 bytes."""


class Severities(Section):
    """error stops the path; warning is printed and recorded."""

    unreadable_image: Severity
    """An image or mask that cannot be decoded, or is refused with a reason."""
    missing_pair: Severity
    """An image without a mask, or a mask without an image."""
    size_mismatch: Severity
    """Image and mask of different size."""
    label_outside_table: Severity
    """A mask pixel that the class table does not name."""
    duplicate_across_splits: Severity
    """The same image file in two splits."""
    class_without_training_pixels: Severity
    """A class that training never sees."""
    empty_split: Severity
    """A split without images."""
    all_void_mask: Severity
    """A mask without one labelled pixel."""
    near_duplicate_across_splits: Severity
    """Almost the same picture in two splits, by perceptual hash."""
    shared_sequence_across_splits: Severity
    """A sequence with images in two splits."""
    class_share_shift: Severity
    """A class much more frequent in one split than in another."""
    blank_image: Severity
    """An image of nearly one grey value."""
    void_share: Severity
    """A split with many unlabelled pixels."""


class Validate(Section):
    """What the data must satisfy before a second of training is spent."""

    severities: Severities
    """How bad each finding is."""
    near_duplicate_bits: Annotated[int, Field(ge=0, le=32)]
    """Pictures whose 64-bit perceptual hashes differ in at most this many bits are near duplicates."""
    max_class_share_ratio: Annotated[float, Field(gt=1)]
    """Largest ratio of a class's pixel share in two splits."""
    min_contrast: Annotated[float, Field(ge=0, le=128)]
    """Smallest standard deviation of the grey values, 0..255, of an image that is not blank."""
    max_void_share: Fraction
    """Largest share of void pixels in a split."""


class Tile(Section):
    """How images are cut."""

    scale: Annotated[float, Field(gt=0, le=1)]
    """Images are resized by this factor first; masks by nearest neighbour."""
    height: Side
    """Height of a tile, pixels after scaling."""
    width: Side
    """Width of a tile, pixels after scaling."""
    stride_y: Positive
    """Rows between the origins of neighbouring tiles."""
    stride_x: Positive
    """Columns between the origins of neighbouring tiles."""
    drop_unlabelled: bool
    """Drop tiles in which every pixel is void."""
    tiles_per_shard: Positive
    """A shard is closed by the image that reaches this many tiles; shards are made in parallel."""

    @model_validator(mode="after")
    def _tiles_leave_no_gap(self) -> Self:
        for axis, stride, side in (("y", self.stride_y, self.height), ("x", self.stride_x, self.width)):
            if stride > side:
                raise ValueError(
                    f"expected stride_{axis} <= the tile's side {side}, got {stride}: pixels would be lost"
                )
        return self


class Tracking(Section):
    """Where runs are recorded."""

    experiment: Text
    """MLflow experiment; the environment's MLFLOW_EXPERIMENT_NAME wins."""
