"""Fetching a zip archive over the network, and unpacking it without trusting it."""

import logging
import os
import shutil
import stat
import struct
import sys
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import pooch
import requests

from pipeline.files.redact import redact
from pipeline.params.steps import Download

MIRROR = "SEGNET_MIRROR"
_CHUNK = 2**20  # bytes
_TRY_AGAIN = (408, 429)  # the client errors that pass: time-out, too many requests
_LONGEST, _LONGEST_PATH = 255, 1000  # bytes of a file's or folder's name, and of a path in an archive
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # zipfile unpacks the others without a limit
# What zipfile raises on a broken archive: what it means to, and whatever else it stumbles over.
_FAULTS = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError),
    *(LookupError, OverflowError, UnicodeError),
)
_log = logging.getLogger(__name__)


class ArchiveError(ValueError):
    """An archive that cannot be fetched whole, or must not be unpacked."""


class UnsafeArchiveError(ArchiveError):
    """A whole archive that must not be unpacked: fetching it again does not help."""


def fetch(name: str, url: str, limits: Download) -> Path:
    """Return the path of a whole archive: from the mirror where there is one, else from `url`.

    The environment variable SEGNET_MIRROR names a folder, or a base URL, that holds the archive as `name`. In a
    folder it is used where it lies. What is fetched is kept in the user's cache (~/.cache/segnet on Linux), so that
    no later run fetches it again; it gets there only after its length and every member's checksum were found right.

    Args:
        name: file name of the archive, in the mirror and in the cache.
        url: public address.
        limits: attempts, time-out, and the limits that `unpack` obeys.

    Raises:
        ArchiveError: no place gave a whole archive; the message says what happened at each.
    """
    mirror = os.environ.get(MIRROR, "")
    failures = []
    for place in ([f"{mirror.rstrip('/')}/{name}"] if mirror else []) + [url]:
        try:
            return _transfer(place, name, limits) if "://" in place else _in_folder(Path(place).expanduser(), limits)
        except ArchiveError as err:
            failures.append(redact(f"{place}: {err}"))
            _log.warning("%s", failures[-1])
    raise ArchiveError(
        f"expected the archive {name}, got\n  " + "\n  ".join(failures) + f"\nCheck the network, or set {MIRROR} to a "
        f"folder or base URL that holds the archive under this name"
    )


def unpack(path: Path, inside: str, folder: Path, limits: Download) -> None:
    """Unpack the files below the archive's folder `inside` into `folder`, without that prefix.

    Raises:
        ArchiveError: a member lies outside the archive, is a link, comes twice, is encrypted or damaged, or there
            are more members, or more bytes, than `limits` allow; or there is nothing in `inside`.
    """
    try:
        with _opened(path) as archive:
            members = [m for m in _members(archive, limits) if m.filename.startswith(f"{inside}/") and not m.is_dir()]
            for member in members:
                target = folder / PurePosixPath(member.filename).relative_to(inside)  # never absolute: a/b//c is b/c
                target.parent.mkdir(parents=True, exist_ok=True)
                # zipfile stops at the size in the header and then compares the checksum: a false size is an error.
                with archive.open(member) as packed, target.open("xb") as unpacked:
                    shutil.copyfileobj(packed, unpacked, _CHUNK)
    except ArchiveError as err:
        raise ArchiveError(f"{path}: {err}; remove this archive and run again") from err
    if not members:
        raise ArchiveError(f"{path}: expected files in {inside}/, got none; remove this archive and run again")


def _in_folder(path: Path, limits: Download) -> Path:
    """Return `path` if it is a whole archive."""
    if not path.is_file():
        raise ArchiveError("no such file")
    _check(path, limits)
    return path


