"""What obstore's errors say about a storage."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.files.redact import redact

_NO_BUCKET = re.compile("<Code>(NoSuchBucket|ContainerNotFound)<")  # in what S3, Google or Azure answers
_LONGEST = 400  # characters of an error's text that are shown


class StorageError(ValueError):
    """The storage cannot be reached, or refuses; the message names the address and what to do."""


def text(err: Exception) -> str:
    """Return an error's text, with the server's answer, without obstore's internals."""
    lines = str(err).partition("\n\nDebug source")[0].split()
    return redact(" ".join(lines))[:_LONGEST]


def is_answer(err: Exception) -> bool:
    """Return whether a server has answered, which is final: obstore has repeated what can be repeated."""
    return "non-2xx status" in str(err)


def missing_bucket(err: Exception) -> str:
    """Return the server's word for it, if it has answered that there is no such bucket or container; else nothing."""
    match = _NO_BUCKET.search(str(err))
    return match[1] if match else ""


@contextmanager
def panics_told() -> Iterator[None]:
    """Raise a panic of obstore's Rust, which is no Exception and which nothing else would tell, as a StorageError."""
    try:
        yield
    except BaseException as err:
        if type(err).__name__ != "PanicException":  # pyo3 makes the class; no module offers it
            raise
        raise StorageError(
            "expected addresses and credentials for the storage in the environment (AWS_*, AZURE_*, GOOGLE_*), got "
            f"what obstore fails at: {redact(str(err))[:_LONGEST]}; correct them"
        ) from err
