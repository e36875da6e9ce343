"""What several machines share, under one address: an object store, or a folder that all of them mount.

pyarrow.fs writes objects too, but not on a condition, which a lease needs (Apache Arrow #44281); so this is obstore.
"""

import os
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit

from pipeline.files import atomic, storage_errors
from pipeline.files.storage_address import check_address
from pipeline.files.storage_errors import StorageError as StorageError  # part of this module's interface
from pipeline.files.storage_settings import client_options

if TYPE_CHECKING:
    import pyarrow as pa
    from obstore import ObjectMeta, UpdateVersion
    from obstore.store import ObjectStore

_Result = TypeVar("_Result")
_CONNECT, _REQUEST = timedelta(seconds=10), timedelta(seconds=60)  # of an attempt; name servers are asked again after 5
_RETRY = timedelta(seconds=180)  # for one request with all attempts; a longer outage is an error
_PAUSE = 10.0  # seconds between two attempts, at most
_CHUNK = 8 << 20  # bytes
_WRITES = {"write", "create"}  # which no missing object can make fail


class Storage:
    """Objects by name below an address; a name is a relative path with slashes.

    Requests that fail are repeated with growing pauses, for three minutes unless told otherwise. Every write is atomic:
    a reader sees the old object or the new one.
    """

    def __init__(self, address: str, *, patience: timedelta | None = None) -> None:
        """Take an address: s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or file:///folder.

        Credentials and endpoints are those of the provider's own tools: AWS_* with AWS_ENDPOINT_URL, profiles of
        ~/.aws (with the extra s3), GOOGLE_APPLICATION_CREDENTIALS, AZURE_*.

        Raises:
            ValueError: it is none of these.
        """
        check_address(address)
        self.address, self._patience = address.rstrip("/"), patience or _RETRY
        self.folder = Path(unquote(urlsplit(address).path)) if address.startswith("file:") else None
        """The folder, if the storage is one."""

    def __reduce__(self) -> tuple[type, tuple[str]]:
        """Travel as the address: each process connects itself, with the credentials of its machine."""
        return type(self), (self.address,)

    def put(self, name: str, content: bytes | Path) -> None:
        """Write an object, or replace it; `content` is its bytes, or a file of them."""
        import obstore

        self._call("write", name, lambda: obstore.put(self._store, name, content, chunk_size=_CHUNK))

    def create(self, name: str, content: bytes) -> bool:
        """Write an object unless it exists; return whether it was written.

        After a lost answer this may say False of an object that this very call wrote.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError

        try:
            self._call("create", name, lambda: obstore.put(self._store, name, content, mode="create"))
        except AlreadyExistsError:
            return False
        return True

    def replace(self, name: str, content: bytes, version: str) -> bool:
        """Replace the `version` of an object that `get_version` returned; return False if it is another one by now."""
        import obstore
        from obstore.exceptions import NotFoundError, PreconditionError

        mode: UpdateVersion = {"e_tag": version}
        try:
            self._call("replace", name, lambda: obstore.put(self._store, name, content, mode=mode))
        except (PreconditionError, NotFoundError, FileNotFoundError):
            return False
        return True

    def get(self, name: str) -> bytes:
        """Return the bytes of an object.

        Raises:
            FileNotFoundError: there is none.
        """
        return self.get_version(name)[0]

    def get_version(self, name: str) -> tuple[bytes, str]:
        """Return the bytes of an object and its version, an entity tag; the same bytes may have the same version.

        Raises:
            FileNotFoundError: there is none.
        """
        import obstore

        def read() -> tuple[bytes, str]:
            answer = obstore.get(self._store, name)
            return bytes(answer.bytes()), answer.meta["e_tag"] or ""

        return self._call("read", name, read)

    def fetch(self, name: str, path: Path) -> None:
        """Copy an object to the file `path`, which appears once it is complete.

        Raises:
            FileNotFoundError: there is none.
            StorageError: the file cannot be written, too.
        """
        import obstore

        def stream() -> None:
            chunks = obstore.get(self._store, name).stream(min_chunk_size=_CHUNK)
            try:
                with atomic.replacing(path) as temporary, temporary.open("wb") as file:
                    for chunk in chunks:
                        file.write(chunk)
            except OSError as err:
                if err.errno is None:  # of obstore, whose own have no number
                    raise
                raise StorageError(
                    f"expected to write {path}, got: {err.strerror}; make room on its disk, or correct its permissions"
                ) from err

        self._call("read", name, stream)

    def names(self, prefix: str = "") -> list[str]:
        """Return the names of all objects below `prefix`, which ends before a slash, sorted."""
        return [str(name) for name in self.listing(prefix)["name"].to_pylist()]

    def listing(self, prefix: str = "") -> "pa.Table":
        """Return all objects below `prefix`, which ends before a slash, sorted by name, in some 50 bytes for each.

        Its columns: name, large_string; size in bytes, int64; changed, int64, in nanoseconds since 1970.
        """
        import obstore
        import pyarrow as pa

        fields: list[tuple[str, pa.DataType]] = [("name", pa.large_string()), ("size", pa.int64())]
        schema = pa.schema([*fields, ("changed", pa.int64())])

        def row(stat: "ObjectMeta") -> dict[str, str | int]:
            changed = round(stat["last_modified"].timestamp() * 1e6) * 1000
            return {"name": stat["path"], "size": stat["size"], "changed": changed}

        def listed() -> pa.Table:
            pages = obstore.list(self._store, prefix or None, chunk_size=1000)
            batches = [pa.RecordBatch.from_pylist([row(each) for each in page], schema) for page in pages]
            return pa.Table.from_batches(batches, schema).sort_by("name")

        return self._call("list", prefix, listed)

    def size(self, name: str) -> int | None:
        """Return the size of an object in bytes, or None if there is none."""
        import obstore

        try:
            return self._call("look at", name, lambda: obstore.head(self._store, name))["size"]
        except FileNotFoundError:
            return None

    def delete(self, names: Iterable[str]) -> None:
        """Remove objects; one that is missing is no error."""
        import obstore

        for name in names:
            try:
                self._call("remove", name, lambda name=name: obstore.delete(self._store, name))  # type: ignore[misc]
            except FileNotFoundError:
                continue

    @cached_property
    def _store(self) -> "ObjectStore":
        from obstore.store import LocalStore, from_url

        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            return LocalStore(self.folder)
        backoff = {"init_backoff": timedelta(seconds=0.2), "max_backoff": timedelta(seconds=10), "base": 2}
        options: dict[str, Any] = {
            "client_options": {"timeout": _REQUEST, "connect_timeout": _CONNECT, **client_options(self.address)},
            "retry_config": {"max_retries": 1000, "retry_timeout": self._patience, "backoff": backoff},
        }
        if self.address.startswith("s3:"):
            options |= _aws_profile()
        return from_url(self.address, **options)

    def _call(self, verb: str, name: str, action: Callable[[], _Result]) -> _Result:
        """Call a function of obstore; again, if a transfer breaks off, or what obstore does not repeat has no answer.

        Raises:
            FileNotFoundError: there is no such object, in a bucket that exists.
            AlreadyExistsError, PreconditionError: of obstore; the condition of a write is not met.
            StorageError: anything else.
        """
        from obstore.exceptions import AlreadyExistsError, BaseError, GenericError, NotFoundError, PreconditionError

        began = time.monotonic()
        for attempt in count(1):
            try:
                with storage_errors.panics_told():
                    return action()
            except (BaseError, OSError) as err:
                text, is_missing = storage_errors.text(err), isinstance(err, (NotFoundError, FileNotFoundError))
                is_answer, no_bucket = storage_errors.is_answer(err), storage_errors.missing_bucket(err)
                if no_bucket or (is_missing and is_answer and verb in _WRITES):
                    raise StorageError(
                        f"expected to {verb} {self.address}/{name}, got {no_bucket or text}; create the bucket or "
                        "container, or correct the address or the endpoint"
                    ) from err
                if isinstance(err, (AlreadyExistsError, PreconditionError)):
                    raise
                if is_missing:
                    raise FileNotFoundError(f"expected {self.address}/{name}, got no such object") from err
                # An answer is final: obstore has repeated what can be repeated; and so is what a folder says.
                is_final = is_answer or self.folder is not None or not isinstance(err, GenericError)
                if is_final or time.monotonic() - began > self._patience.total_seconds():
                    raise StorageError(
                        f"expected to {verb} {self.address}/{name}, got: {text}; check address, network, "
                        "credentials and permissions"
                    ) from err
                time.sleep(min(_PAUSE, 0.1 * 2**attempt))
        raise AssertionError  # count does not end


def _aws_profile() -> dict[str, Any]:
    """Return the options by which boto3's credentials are used, if the environment has none and boto3 is installed."""
    if "AWS_ACCESS_KEY_ID" in os.environ:
        return {}
    try:
        from obstore.auth.boto3 import Boto3CredentialProvider

        return {"credential_provider": Boto3CredentialProvider()}
    except (ImportError, ValueError):  # no boto3, or no credentials: instance metadata
        return {}
