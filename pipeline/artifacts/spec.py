"""What a model on disk is: its model.json, which can be read without importing torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from pipeline.core.classes import ClassTable
from pipeline.files import strict_json

TODO = "run dvc repro, or name another model"
Side = Annotated[int, Field(ge=1, le=20_000)]


@dataclass(frozen=True)
class Spec:
    """Everything needed to rebuild a model and to use it correctly."""

    network: str
    """A key of MODELS."""
    width: Annotated[float, Field(gt=0, le=4)]
    classes: ClassTable
    dataset: str
    tile_height: Side
    """Of the tiles that it was trained on, in pixels."""
    tile_width: Side
    scale: Annotated[float, Field(gt=0, le=1)]
    """Factor by which images are resized before the network sees them."""
    run: Annotated[str, Field(pattern=r"^\w[\w-]*$")]
    """Name of the training run: a hash of its inputs."""


def read_spec(folder: Path) -> Spec:
    """Read model.json.

    Raises:
        ValueError: it is missing, or not as `write_model` writes it.
    """
    try:
        return strict_json.parse((folder / "model.json").read_bytes(), Spec)
    except (OSError, ValueError) as err:
        raise ValueError(f"{folder}: expected a model.json that the train stage wrote: {err}; {TODO}") from err
