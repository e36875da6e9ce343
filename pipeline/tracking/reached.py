"""Errors of MLflow's calls: which may pass later, which are of the login, and what to say of them."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.files.redact import redact

LOGIN = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
"""Where MLflow looks for user and password."""
_LOGIN_REFUSED = (401, 403)
_TRY_LATER = (408, 429, 500, 502, 503, 504)  # the statuses that MLflow retries too
_LONGEST_REASON = 250  # characters
_DATABASE_FIXES = {  # by what SQLite says, of which MLflow makes errors of several thousand characters
    "disk is full": "make room on its disk",
    "readonly database": "correct the owner or mode of that file and its folder",
    "unable to open database": "correct the owner or mode of that file and its folder",
    "disk I/O error": "look after its disk",
}


class UnreachableError(ValueError):
    """The store, or its artifact storage, does not answer at the moment."""


@contextmanager
def reached(uri: str) -> Iterator[None]:
    """Distinguish errors of MLflow calls: those that may pass later, a refused login, and others, raised unchanged.

    Raises:
        UnreachableError: the server or its storage did not answer, or answered with a server error.
        ValueError: it refused the user.
    """
    try:
        yield
    except Exception as err:
        if (said := _said(uri, err)) is not None:
            raise said from err
        raise


def explained(err: Exception) -> Exception:
    """Return an error of a server that did not answer, or refused the user, with what to do; any other as it is."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    is_server = uri.startswith(("http://", "https://"))
    for each in (err, err.__cause__):
        said = _said(uri, each) if each is not None and (is_server or _database_reason(each)) else None
        if said is not None and not is_server:
            return said
        if isinstance(said, UnreachableError):
            return UnreachableError(f"{said}; start the server, or correct MLFLOW_TRACKING_URI")
        if said is not None:
            return said
    return err


def _said(uri: str, err: BaseException) -> ValueError | None:
    """Return what is raised in place of an error of a call; None: the error itself."""
    status = _status(err)
    if status == 403 and "Invalid Host header" in str(err):
        return ValueError(
            f"{redact(uri)}: expected a server that answers to this host name, got status 403; start mlflow server "
            "with --allowed-hosts 'HOST:*,localhost:*', HOST as in the address"
        )
    if status in _LOGIN_REFUSED:
        login = "the credentials of the storage (AWS_ACCESS_KEY_ID ...)" if _is_storage(err) else " and ".join(LOGIN)
        return ValueError(f"{redact(uri)}: expected an authorised user, got status {status}; set {login}")
    if status in _TRY_LATER:
        reason = redact(_database_reason(err) or str(err)).rpartition("(Caused by ")[2].replace("\n", " ")
        fix = next((f"; {todo}" for said, todo in _DATABASE_FIXES.items() if said in reason), "")
        state = "written" if fix else "reached"
        return UnreachableError(f"{redact(uri)} cannot be {state}: {_shortened(reason)}{fix}")
    return None


def _database_reason(err: BaseException) -> str:
    """Return what the database said, of an error that MLflow made of it; "" of another error."""
    return str(getattr(err.__cause__, "orig", None) or "")  # SQLAlchemy's errors have it


def _shortened(reason: str) -> str:
    """Return a reason up to its last word that is not too long."""
    start = reason[:_LONGEST_REASON]
    return start if start == reason or " " not in start else f"{start.rpartition(' ')[0]} ..."


def _status(err: BaseException) -> int | None:
    """Return the HTTP status of an error, 503 if there was no answer; None for errors of other libraries."""
    import requests
    from mlflow import MlflowException

    if isinstance(err, MlflowException):
        return int(err.get_http_status_code())
    if isinstance(err, requests.HTTPError) and err.response is not None:
        return err.response.status_code
    if isinstance(err, (requests.ConnectionError, requests.Timeout)):
        return 503
    return _storage_status(err)


def _is_storage(err: BaseException) -> bool:
    return type(err).__module__.startswith(("botocore", "boto3"))


def _storage_status(err: BaseException | None) -> int | None:
    """Return the status of an S3 error; botocore, which is not a dependency of ours, is loaded only if it is in use."""
    botocore = sys.modules.get("botocore.exceptions")
    if err is None or botocore is None:
        return None
    if type(err).__name__ == "S3UploadFailedError":
        return _storage_status(err.__context__)  # the actual error
    if isinstance(err, botocore.ClientError):
        return int(err.response["ResponseMetadata"]["HTTPStatusCode"])
    if isinstance(err, botocore.NoCredentialsError):
        return 401
    return 503 if isinstance(err, (botocore.ConnectionError, botocore.HTTPClientError)) else None
