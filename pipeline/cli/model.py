"""Find the model that a command is told to use, or the registered model that it is about."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from pipeline.artifacts.model import read_spec
from pipeline.registry import model_files, versions
from pipeline.registry.versions import RegisteredModel
from pipeline.tracking import store

Address = Annotated[
    str,
    typer.Option(
        "--model", "-m", help="A folder such as models/segnet, or models:/NAME@ALIAS, or models:/NAME/NUMBER."
    ),
]

Name = Annotated[
    str | None,
    typer.Option("--name", "-n", help="Registered model; default: that of models/segnet, or the only one."),
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
        got = "none" if name is None else name
        raise ValueError(
            f"expected --name of a registered model ({', '.join(known) or 'the registry has none yet'}), got {got}"
        )
    return RegisteredModel(uri, name)


@contextmanager
def folder(address: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the folder of a model (artifacts/model.py) and the options of predict.load that it was registered with.

    The copy of a registered version is removed afterwards.

    Raises:
        ValueError: there is no such registered version.
    """
    if not address.startswith("models:"):
        yield Path(address), {}
        return
    with TemporaryDirectory() as temporary:
        uri = store.address()
        yield model_files.download(uri, address, Path(temporary)), model_files.options(uri, address)
