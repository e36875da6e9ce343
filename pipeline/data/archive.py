"""Fetching a zip archive over the network, and unpacking it safely even if it is malicious."""

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

from pipeline.files.printable import ManyLinesError
from pipeline.files.redact import redact
from pipeline.params.steps import Download

MIRROR = "SEGNET_MIRROR"
_CHUNK = 2**20  # bytes
_ANSWER_SECONDS = 10  # for the beginning of an answer, where only that counts
_TRANSIENT = (408, 429)  # client errors that are worth a retry: time-out, too many requests
_LONGEST, _LONGEST_PATH = 255, 1000  # bytes of a file's or folder's name, and of a path in an archive
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # zipfile unpacks the others without a size limit
# What zipfile raises on a broken archive: its documented errors, and others that leak from its parsing.
_FAULTS = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError),
    *(LookupError, OverflowError, UnicodeError),
)
_log = logging.getLogger(__name__)


class ArchiveError(ManyLinesError):
    """An archive that cannot be fetched intact, or must not be unpacked."""


class UnsafeArchiveError(ArchiveError):
    """An intact archive that must not be unpacked: retrying will not help."""


def fetch(name: str, url: str, limits: Download) -> Path:
    """Return the path of an intact archive: from the mirror if one is set, otherwise or on failure from `url`.

    The environment variable SEGNET_MIRROR names a folder, or a base URL, that holds the archive as `name`. In a
    folder it is used in place. A fetched archive is kept in the user's cache (~/.cache/segnet on Linux), so that later
    runs do not fetch it again; it is stored there only after its length and every member's checksum were verified.

    Args:
        name: file name of the archive, in the mirror and in the cache.
        url: public address.
        limits: attempts, time-out, and the limits that `unpack` enforces.

    Raises:
        ArchiveError: no source gave an intact archive; the message lists what happened at each.
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
        f"expected the archive {name}, got",
        *(f"  {failure}" for failure in failures),
        f"Check the network, or set {MIRROR} to a folder or base URL that holds the archive under this name",
    )


def find(name: str, url: str) -> str:
    """Return where an archive is, without fetching it: in the cache, on the mirror or at `url`, in this order.

    Raises:
        ArchiveError: no source has it.
    """
    if (cached := Path(pooch.os_cache("segnet"), name)).is_file():
        return str(cached)
    mirror = os.environ.get(MIRROR, "")
    for place in ([f"{mirror.rstrip('/')}/{name}"] if mirror else []) + [url]:
        if _is_there(place):
            return redact(place)
    raise ArchiveError(
        f"expected the archive {name} in the cache, {f'{redact(mirror)} or ' if mirror else ''}{url}, got none",
        f"Check the network, or set {MIRROR} to a folder or base URL that holds the archive under this name",
    )


def _is_there(place: str) -> bool:
    if "://" not in place:
        return Path(place).expanduser().is_file()
    try:
        with requests.get(place, stream=True, timeout=_ANSWER_SECONDS) as answer:
            return answer.ok
    except requests.RequestException:
        return False


def unpack(path: Path, inside: str, folder: Path, limits: Download) -> None:
    """Unpack the files below the archive's folder `inside` into `folder`, without that prefix.

    Raises:
        ArchiveError: a member would land outside the target, is a link, a duplicate, encrypted or damaged; there are
            more members or bytes than `limits` allow; or `inside` has no files.
    """
    try:
        with _opened(path) as archive:
            members = [m for m in _members(archive, limits) if m.filename.startswith(f"{inside}/") and not m.is_dir()]
            for member in members:
                target = folder / PurePosixPath(member.filename).relative_to(inside)  # never absolute: a/b//c is b/c
                target.parent.mkdir(parents=True, exist_ok=True)
                # zipfile stops at the size in the header and then verifies the checksum: a false size is an error.
                with archive.open(member) as packed, target.open("xb") as unpacked:
                    shutil.copyfileobj(packed, unpacked, _CHUNK)
    except ArchiveError as err:
        raise ArchiveError(f"{path}: {err}; remove this archive and run again") from err
    if not members:
        raise ArchiveError(f"{path}: expected files in {inside}/, got none; remove this archive and run again")


def _in_folder(path: Path, limits: Download) -> Path:
    """Return `path` if it is an intact archive."""
    if not path.is_file():
        raise ArchiveError("no such file")
    _check(path, limits)
    return path


def _transfer(url: str, name: str, limits: Download) -> Path:
    """Fetch `url` into the cache unless it is already there; return the cached file."""

    def download(address: str, output: str, _: object) -> None:
        transfer = pooch.HTTPDownloader(
            progressbar=sys.stderr.isatty(), chunk_size=_CHUNK, timeout=limits.timeout_seconds
        )
        transfer(address, output, None)  # requests raises if fewer bytes arrive than the server announced
        _check(Path(output), limits)  # this also raises if it announced nothing

    pooch.get_logger().setLevel(logging.WARNING)  # below that level, pooch suggests pinning a hash
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
    """Return whether a retry would fail too: the address is wrong, or the server refuses."""
    if isinstance(err, ArchiveError):
        return isinstance(err, UnsafeArchiveError)
    if err.response is None:
        return isinstance(err, ValueError)  # requests' errors for an invalid address
    return 400 <= err.response.status_code < 500 and err.response.status_code not in _TRANSIENT


def _check(path: Path, limits: Download) -> None:
    """Raise ArchiveError unless the archive exists, may be unpacked, and every member matches its checksum."""
    with _opened(path) as archive:
        _members(archive, limits)
        damaged = archive.testzip()
    if damaged is not None:
        raise ArchiveError(f"expected an intact archive, got a damaged member {damaged}")


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive; any fault in it becomes an ArchiveError."""
    try:
        with zipfile.ZipFile(path) as archive:
            if any(member.header_offset < 0 for member in archive.infolist()):  # zipfile would seek there
                raise zipfile.BadZipFile("a member that starts before the archive")
            yield archive
    except _FAULTS as err:
        raise ArchiveError(f"expected an intact zip archive, got: {err}") from err


