"""Where a command finds the model that it is told to use."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from pipeline.tracking import registry, store

Address = Annotated[
    str,
    typer.Option("--model", "-m", help="A folder, as models/segnet, or models:/NAME@ALIAS, or models:/NAME/NUMBER."),
]


@contextmanager
def folder(address: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the folder of a model (files/checkpoint.py) and the options of predict.load that it was registered with.

    What a registered version is copied to is gone afterwards.

    Raises:
        ValueError: there is no such registered version.
    """
    if not address.startswith("models:"):
        yield Path(address), {}
        return
    with TemporaryDirectory() as temporary:
        uri = store.address()
        yield registry.download(uri, address, Path(temporary)), registry.options(uri, address)
