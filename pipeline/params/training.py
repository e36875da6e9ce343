"""The section train: how the network is trained."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.params.recipe import ImageLoss, Phase, Zoom, check_phases, first_epochs
from pipeline.params.section import Fraction, Natural, Positive, Section, Seed, Side


class Train(Section):
    """How the network is trained."""

    num_workers: Positive | Literal["auto"] | tuple[Positive, Positive]
    """DDP workers. auto: one per GPU of the cluster, or the most of them that can have equally many tiles; one if there
    is no GPU. [fewest, most]: as many as there is room for at the time; when nodes join or leave, training resumes from
    the last checkpoint with another number."""
    batch_size: Positive
    """Tiles per step, over all workers; divisible by any number of them, and a worker's share by accumulation."""
    accumulation: Positive
    """Parts in which a worker processes its share of a batch, one after another: less memory for the same gradients,
    so that one machine can run a cluster's params. Batch normalisation sees one part at a time (of all workers, if
    sync_batch_norm): its statistics are those of batch_size / accumulation tiles. 1: the share in one part."""
    recompute: bool
    """Compute normalisation, ReLU and unpooling once more in the backward pass in place of keeping them: the same
    gradients, bit for bit, in less memory and a little more time. Where `compile` compiles, the compiler decides what
    is computed once more."""
    epochs: Annotated[int, Field(ge=1, le=1_000_000)]
    """Passes over the training tiles, in all phases."""
    early_phases: tuple[Phase, ...]
    """Phases before the last one, in their order; the last one has the rest of the epochs, at the tiles' full size, and
    learning_rate, final_rate and zoom of this section. Each phase has the schedule from its start to its end. All are
    validated at full size; patience_epochs counts those of the last phase only. []: one phase."""
    loss: Literal["cross_entropy", "focal", "hard_pixels"]
    """A key of pipeline.core.losses.LOSSES: cross_entropy is the paper's; focal and hard_pixels give pixels that are
    certain little weight, or none."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    """The share of a pixel's target that is spread over all classes; of cross_entropy. 0: none."""
    image_loss: ImageLoss | None
    """A loss of whole images beside that of pixels; null: none."""
    class_weights: (
        Literal["none", "root_median_frequency", "median_frequency", "enet", "effective_number", "published"]
        | tuple[Annotated[float, Field(ge=0)], ...]
    )
    """Weights in the loss of pixels: a key of pipeline.core.class_weights.WEIGHTINGS, published, or a list with one per
    class."""
    optimizer: Literal["sgd", "nesterov", "adamw"]
    """sgd is the paper's; nesterov is sgd with Nesterov's momentum."""
    learning_rate: Annotated[float, Field(gt=0)]
    """Peak learning rate of the schedule."""
    momentum: Annotated[float, Field(ge=0, lt=1)]
    """Momentum of sgd and nesterov, first beta of adamw."""
    weight_decay: Annotated[float, Field(ge=0)]
    """L2 penalty of sgd and nesterov, decoupled decay of adamw; convolution weights only."""
    schedule: Literal["constant", "cosine", "poly"]
    """constant is the paper's; cosine and poly, which is DeepLab's, fall towards final_rate, which the step after the
    last one would have."""
    final_rate: Fraction
    """The share of the peak learning rate to which the schedule falls; 1 for constant."""
    warmup_epochs: Annotated[float, Field(ge=0)]
    """The learning rate rises linearly over these epochs."""
    precision: Literal["auto", "float32", "tensorfloat32", "bfloat16"]
    """Data type of convolutions; weights stay float32. tensorfloat32: float32 whose factors a GPU rounds to 10 bits,
    for speed. auto: bfloat16 if every worker's device has fast instructions for it (GPUs since Ampere, CPUs with AMX
    or AVX512-BF16, but not Intel's with that alone), else float32. The log says which it is, and the metric
    precision_bits records it: 16, 19 or 32."""
    compile: Literal["auto"] | bool
    """Whether the network is compiled by torch.compile, which takes a minute or more at the start. auto: on GPUs, if
    Triton runs on all of them, which needs a C compiler."""
    sync_batch_norm: bool
    """True: batch statistics over the batches of all workers, so that N workers train as one does. False: over each
    worker's own share, which is faster, but small shares are normalised badly, and the model depends on num_workers."""
    rare_class_share: Fraction
    """The share of an epoch's tiles that is given to classes, as many to each, and by them to the tiles that show most
    of them; so tiles with rare classes are seen more often. 0: every tile is seen once per pass."""
    order: Literal["table", "keyed"]
    """How each pass is shuffled. table: every worker holds the pass as a table, of 4 bytes a tile. keyed: each tile is
    computed from its position, without a table, for hundreds of millions of tiles; another order than the table's."""
    crop: tuple[Side, Side] | None
    """Height and width of the part of a tile, at a random place, that a step sees; in an early phase, of a tile shrunk
    by its scale, which shrinks the part too. Validation sees whole tiles. null: the whole tile."""
    flip: Fraction
    """Probability of a horizontal flip."""
    vertical_flip: Fraction
    """Probability of a vertical flip, for images without an up and down."""
    turns: bool
    """Whether tiles are turned by 0, 90, 180 or 270 degrees, each as often; they must be square, or the crop."""
    zoom: Zoom
    """Range of the random scale; the scaled tile is cropped, or padded as `border` says, to its original size. [1, 1]:
    off."""
    aspect: Annotated[float, Field(ge=1, le=2)]
    """Largest ratio by which a tile is stretched in width against height, or the reverse. 1: off."""
    rotation: Annotated[float, Field(ge=0, le=180)]
    """Largest angle of rotation in either direction, degrees. 0: off."""
    border: Literal["void", "mirror"]
    """What lies beyond a tile's edges where zoom, aspect and rotation show it: void, in which nothing is learnt, or
    the tile's mirror image with its mask."""
    colour_jitter: Fraction
    """Largest relative change of brightness, contrast and saturation. 0: off."""
    gamma: Annotated[float, Field(ge=1, le=4)]
    """Largest exponent of the colours, as values from 0 to 1, and the inverse of the smallest. 1: off."""
    hue: Annotated[float, Field(ge=0, le=180)]
    """Largest angle by which colours are turned around grey in either direction, degrees. 0: off."""
    blur: Annotated[float, Field(ge=0, le=5)]
    """Largest standard deviation of a Gaussian blur of what the network sees, pixels. 0: off."""
    noise: Annotated[float, Field(ge=0, le=64)]
    """Largest standard deviation of normal noise that is added to each value from 0 to 255. 0: off."""
    ema_decay: Annotated[float, Field(ge=0, lt=1)]
    """Decay of the exponential moving average of the weights, which is then validated and published in their place;
    smaller in the first steps. Batch normalisation's statistics are averaged likewise. 0: no average."""
    statistics_tiles: Natural
    """Training tiles, whole and not augmented, from which batch normalisation's statistics are computed anew for the
    network that is validated and published (PreciseBN; Wu and Johnson, 2105.07576); at most all are taken, each once.
    0: the running statistics of training."""
    epochs_per_validation: Positive
    """The validation tiles are scored after every so many epochs, and after the last one. Only these epochs can become
    the model, and training stops early only after one of them."""
    with_val: bool
    """Whether the validation tiles are learnt from too, by a recipe that is chosen already. Nothing is left to validate
    with: the model of the last epoch is taken, and only test images tell how good it is, of which there must be some.
    """
    select_by: Literal["miou", "class_accuracy", "global_accuracy"]
    """The validation score whose best epoch becomes the model; the paper takes global_accuracy."""
    patience_epochs: Natural
    """Stop after this many epochs without a better score; 0: never."""
    max_failures: Natural
    """How often lost workers are restarted from the last checkpoint."""
    checkpoint_minutes: Annotated[float, Field(gt=0)] | None
    """A checkpoint is written, while training continues, when the last one is older than this, within an epoch or after
    it, and at the end: what a killed training repeats. null: after each epoch."""
    keep_states: Positive
    """How many checkpoints of a run are kept: if the newest is broken, training resumes from the one before it."""
    deterministic: bool
    """Only algorithms that give the same bits each time: slower, and an error if an operation has none. The number of
    workers must be the same too and, on a CPU, the number of threads."""
    seed: Seed
    """Decides initial weights, the order of tiles, augmentation and dropout."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if not isinstance(self.class_weights, str) and not any(self.class_weights):
            raise ValueError(
                f"expected a class weight above 0 in class_weights, got {list(self.class_weights)}: nothing would be "
                "learnt; list one for each class"
            )
        if self.optimizer == "nesterov" and not self.momentum:
            raise ValueError("expected a momentum above 0 for nesterov, got 0; raise it, or choose sgd")
        if self.label_smoothing and self.loss != "cross_entropy":
            raise ValueError(
                f"expected label_smoothing 0 with {self.loss}, got {self.label_smoothing:g}: only cross_entropy has "
                "it; set it to 0"
            )
        return self

    @property
    def splits(self) -> tuple[str, ...]:
        """Return the splits whose tiles are learnt from."""
        return ("train", "val") if self.with_val else ("train",)

    @property
    def first_epochs(self) -> list[int]:
        """Return the epoch (0-based) with which each phase begins."""
        return first_epochs(self.early_phases, self.epochs)

    @model_validator(mode="after")
    def _can_do_without_validation(self) -> Self:
        if self.with_val and self.patience_epochs:
            raise ValueError(
                f"expected patience_epochs 0 with with_val, got {self.patience_epochs}: nothing is validated that "
                "could stop the training early; set it to 0"
            )
        return self

    @model_validator(mode="after")
    def _phases_are_consistent(self) -> Self:
        check_phases(self.early_phases, self.epochs, self.warmup_epochs)
        rates = {"final_rate": self.final_rate}
        rates |= {f"early_phases.{i}.final_rate": phase.final_rate for i, phase in enumerate(self.early_phases)}
        for key, rate in rates.items():
            if self.schedule == "constant" and rate != 1:
                raise ValueError(f"expected {key} 1, as constant does not fall, got {rate:g}; set it to 1")
        return self

    @property
    def shared_tiles(self) -> int:
        """Tiles that workers share equally: those of a step in one part."""
        return self.batch_size // self.accumulation

    @model_validator(mode="after")
    def _batches_can_be_shared(self) -> Self:
        number = 1 if self.num_workers == "auto" else self.num_workers
        fewest, most = number if isinstance(number, tuple) else (number, number)
        if fewest > most:
            raise ValueError(f"expected num_workers [fewest, most], got [{fewest}, {most}]; swap them")
        for workers in range(fewest, most + 1):
            if self.batch_size % (workers * self.accumulation):
                raise ValueError(
                    f"expected a batch_size divisible by num_workers {workers} times accumulation {self.accumulation}, "
                    f"got {self.batch_size}; change one of them"
                )
        return self
