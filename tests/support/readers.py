"""The property of every reader of the pipeline: it returns a correct result, or raises our own error with a reason."""

import json
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import strategies as st
from mlflow.exceptions import MlflowException

from tests.support import ROOT
from tests.support.mutations import Blob, damaged, documents, tables

PIPELINE = str(ROOT / "pipeline")


@dataclass(frozen=True)
class Reader:
    """A reader with its test cases; `read` raises AssertionError if the result is wrong."""

    name: str
    cases: st.SearchStrategy[Any]
    read: Callable[[Any, Path], None]


def outcome(reader: Reader, case: Any) -> str:
    """Return "read" or "refused".

    Raises:
        AssertionError: the result is wrong, or the error is not ours.
    """
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, about files that it then reads or refuses
        try:
            reader.read(case, Path(folder))
        except AssertionError:
            raise
        except Exception as err:
            if not is_ours(err):
                raise AssertionError(f"{type(err).__module__}.{type(err).__name__}: {str(err)[:300]}") from err
            return "refused"
    return "read"


def is_ours(err: Exception) -> bool:
    """Return whether a module of the pipeline raised an error of its own, with a reason."""
    if isinstance(err, MlflowException):
        return err.get_http_status_code() == 400 and "expected" in str(err)
    ours = type(err) is ValueError or (isinstance(err, ValueError) and type(err).__module__.startswith("pipeline."))
    raised_in = traceback.extract_tb(err.__traceback__)[-1].filename
    return ours and raised_in.startswith(PIPELINE) and ("expected" in str(err) or "is broken: " in str(err))


@cache
def example(write: Callable[[Path], object]) -> dict[str, bytes]:
    """Return the files that `write` writes into a folder, by relative path."""
    with TemporaryDirectory() as folder:
        write(Path(folder))
        return {str(p.relative_to(folder)): Blob(p.read_bytes()) for p in Path(folder).rglob("*") if p.is_file()}


def broken(write: Callable[[Path], object]) -> st.SearchStrategy[dict[str, bytes]]:
    """Return files that `write` wrote: one of them broken, all intact, or all missing."""
    files = example(write)

    def one(name: str) -> st.SearchStrategy[dict[str, bytes]]:
        kinds = [damaged(files[name])]
        if name.endswith(".json"):
            kinds += [documents(json.loads(files[name]))] * 2
        if name.endswith(".parquet"):
            kinds += [tables(files[name])] * 2
        return st.one_of(kinds).map(lambda data: {**files, name: data})

    return st.one_of([one(name) for name in files]) | st.sampled_from([files, {}])


def folder_reader(name: str, cases: Callable[[], st.SearchStrategy[Any]], read: Callable[[Path], None]) -> Reader:
    """Return a reader of a folder; a case maps paths to bytes, and `cases` is called when first needed."""

    def put(files: dict[str, bytes], folder: Path) -> None:
        for path, data in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        read(folder)

    return Reader(name, st.deferred(cases), put)


def file_reader(name: str, cases: Callable[[], st.SearchStrategy[bytes]], read: Callable[[Path], None]) -> Reader:
    """Return a reader of one file; `cases` is called when first needed."""

    def put(data: bytes, folder: Path) -> None:
        (folder / "file").write_bytes(data)
        read(folder / "file")

    return Reader(name, st.deferred(cases), put)
