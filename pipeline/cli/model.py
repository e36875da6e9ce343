"""How a command is told which model to use, or which registered model it is about."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.artifacts.spec import read_spec
from pipeline.cli import completion
from pipeline.files.redact import redact
from pipeline.registry import versions
from pipeline.registry.versions import RegisteredModel
from pipeline.tracking import store

Address = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="A folder such as models/segnet, or models:/NAME@ALIAS, or models:/NAME/NUMBER.",
        autocompletion=completion.addresses,
    ),
]

Name = Annotated[
    str | None,
    typer.Option(
        "--name",
        "-n",
        help="Registered model; default: that of models/segnet, or the only one.",
        autocompletion=completion.registered_models,
    ),
]
_TRAINED = Path("models/segnet")


def named(name: str | None) -> RegisteredModel:
    """Return the registered model that is meant, of the store that MLFLOW_TRACKING_URI names.

    Raises:
        ValueError: there is none of that name, or no name is given and there is not exactly one.
    """
    uri = store.address()
    known = versions.models(uri)
    if name is None and (_TRAINED / "model.json").exists():
        name = f"segnet-{read_spec(_TRAINED).dataset}"
    if name is None and len(known) == 1:
        return RegisteredModel(uri, known[0])
    if name not in known and (name is None or not versions.exists(RegisteredModel(uri, name))):
        is_trained = (_TRAINED / "model.json").exists()
        todo = f"register {_TRAINED} here: dvc repro --force --single-item register" if is_trained else "run dvc repro"
        if name is None and not known:
            raise ValueError(f"expected a registered model in {redact(uri)}, got none yet; {todo}")
        got = "none" if name is None else name
        raise ValueError(
            f"expected --name of a registered model ({', '.join(known) or 'the registry has none yet'}), got {got}; "
            f"name another, or {todo}"
        )
    return RegisteredModel(uri, name)
