"""The section model: which network, and what its weights start from."""

import re
from typing import Annotated, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, model_validator

from pipeline.files import repository
from pipeline.files.redact import is_secret, redact
from pipeline.params.section import Section, Text

_VERSION = r"models:/[^/@]+(@[^/@]+|/[0-9]+)"


SAMPLED = ("bayesian_segnet", "bayesian_segnet_basic", "fcn", "fcn_fixed", "deconvnet", "deeplab_largefov", "unet")
"""The networks that have dropout of their own, which can be sampled."""


class Vgg16(Section):
    """Pretrained VGG16 weights, from which the encoder starts."""

    path: Text
    """A .safetensors file or a state dict saved by torch.save; or its http or https URL, from which it is downloaded
    once. A changed file makes a new training, but DVC does not watch it: run dvc repro -f train."""
    sha256: Annotated[str, Field(pattern="^[0-9a-fA-F]{64}$")] | None
    """SHA-256 of the file; null: not checked. A URL needs one."""
    trained_on: Literal["torchvision", "caffe"]
    """How its input was preprocessed: torchvision's normalised RGB, or Caffe's and Keras' BGR minus the mean."""

    @model_validator(mode="after")
    def _url_has_a_digest_and_no_secret(self) -> Self:
        if "@" in self.path.partition("//")[2]:
            raise ValueError(
                "expected a URL without user and password, got one with an @: it would be recorded in dvc.lock and "
                "MLflow; put them into ~/.netrc, or write %40 for an @ in its path"
            )
        query = urlsplit(self.path).query if "://" in self.path else ""
        if secret := next((name for name, _ in parse_qsl(query, keep_blank_values=True) if is_secret(name)), None):
            raise ValueError(
                f"expected a URL without a signature or token, got one with {secret}: it would be recorded in dvc.lock "
                "and MLflow; download the file, and name its path"
            )
        written = None if "://" in self.path else repository.written_folder(repository.user_path(self.path))
        if written is not None:
            raise ValueError(
                f"expected a file outside {written}, whose content this pipeline replaces, got {self.path}; move it"
            )
        if "://" in self.path and not self.path.startswith(("https://", "http://")):
            raise ValueError(
                f"expected a file, or an address that begins with https:// or http://, got {self.path}; download it, "
                "and name its path"
            )
        if "://" in self.path and self.sha256 is None:
            raise ValueError(f"expected the sha256 of {self.path}, got null; add the file's SHA-256")
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
    """Factor on every channel count; 1 gives the paper's network."""
    dropout: Annotated[float, Field(ge=0, lt=1)]
    """Rate of dropout in training alone, in the places of Bayesian SegNet; of segnet and segnet_basic. The Bayesian
    networks have 0.5, and others their own; of these alone, evaluate.samples can be taken. 0: none."""
    vgg16: Vgg16 | None
    """What the encoder starts from; null: random weights, Caffe's MSRA filler."""
    start_from: Text | None
    """The trained model that the network starts from: a version in MLflow's registry, models:/NAME@ALIAS or
    models:/NAME/NUMBER, or a folder that a train stage wrote, outside this pipeline's own. Its layers must be those of
    `name` at `width`; classes of the same name keep its weights, others are new. null: none. Another model makes a new
    training, but DVC does not watch it, nor where an alias points: run dvc repro -f train."""

    @model_validator(mode="after")
    def _starts_from_one_place(self) -> Self:
        if self.start_from is None:
            return self
        if self.vgg16 is not None:
            raise ValueError(
                f"expected vgg16 or start_from, got both, the latter {self.start_from}; set one of them to null"
            )
        if re.match(r"[a-z0-9+]+:/", self.start_from):
            if not re.fullmatch(_VERSION, self.start_from):
                raise ValueError(
                    "expected start_from to be a folder, models:/NAME@ALIAS or models:/NAME/NUMBER, got "
                    f"{redact(self.start_from)}; correct it"
                )
        elif (written := repository.written_folder(repository.user_path(self.start_from))) is not None:
            raise ValueError(
                f"expected start_from to be a folder outside {written}, whose content this pipeline replaces, got "
                f"{self.start_from}; copy the model to another folder, or name its version in the registry"
            )
        return self

    @model_validator(mode="after")
    def _has_places_for_dropout(self) -> Self:
        if self.dropout and self.name not in ("segnet", "segnet_basic"):
            raise ValueError(
                f"expected dropout 0 for {self.name}, got {self.dropout:g}: only that of segnet and segnet_basic can "
                "be chosen; set it to 0, or choose one of these"
            )
        return self
