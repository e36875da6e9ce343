"""params.yaml as frozen, strict sections: no defaults, no unknown keys, every value described and range-checked."""

import json
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.params.dataset import Dataset
from pipeline.params.section import Section
from pipeline.params.steps import Download, Evaluate, Model, Register, Tile, Tracking, Train, Validate

PATH = Path("params.yaml")


class ParamsError(ValueError):
    """params.yaml cannot be obeyed; the message names each key, what was expected and what was found."""


class Params(Section):
    """The whole of params.yaml."""

    dataset: Annotated[Dataset, Field(discriminator="name")]
    download: Download
    validation: Annotated[Validate, Field(alias="validate")]
    tile: Tile
    model: Model
    train: Train
    evaluate: Evaluate
    registration: Annotated[Register, Field(alias="register")]
    tracking: Tracking

    @model_validator(mode="after")
    def _fits_the_dataset(self) -> Self:
        if self.train.class_weights == "published" and self.dataset.name != "camvid":
            raise ValueError(
                f"train.class_weights: expected none, median_frequency or a list, got published, which only camvid "
                f"has; the data set is {self.dataset.name}"
            )
        return self


def load(path: Path = PATH) -> Params:
    """Read and check `path`, as YAML 1.2 (as DVC reads it).

    Raises:
        ParamsError: not readable, not YAML, or a key or value that cannot be obeyed.
    """
    try:
        tree = YAML(typ="safe", pure=True).load(path)
    except (OSError, UnicodeDecodeError, YAMLError) as err:
        raise ParamsError(f"{path}: expected a readable YAML file: {err}") from err
    try:
        # Through JSON: strict validation of Python objects refuses a list where a tuple is meant.
        return Params.model_validate_json(json.dumps(tree))
    except TypeError as err:
        raise ParamsError(f"{path}: expected numbers, text, lists and mappings only: {err}") from err
    except ValidationError as err:
        raise ParamsError(f"{path} cannot be obeyed:\n" + "\n".join(_explain(e) for e in err.errors())) from err


def _explain(error: ErrorDetails) -> str:
    """Return one line: key, expected, got, what to do."""
    key = ".".join(str(part) for part in error["loc"]) or "params"
    match error["type"]:
        case "missing":
            return f"  {key}: expected a value, got nothing; add the key (presets/ shows every key)"
        case "extra_forbidden":
            return f"  {key}: expected no such key, got {error['input']!r}; correct its name or remove it"
        case "value_error":
            return f"  {key}: {error['msg'].removeprefix('Value error, ')}"
    expected = error["msg"].replace("Input should be ", "").replace("Input tag", "a known tag, tag")
    return f"  {key}: expected {expected}, got {error['input']!r}; correct the value"
