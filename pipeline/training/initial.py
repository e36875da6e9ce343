"""The weights that a training starts from: random ones, a VGG16's in the encoder, or those of a trained model."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

from torch import nn

from pipeline.artifacts.spec import read_spec
from pipeline.core.models import MODELS, transfer, vgg
from pipeline.core.models.bayesian import place_dropout
from pipeline.core.models.encoder_decoder import EncoderDecoder
from pipeline.files import atomic, repository
from pipeline.files.digest import file_sha256
from pipeline.training import pretrained
from pipeline.training.errors import TrainingError

if TYPE_CHECKING:
    from pipeline.params.model import Model

Fetch = Callable[[str, Path], tuple[Path, str]]
"""Copies a registered version, models:/..., into a folder; returns the model there and models:/NAME/NUMBER."""
_WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Initial:
    """A file of weights, and what it holds."""

    file: Path
    """Absolute, on the machine that began the training."""
    source: "Source | None" = None
    """The model that the file is of; None: it is a VGG16's."""


@dataclass(frozen=True)
class Source:
    """A trained model that another training starts from."""

    network: str
    width: float
    classes: tuple[str, ...]
    """Names, in index order."""
    version: str | None
    """models:/NAME/NUMBER in the registry; None: it came from a folder."""
    run: str
    """Name of its training."""
    sha256: str
    """Of its file of weights."""

    def to_json(self) -> dict[str, Any]:
        """Return what a run is named after and recorded with."""
        return {
            "version": self.version,
            "run": self.run,
            "network": self.network,
            "sha256": self.sha256,
            "classes": list(self.classes),
        }


def locate(model: "Model", downloads: Path, fetch: Fetch) -> Initial | None:
    """Return the file of weights that `model` names; None: they are random.

    Args:
        model: the network, and what it starts from.
        downloads: folder that a registered version's or a web address's file is copied into, once; created if missing.
        fetch: copies a registered version.

    Raises:
        ValueError: it is not available, or is not the file that was meant.
    """
    if model.vgg16 is not None:
        return Initial(pretrained.locate(model.vgg16.path, model.vgg16.sha256, downloads))
    if model.start_from is None:
        return None
    if not model.start_from.startswith("models:"):
        folder = repository.user_path(model.start_from).resolve()
        source = _source(folder, None)
        return Initial(folder / _WEIGHTS, source)
    with TemporaryDirectory() as temporary:
        folder, version = fetch(model.start_from, Path(temporary))
        source = _source(folder, version)
        file = downloads.absolute() / f"{source.sha256[:16]}-{_WEIGHTS}"
        if not file.exists() or file_sha256(file) != source.sha256:
            with atomic.replacing(file) as copy:
                shutil.copyfile(folder / _WEIGHTS, copy)
    return Initial(file, source)


def _source(folder: Path, version: str | None) -> Source:
    try:
        spec = read_spec(folder)
        sha256 = file_sha256(folder / _WEIGHTS)
        if spec.network not in MODELS:
            raise ValueError(f"{folder}: expected a network of {', '.join(MODELS)}, got {spec.network}")
    except (OSError, ValueError) as err:
        raise ValueError(f"model.start_from: expected a model that this pipeline trained: {err}; correct it") from err
    return Source(spec.network, spec.width, spec.classes.names, version, spec.run, sha256)


def network(model: "Model", classes: Sequence[str], initial: Initial | None, file: Path | None = None) -> nn.Module:
    """Return the network with the weights that training starts from; what is random is drawn from torch's generator.

    Args:
        model: which network.
        classes: names of its classes, in index order.
        initial: what its weights are set from.
        file: a copy of that file on this machine, if there is one.

    Raises:
        TrainingError: the file was changed since the training began.
        ValueError: it cannot be read, or holds the weights of another network.
    """
    built = MODELS[model.name](len(classes), model.width)
    if model.dropout:
        place_dropout(cast(EncoderDecoder, built), model.dropout)
    if initial is None:
        return built
    path = file or initial.file
    if model.vgg16 is not None:
        with _named("model.vgg16", path):
            vgg.load_vgg16(built, pretrained.read(path), vgg.PREPROCESSING[model.vgg16.trained_on])
    elif (source := initial.source) is not None:
        with _named("model.start_from", path):
            tensors = pretrained.read(path)
        if (sha256 := file_sha256(path)) != source.sha256:
            raise TrainingError(
                f"model.start_from: expected {path} to have the SHA-256 {source.sha256}, got {sha256}: it was changed "
                "since the training began; run dvc repro again"
            )
        try:
            transfer.load_trained(built, model.name, tensors, classes=classes, trained_classes=source.classes)
        except ValueError as err:
            raise ValueError(
                f"model.start_from: expected a model with the layers of {model.name} at width {model.width:g}, got "
                f"one of {source.network} at width {source.width:g}: {err}; choose its network and width, or another "
                "model"
            ) from err
    return built


@contextmanager
def _named(param: str, file: Path) -> Iterator[None]:
    """Name the param and the file in what is said of the weights."""
    try:
        yield
    except ValueError as err:
        raise ValueError(f"{param}: {file}: {err}") from err


def recorded(initial: Initial | None) -> Mapping[str, Any] | None:
    """Return what is recorded of the model that a training starts from; None: it starts from none."""
    return None if initial is None or initial.source is None else initial.source.to_json()


def matched(source: Source, classes: Sequence[str]) -> str:
    """Return in words which classes start from those of the model, and which are new.

    Example:
        >>> matched(Source("segnet", 1.0, ("sky", "road"), "models:/segnet-a/3", "0123", "ab"), ("road", "car"))
        'starting from models:/segnet-a/3 (training 0123), a segnet: 1 of 2 classes have its weights; new: car'
    """
    new = [name for name in classes if name not in source.classes]
    what = f"{source.version} (training {source.run})" if source.version else f"the model of training {source.run}"
    share = f"{len(classes) - len(new)} of {len(classes)} classes have its weights"
    return f"starting from {what}, a {source.network}: {share}{'; new: ' + ', '.join(new) if new else ''}"
