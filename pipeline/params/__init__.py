"""params.yaml as frozen, strict sections: no defaults, no unknown keys, every value described and range-checked."""

import json
import re
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from pipeline.files import safe_yaml
from pipeline.files.printable import ManyLinesError
from pipeline.params.dataset import Dataset, num_classes
from pipeline.params.evaluation import Evaluate, Register
from pipeline.params.model import SAMPLED, Model
from pipeline.params.section import Section
from pipeline.params.sizes import check_sizes
from pipeline.params.steps import Download, Placement, Storage, Tile, Tracking, Validate
from pipeline.params.training import Train

PATH = Path("params.yaml")
_EARLIER: dict[str, dict[str, Any]] = {
    "model": {"dropout": 0.0, "start_from": None},
    "train": {
        "epochs_per_validation": 1,
        "with_val": False,
        "statistics_tiles": 0,
        "compile": False,
        "recompute": False,
        "early_phases": [],
        "final_rate": 0.0,
        "label_smoothing": 0.0,
        "image_loss": None,
        "rare_class_share": 0.0,
        "order": "table",
        "crop": None,
        "vertical_flip": 0.0,
        "turns": False,
        "aspect": 1.0,
        "rotation": 0.0,
        "border": "void",
        "gamma": 1.0,
        "blur": 0.0,
        "noise": 0.0,
        "hue": 0.0,
    },
}
"""What programs did before params.yaml had these keys, so that the params of their versions can be read."""
_MAX_BYTES, _MAX_PARTS = 50_000, 100_000
_ADD = ", got nothing; add the key (presets/ shows every key)"
_QUOTE = "'"
_Kind = TypeVar("_Kind", bound=Section)
_WORDS = {"an object": "a mapping", "a valid array": "a list", "match pattern": "the pattern"}


class ParamsError(ManyLinesError):
    """params.yaml is invalid; the message names each key, what was expected and what it got."""


class Params(Section):
    """All sections of params.yaml."""

    dataset: Annotated[Dataset, Field(discriminator="name")]
    download: Download
    validation: Annotated[Validate, Field(alias="validate")]
    tile: Tile
    model: Model
    train: Train
    evaluate: Evaluate
    registration: Annotated[Register, Field(alias="register")]
    placement: Placement
    storage: Storage
    tracking: Tracking

    @model_validator(mode="after")
    def _fits_the_dataset(self) -> Self:
        if self.train.class_weights == "published" and self.dataset.name != "camvid":
            raise ValueError(
                "train.class_weights: expected weights other than published, which only camvid has, got published "
                f"for {self.dataset.name}; choose other weights"
            )
        weights, number = self.train.class_weights, num_classes(self.dataset)
        if not isinstance(weights, str) and len(weights) != number:
            raise ValueError(
                f"train.class_weights: expected {number} weights, one for each class of {self.dataset.name}, got "
                f"{len(weights)}; list them all, or choose median_frequency"
            )
        return self

    @model_validator(mode="after")
    def _can_be_sampled(self) -> Self:
        if self.evaluate.samples and self.model.name not in SAMPLED:
            raise ValueError(
                f"evaluate.samples: expected 0 for {self.model.name}, which has no dropout of its own to sample, got "
                f"{self.evaluate.samples}; set it to 0, or choose a network that has (model.name: bayesian_segnet)"
            )
        return self

    @model_validator(mode="after")
    def _fits_the_tiles(self) -> Self:
        check_sizes((self.tile.height, self.tile.width), self.train)
        return self


class Training(Section, extra="ignore"):
    """The sections of params.yaml that a training depends on; what else is there is ignored."""

    model: Model
    train: Train


def load(path: Path = PATH) -> Params:
    """Read and check `path`, as YAML 1.2 (as DVC reads it).

    Raises:
        ParamsError: `path` is not readable or not YAML, or a key or value is invalid.
    """
    return _load(path, Params)


def load_training(path: Path) -> Training:
    """Read and check the sections model and train of `path`, which may be of an earlier program.

    Raises:
        ParamsError: `path` is not readable or not YAML, or a key or value of these is invalid.
    """
    return _load(path, Training, is_earlier=True)


