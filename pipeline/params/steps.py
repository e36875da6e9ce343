"""The sections of params.yaml that stages read: one each, in the order of the path."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.params.section import Fraction, Positive, Section, Seed, Side, Text

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


class Vgg16(Section):
    """Trained weights of VGG16, which the encoder begins with."""

    path: Text
    """A .safetensors file or a state dict saved by torch.save; or its http or https address, from where it is fetched
    once. Another file of the same name is a new training, but DVC does not watch it: dvc repro -f train."""
    sha256: Annotated[str, Field(pattern="^[0-9a-fA-F]{64}$")] | None
    """Of the file; null: not checked. An address needs one."""
    trained_on: Literal["torchvision", "caffe"]
    """How its images were prepared: torchvision's RGB of unit range, or Caffe's and Keras' BGR minus the mean."""

    @model_validator(mode="after")
    def _an_address_has_a_digest(self) -> Self:
        if "://" in self.path and self.sha256 is None:
            raise ValueError(f"expected the sha256 of {self.path}, got null; name what the address must give")
        return self


class Model(Section):
    """Which network is trained."""

    name: Literal[
        "segnet",
        "bayesian_segnet",
        "bayesian_segnet_basic",
        "bilinear",
        "segnet_basic",
        "segnet_basic_encoder_addition",
        "segnet_basic_single_channel_decoder",
        "fcn_basic",
        "fcn_basic_no_addition",
        "fcn_basic_no_dim_reduction",
        "fcn_basic_no_addition_no_dim_reduction",
        "fcn",
        "fcn_fixed",
        "deconvnet",
        "deeplab_largefov",
        "unet",
    ]
    """A key of pipeline.core.models.MODELS."""
    width: Annotated[float, Field(gt=0, le=4)]
    """Factor on every channel count; 1 is the paper's network."""
    vgg16: Vgg16 | None
    """What the encoder begins with; null: random weights, Caffe's MSRA filler."""


class Train(Section):
    """How the network is trained."""

    num_workers: Positive | Literal["auto"]
    """DDP workers; auto: one for each GPU of the cluster, or one where there is none."""
    batch_size: Positive
    """Tiles in a step, over all workers; must divide by the workers."""
    epochs: Positive
    """Passes over the training tiles."""
    loss: Literal["cross_entropy"]
    """A key of pipeline.core.losses.LOSSES."""
    class_weights: (
        Literal["none", "root_median_frequency", "median_frequency", "published"]
        | tuple[Annotated[float, Field(ge=0)], ...]
    )
    """In the loss: a key of pipeline.core.balance.WEIGHTINGS, the data set's published list, or a number each."""
    optimizer: Literal["sgd", "adamw"]
    """sgd is the paper's."""
    learning_rate: Annotated[float, Field(gt=0)]
    """Highest learning rate of the schedule."""
    momentum: Annotated[float, Field(ge=0, lt=1)]
    """Momentum of sgd, first beta of adamw."""
    weight_decay: Annotated[float, Field(ge=0)]
    """L2 penalty of sgd, decoupled decay of adamw; convolution weights only."""
    schedule: Literal["constant", "cosine"]
    """constant is the paper's; cosine falls to zero at the last step."""
    warmup_epochs: Annotated[float, Field(ge=0)]
    """The learning rate rises linearly over these epochs."""
    precision: Literal["auto", "float32", "bfloat16"]
    """Type that convolutions compute in; weights stay float32. auto: bfloat16 where the device has instructions for
    it (GPUs since Ampere, CPUs with AMX or AVX512-BF16), else float32."""
    sync_batch_norm: bool
    """Batch statistics over the batches of all workers: N workers then train as one does. False: over each worker's
    own share, which is faster, but a share of few tiles is normalised badly, and the model depends on their number."""
    flip: Fraction
    """Probability of a left-right flip."""
    zoom: tuple[Annotated[float, Field(ge=0.25, le=1)], Annotated[float, Field(ge=1, le=4)]]
    """Range of the random scale; the scaled tile is cropped or padded with void to its old size. [1, 1]: off."""
    colour_jitter: Fraction
    """Largest relative change of brightness, contrast and saturation. 0: off."""
    select_by: Literal["miou", "class_accuracy", "global_accuracy"]
    """The validation score whose best epoch becomes the model; the paper takes global_accuracy."""
    patience_epochs: Annotated[int, Field(ge=0)]
    """Stop after this many epochs without a better score; 0: never."""
    max_failures: Annotated[int, Field(ge=0)]
    """How often lost workers are started again from the last checkpoint."""
    seed: Seed
    """Decides initial weights, order and augmentation."""

    @model_validator(mode="after")
    def _can_be_obeyed(self) -> Self:
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"expected warmup_epochs < epochs {self.epochs}, got {self.warmup_epochs:g}")
        if self.num_workers != "auto" and self.batch_size % self.num_workers:
            raise ValueError(
                f"expected a batch_size that num_workers {self.num_workers} divides, got {self.batch_size}"
            )
        return self


class Evaluate(Section):
    """How the test split is scored."""

    batch_size: Positive
    """Windows of one image that a GPU predicts together; does not change a score."""
    overlap: Annotated[float, Field(ge=0, lt=1)]
    """Overlap of neighbouring windows, as a fraction of their side, where an image is larger than a tile."""
    flip: bool
    """Average with the prediction of the mirror image; takes twice the time."""
    samples: Annotated[int, Field(ge=0)]
    """Forward passes with dropout, whose mean is the prediction and whose variance is its uncertainty; for networks
    that have dropout, the Bayesian ones above all. 0: one pass without dropout."""
    seed: Seed
    """Decides what dropout drops in the samples, and which images are resampled."""
    images_per_block: Positive
    """Neighbouring images of a sequence that are resampled together for the confidence intervals."""
    resamples: Positive
    """Resamples of the test images for the confidence intervals."""
    level: Annotated[float, Field(gt=0, lt=1)]
    """Of the confidence intervals: the share of the resamples within."""


class Register(Section):
    """What a model must reach to become champion. A floor of 0 is off."""

    min_miou: Fraction
    """Smallest test mIoU of a champion."""
    min_class_accuracy: Fraction
    """Smallest mean accuracy of the classes."""
    min_boundary_f1: Fraction
    """Smallest boundary F1."""
    min_class_iou: Fraction
    """Smallest IoU of any class that the test masks have."""
    max_calibration_error: Fraction | None
    """Largest expected calibration error; null: not checked."""
    min_gain: Fraction
    """The lower bound of its gain in mIoU over the champion (interval: section evaluate) must be above. A tie holds."""
    max_class_loss: Fraction
    """A class whose IoU falls by more holds the model back, and rejects it where the whole interval lies beyond."""


class Tracking(Section):
    """Where runs are recorded."""

    experiment: Text
    """MLflow experiment; the environment's MLFLOW_EXPERIMENT_NAME wins."""
