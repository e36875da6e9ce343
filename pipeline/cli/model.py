"""Where a command finds the model that it is told to use."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from pipeline.tracking import registry, store

Address = Annotated[
    str,
    typer.Option("--model", "-m", help="A folder, as models/segnet, or models:/NAME@ALIAS, or models:/NAME/NUMBER."),
]


@contextmanager
def folder(address: str) -> Iterator[Path]:
    """Yield the folder of a model (files/checkpoint.py); a registered one's is gone afterwards.

    Raises:
        ValueError: there is no such registered version.
    """
    if not address.startswith("models:"):
        yield Path(address)
        return
    with TemporaryDirectory() as temporary:
        yield registry.download(store.address(), address, Path(temporary))