def _transfer(url: str, name: str, limits: Download) -> Path:
    """Fetch `url` into the cache, unless an earlier run did; return the cached file."""

    def download(address: str, output: str, _: object) -> None:
        transfer = pooch.HTTPDownloader(
            progressbar=sys.stderr.isatty(), chunk_size=_CHUNK, timeout=limits.timeout_seconds
        )
        transfer(address, output, None)  # requests raises when fewer bytes come than the server announced
        _check(Path(output), limits)  # and this, where it announced nothing

    pooch.get_logger().setLevel(logging.WARNING)  # below it, pooch advises to pin a hash
    attempt = 0
    while True:
        attempt += 1
        try:
            cache = pooch.os_cache("segnet")
            return Path(pooch.retrieve(url, known_hash=None, fname=name, path=cache, downloader=download))
        except (requests.RequestException, ArchiveError) as err:
            if attempt == limits.attempts or _is_final(err):
                raise ArchiveError(f"{err} (attempt {attempt} of {limits.attempts})") from err
            pause = 2 ** (attempt - 1)
            _log.warning(redact(f"{url}: {err}; attempt {attempt + 1} of {limits.attempts} in {pause} s"))
            time.sleep(pause)


def _is_final(err: requests.RequestException | ArchiveError) -> bool:
    """Tell whether a further attempt must fail too: the address is wrong, or the server says no."""
    if isinstance(err, ArchiveError):
        return isinstance(err, UnsafeArchiveError)
    if err.response is None:
        return isinstance(err, ValueError)  # requests' errors for an address that is none
    return 400 <= err.response.status_code < 500 and err.response.status_code not in _TRY_AGAIN


def _check(path: Path, limits: Download) -> None:
    """Raise ArchiveError unless the archive is there, may be unpacked, and every member has its checksum."""
    with _opened(path) as archive:
        _members(archive, limits)
        damaged = archive.testzip()
    if damaged is not None:
        raise ArchiveError(f"expected a whole archive, got a damaged member {damaged}")


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive; whatever is wrong with it becomes an ArchiveError."""
    try:
        with zipfile.ZipFile(path) as archive:
            if any(member.header_offset < 0 for member in archive.infolist()):  # zipfile would seek there
                raise zipfile.BadZipFile("a member that begins before the archive")
            yield archive
    except _FAULTS as err:
        raise ArchiveError(f"expected a whole zip archive, got: {err}") from err


def _members(archive: zipfile.ZipFile, limits: Download) -> list[zipfile.ZipInfo]:
    """Return the members, none of which can do harm.

    Raises:
        UnsafeArchiveError: one of them can, or there are too many members or bytes.
    """
    members = archive.infolist()
    if len(members) > limits.max_members:
        raise UnsafeArchiveError(
            f"expected at most {limits.max_members:,} members, got {len(members):,}; if the archive is to be "
            f"trusted, raise download.max_members"
        )
    size = sum(member.file_size for member in members)
    if size > limits.max_megabytes * 1e6:
        raise UnsafeArchiveError(
            f"expected at most {limits.max_megabytes:,} MB, got {size / 1e6:,.1f} MB when unpacked; if the archive is "
            f"to be trusted, raise download.max_megabytes"
        )
    files = {PurePosixPath(member.filename) for member in members if not member.is_dir()}
    seen: set[PurePosixPath] = set()
    for member in members:
        fault = _fault(member) or _clash(PurePosixPath(member.filename), files, seen)
        if fault:
            raise UnsafeArchiveError(
                f"expected files and folders below the target only, got {member.filename!r}, {fault}; do not trust "
                f"this archive"
            )
    return members


def _fault(member: zipfile.ZipInfo) -> str:
    """Return what is wrong with a member, or nothing."""
    path = PurePosixPath(member.filename)
    kind = stat.S_IFMT(member.external_attr >> 16)
    if path.is_absolute() or ".." in path.parts:
        return "which lies outside"
    if not path.name or member.filename.endswith("/.") or max(len(part.encode()) for part in path.parts) > _LONGEST:
        return "which is no name of a file"
    if len(member.filename.encode()) > _LONGEST_PATH:
        return "whose name is too long"
    if "\\" in member.filename or ":" in member.filename:
        return "which lies outside on Windows"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "which is a link or device"
    if member.flag_bits & 1:
        return "which is encrypted"
    if member.compress_type not in _METHODS:
        return "which is compressed by another method than deflate"
    return ""


def _clash(path: PurePosixPath, files: set[PurePosixPath], seen: set[PurePosixPath]) -> str:
    """Return what is wrong with a member beside the others, or nothing; add it to `seen`."""
    if path in seen:
        return "which comes twice"
    if not files.isdisjoint(path.parents):
        return "which lies in a file"
    seen.add(path)
    return ""