def _load(path: Path, kind: type[_Kind], *, is_earlier: bool = False) -> _Kind:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ParamsError(f"{path}: expected a readable YAML file: it is larger than {_MAX_BYTES:,} bytes")
        tree = safe_yaml.read(path)
    except OSError as err:
        is_missing = isinstance(err, FileNotFoundError)
        todo = (
            "change to the repository's folder, or write one: segnet init" if is_missing else "correct its permissions"
        )
        raise ParamsError(f"{path}: expected a readable YAML file: {err}; {todo}") from err
    except ParamsError:
        raise
    except ValueError as err:
        raise ParamsError(str(err)) from err
    if is_earlier and isinstance(tree, dict):
        _complete(tree)
    try:
        # Through JSON: strict validation of Python objects refuses a list where a tuple is expected.
        return kind.model_validate_json(_as_json(tree))
    except ValidationError as err:
        raise ParamsError(f"{path} is invalid:", *_explain(err.errors(), tree)) from err
    except (TypeError, ValueError, OverflowError, RecursionError) as err:
        raise ParamsError(f"{path}: expected numbers, text, lists and mappings only: {err}") from err


def _complete(tree: dict[str, Any]) -> None:
    """Add the keys that params.yaml did not have yet when an earlier program read it."""
    for section, values in _EARLIER.items():
        if isinstance(tree.get(section), dict):
            constant = {"final_rate": 1.0} if tree[section].get("schedule") == "constant" else {}
            tree[section] = {**values, **constant, **tree[section]}


def _as_json(tree: Any) -> str:
    """Return the tree as JSON; a few lines of YAML with nested aliases could expand to any number of values.

    Raises:
        ValueError: there are too many values, or a value contains itself.
    """
    parts = list(islice(json.JSONEncoder().iterencode(tree), _MAX_PARTS + 1))
    if len(parts) > _MAX_PARTS:
        raise ValueError(f"its aliases expand to more than {_MAX_PARTS:,} values; write the values out")
    return "".join(parts)


def _explain(errors: list[ErrorDetails], tree: Any) -> list[str]:
    """Return one line per fault: key, expected, got, what to do."""
    faults: dict[tuple[str, str], list[str]] = {}
    for error in errors:
        start, expected, end = _parts(error, tree)
        faults.setdefault((start, end), []).append(expected)  # a value can fail to match each member of a union
    return [f"  {start}{' or '.join(expected)}{end}" for (start, end), expected in faults.items()]


def _parts(error: ErrorDetails, tree: Any) -> tuple[str, str, str]:
    """Return the line's start, what was expected, and the line's end."""
    key = _key(error, tree)
    context = error.get("ctx", {})
    match error["type"]:
        case "value_error":
            return f"{key}: " if key else "", str(context["error"]), ""
        case "extra_forbidden":
            return f"{key}: expected ", "no such key", "; correct its name or remove it"
        case "missing":
            return f"{key}: expected ", "a value", _ADD
        case "union_tag_not_found":
            return f"{key}.{context['discriminator'].strip(_QUOTE)}: expected ", "a value", _ADD
        case "union_tag_invalid":
            start = f"{key}.{context['discriminator'].strip(_QUOTE)}: expected "
            return start, f"one of {context['expected_tags']}", f", got '{context['tag']}'; correct the value"
    expected = re.sub(r"^\w+ should (be |have )?", "", error["msg"])
    for theirs, ours in _WORDS.items():
        expected = expected.replace(theirs, ours)
    value = error["input"]
    got = "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else json.dumps(value)
    return f"{key}: expected " if key else "expected ", expected, f", got {got}; correct the value"


def _key(error: ErrorDetails, tree: Any) -> str:
    """Return the dotted key in params.yaml; pydantic's location also names the members of unions, which it drops."""
    location = error["loc"]
    absent = location[-1:] if error["type"] in ("missing", "extra_forbidden") else ()
    parts = []
    for part in location[: len(location) - len(absent)]:
        keys = tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
        if part in keys:
            tree = tree[part]
            parts.append(part)
    return ".".join(str(part) for part in (*parts, *absent))
