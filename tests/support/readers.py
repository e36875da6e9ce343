"""The property that each reader of the pipeline has: it gives a right result, or an error of ours with a reason."""

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
from tests.support.mutations import Whole, damaged, documents, tables

PIPELINE = str(ROOT / "pipeline")


@dataclass(frozen=True)
class Reader:
    """A reader, what it is tried on, and how: `read` raises AssertionError where the result is wrong."""

    name: str
    cases: st.SearchStrategy[Any]
    read: Callable[[Any, Path], None]


def outcome(reader: Reader, case: Any) -> str:
    """Return "read" or "refused".

    Raises:
        AssertionError: the result is wrong, or the error is not ours.
    """
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, about what it then reads or refuses
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
    """Say whether a module of the pipeline raised an error of its own, with a reason."""
    if isinstance(err, MlflowException):
        return err.get_http_status_code() == 400 and "expected" in str(err)
    ours = type(err) is ValueError or (isinstance(err, ValueError) and type(err).__module__.startswith("pipeline."))
    raised_in = traceback.extract_tb(err.__traceback__)[-1].filename
    return ours and raised_in.startswith(PIPELINE) and ("expected" in str(err) or "is broken: " in str(err))


@cache
def example(write: Callable[[Path], object]) -> dict[str, bytes]:
    """Return the files that `write` writes into a folder."""
    with TemporaryDirectory() as folder:
        write(Path(folder))
        return {str(p.relative_to(folder)): Whole(p.read_bytes()) for p in Path(folder).rglob("*") if p.is_file()}


def broken(write: Callable[[Path], object]) -> st.SearchStrategy[dict[str, bytes]]:
    """Files that `write` wrote: one of them is broken, or all are whole, or missing."""
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
    """Return a reader of a folder; a case maps paths to bytes, and `cases` is called once it is needed."""

    def put(files: dict[str, bytes], folder: Path) -> None:
        for path, data in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        read(folder)

    return Reader(name, st.deferred(cases), put)


def file_reader(name: str, cases: Callable[[], st.SearchStrategy[bytes]], read: Callable[[Path], None]) -> Reader:
    """Return a reader of one file; `cases` is called once it is needed."""

    def put(data: bytes, folder: Path) -> None:
        (folder / "file").write_bytes(data)
        read(folder / "file")

    return Reader(name, st.deferred(cases), put)