def _members(archive: zipfile.ZipFile, limits: Download) -> list[zipfile.ZipInfo]:
    """Return the members after checking that they are safe to unpack.

    Raises:
        UnsafeArchiveError: one of them is not, or there are too many members or bytes.
    """
    members = archive.infolist()
    if len(members) > limits.max_members:
        raise UnsafeArchiveError(
            f"expected at most {limits.max_members:,} members, got {len(members):,}; if you trust the archive, raise "
            f"download.max_members"
        )
    size = sum(member.file_size for member in members)
    if size > limits.max_megabytes * 1e6:
        raise UnsafeArchiveError(
            f"expected at most {limits.max_megabytes:,} MB, got {size / 1e6:,.1f} MB when unpacked; if you trust the "
            f"archive, raise download.max_megabytes"
        )
    files = {PurePosixPath(member.filename) for member in members if not member.is_dir()}
    seen: set[PurePosixPath] = set()
    for member in members:
        fault = _fault(member) or _clash(PurePosixPath(member.filename), files, seen)
        if fault:
            raise UnsafeArchiveError(
                f"expected only files and folders below the target, got {member.filename!r}, {fault}; do not trust "
                f"this archive"
            )
    return members


def _fault(member: zipfile.ZipInfo) -> str:
    """Return what is wrong with a member; empty if nothing is."""
    path = PurePosixPath(member.filename)
    kind = stat.S_IFMT(member.external_attr >> 16)
    if path.is_absolute() or ".." in path.parts:
        return "which lies outside the target"
    if not path.name or member.filename.endswith("/.") or max(len(part.encode()) for part in path.parts) > _LONGEST:
        return "which is not a valid file name"
    if len(member.filename.encode()) > _LONGEST_PATH:
        return "whose name is too long"
    if "\\" in member.filename or ":" in member.filename:
        return "which lies outside the target on Windows"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "which is a link or device"
    if member.flag_bits & 1:
        return "which is encrypted"
    if member.compress_type not in _METHODS:
        return "which is compressed by a method other than deflate"
    return ""


def _clash(path: PurePosixPath, files: set[PurePosixPath], seen: set[PurePosixPath]) -> str:
    """Return how a member conflicts with the others, empty if it does not; add it to `seen`."""
    if path in seen:
        return "which occurs twice"
    if not files.isdisjoint(path.parents):
        return "which lies inside a file"
    seen.add(path)
    return ""
