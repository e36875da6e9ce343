"""The sections download, validate and tile, which concern data; placement, storage and tracking."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.files import storage_address
from pipeline.params.section import Fraction, Natural, Positive, Section, Side, Text

Severity = Literal["error", "warning"]


class Download(Section):
    """Limits on downloading and unpacking, and the form of data/raw."""

    attempts: Annotated[int, Field(ge=1, le=20)]
    """How often a transfer is attempted before giving up; the pause doubles each time."""
    timeout_seconds: Annotated[float, Field(gt=0)]
    """Longest wait for data from a server, seconds."""
    max_members: Positive
    """Largest number of members in an archive."""
    max_megabytes: Positive
    """Largest size that an archive may unpack to, 1e6 bytes."""
    files_up_to: Natural
    """Up to so many images, data/raw has a file for each image and each mask; of more, shards of about 128 MB."""


class Severities(Section):
    """error stops the pipeline; warning is printed and recorded."""

    unreadable_image: Severity
    """An image or mask that cannot be decoded or is refused. As a warning, it is left out of tiles and scores."""
    missing_pair: Severity
    """An image without a mask, or a mask without an image. As a warning, it is left out of tiles and scores."""
    size_mismatch: Severity
    """An image and a mask of different sizes. As a warning, they are left out of tiles and scores."""
    orientation_mismatch: Severity
    """An image and a mask of different EXIF orientations whose sizes do not show how the mask was drawn."""
    label_outside_table: Severity
    """A mask pixel whose value is not in the class table."""
    duplicate_across_splits: Severity
    """The same image file in two splits."""
    class_without_training_pixels: Severity
    """A class without a pixel in the training split."""
    empty_split: Severity
    """A split without images."""
    all_void_mask: Severity
    """A mask without a single labelled pixel."""
    near_duplicate_across_splits: Severity
    """Almost the same image in two splits, by perceptual hash."""
    shared_sequence_across_splits: Severity
    """A sequence with images in two splits."""
    class_share_shift: Severity
    """A class much more frequent in one split than in another."""
    blank_image: Severity
    """An image of nearly one grey value."""
    void_share: Severity
    """A split with many unlabelled pixels."""


class Validate(Section):
    """What the data must satisfy before training starts."""

    severities: Severities
    """Severity of each finding."""
    near_duplicate_bits: Annotated[int, Field(ge=0, le=32)]
    """Images whose 64-bit perceptual hashes differ in at most this many bits are near duplicates."""
    max_class_share_ratio: Annotated[float, Field(gt=1)]
    """Largest ratio of a class's pixel share in two splits."""
    min_contrast: Annotated[float, Field(ge=0, le=128)]
    """An image whose grey values, 0..255, have a smaller standard deviation counts as blank."""
    max_void_share: Fraction
    """Largest fraction of void pixels in a split."""


class Tile(Section):
    """How images are cut into tiles."""

    scale: Annotated[float, Field(ge=0.01, le=1)]
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
    """A shard ends with the image that brings it to this many tiles; shards are written in parallel."""

    @model_validator(mode="after")
    def _tiles_leave_no_gap(self) -> Self:
        for axis, stride, side in (("y", self.stride_y, self.height), ("x", self.stride_x, self.width)):
            if stride > side:
                raise ValueError(
                    f"expected stride_{axis} <= the tile's side {side}, got {stride}; lower it, or pixels are lost"
                )
        return self


class Placement(Section):
    """On which nodes of a cluster workers run. It is no part of a run's name."""

    strategy: Literal["pack", "spread"]
    """pack: on as few nodes as possible, where gradients travel least; spread: on as many as possible."""
    node_labels: dict[Text, Annotated[str, Field(pattern=r"^\w([\w.-]*\w)?$")]]
    """Only on nodes with all of these labels (ray start --labels, or those that Kubernetes' operator sets)."""


class Storage(Section):
    """What the machines of a cluster have in common. It is no part of a run's name."""

    address: Text
    """local: there is one machine, or all see the repository at the same path. file:///folder: a folder that all
    machines mount at this path. s3://bucket/prefix, gs://bucket/prefix, az://container/prefix: an object store, whose
    endpoint and credentials are those of the environment (AWS_ENDPOINT_URL, AWS_PROFILE ...)."""
    cache: Text
    """Folder on each machine, created if missing, for what it fetches from an object store; starts with / or ~."""
    cache_megabytes: Positive
    """Largest size of the tiles in it, 1e6 bytes; those that were not used for longest are removed."""

    @model_validator(mode="after")
    def _is_an_address_and_a_folder(self) -> Self:
        if self.address != "local":
            storage_address.check_address(self.address)
        if not self.cache.startswith(("/", "~")):
            raise ValueError(f"expected a cache that starts with / or ~, got {self.cache}; nodes have no repository")
        return self


class Tracking(Section):
    """Where runs are recorded."""

    experiment: Text
    """MLflow experiment; the environment variable MLFLOW_EXPERIMENT_NAME takes precedence."""
