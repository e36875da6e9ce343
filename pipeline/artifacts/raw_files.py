"""The encoded images and masks of data/raw: each a file of its own, or many of them together in shards.

A shard is an uncompressed Arrow file, of about 128 MB, of images by ascending id. Its columns are `id`, and `image`,
`mask` and `outside_mask`: the bytes of the file that there would be otherwise, null where there is none. The manifest
names the place of each: images/train/a.png is a file, shards/00000.arrow/3/17/image the image of row 17 of the record
batch 3.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, count
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, Self

import pyarrow as pa

from pipeline.artifacts.manifest import Row

SHARDS = "shards"
_KINDS = ("image", "mask", "outside_mask")
_TYPES: dict[str, pa.DataType] = {"id": pa.string(), **dict.fromkeys(_KINDS, pa.large_binary())}
_SCHEMA = pa.schema(_TYPES)
_SHARD_BYTES = 128_000_000  # of encoded images and masks; a shard ends with the image that brings it to this size
_BATCH_BYTES = 1_000_000  # likewise a record batch: what is held in memory while a shard is written
_OPEN = 4  # shards; what was read of a memory map counts as resident until it is closed
_PLACE = re.compile(rf"({SHARDS}/\d{{5,9}}\.arrow)/(\d{{1,9}})/(\d{{1,9}})/({'|'.join(_KINDS)})")


class Image(NamedTuple):
    """An image with its mask, before they are written."""

    row: Row
    """Of the manifest; its places are those of files."""
    contents: Mapping[str, bytes]
    """What image, mask and outside_mask hold, of those that there are."""


def file_of(place: str) -> str:
    """Return the path, below the folder, of the file that holds a place of the manifest."""
    match = _PLACE.fullmatch(place)
    return match[1] if match else place


def write(image: Image, folder: Path) -> Row:
    """Write an image and its masks as files below `folder`, each at its place; return the row."""
    for kind, content in image.contents.items():
        path = folder / image.row[kind]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return image.row


def into_shards(images: Iterable[Image], folder: Path) -> Iterator[Row]:
    """Write images and masks into shards below `folder`; yield their rows with their places there, in order.

    The same images give the same bytes.
    """
    (folder / SHARDS).mkdir()
    remaining = iter(images)
    for number in count():
        if (first := next(remaining, None)) is None:
            break
        yield from _fill(f"{SHARDS}/{number:05d}.arrow", chain([first], remaining), folder)


def _fill(name: str, images: Iterator[Image], folder: Path) -> Iterator[Row]:
    """Write one shard of the next images, and yield their rows."""
    written = 0  # bytes
    with pa.ipc.new_file(str(folder / name), _SCHEMA) as writer:
        for number in count():
            batch: list[dict[str, Any]] = []
            size = 0
            for row, contents in images:
                size += sum(map(len, contents.values()))
                yield {**row, **{kind: f"{name}/{number}/{len(batch)}/{kind}" for kind in contents}}
                batch.append({"id": row["id"], **contents})
                if size >= _BATCH_BYTES or written + size >= _SHARD_BYTES:
                    break
            if not batch:
                return
            writer.write_batch(pa.RecordBatch.from_pylist(batch, _SCHEMA))
            written += size
            if written >= _SHARD_BYTES:
                return


class RawFiles:
    """Encoded images and masks by their places; any thread may ask. The shards used last stay memory-mapped."""

    def __init__(self, folder: Path) -> None:
        """Take the folder that the places of a manifest are in; a shard is opened when it is first used."""
        self._folder = folder
        self._shards: dict[str, pa.ipc.RecordBatchFileReader] = {}  # the one used last comes last
        self._lock = Lock()

    def __reduce__(self) -> tuple[type[Self], tuple[Path]]:
        """Pickle the folder alone: another process opens its shards anew."""
        return type(self), (self._folder,)

    def source(self, place: str) -> Path | bytes:
        """Return what is at a place, as `pipeline.files.images` reads it: the path of a file, or encoded bytes.

        Raises:
            ValueError: the place is in a shard, which is missing, damaged, or holds no such bytes.
        """
        if not place.startswith(f"{SHARDS}/"):
            return self._folder / place
        try:
            if (match := _PLACE.fullmatch(place)) is None:
                raise ValueError("the place is not one of a shard")
            with self._lock:
                batch = self._shard(match[1]).get_batch(int(match[2]))
            batch.validate(full=True)  # otherwise a damaged length would lead to reads beyond the end of the file
            content: bytes | None = batch.column(match[4])[int(match[3])].as_py()
            if content is None:
                raise ValueError("there is none")
        except (OSError, ValueError, IndexError, pa.ArrowException) as err:
            raise ValueError(
                f"{self._folder / file_of(place)}: expected the shard with {place} that the download stage writes: "
                f"{err}; run it again"
            ) from err
        return content

    def content(self, place: str) -> bytes:
        """Return the encoded bytes at a place.

        Raises:
            ValueError: as for `source`.
        """
        source = self.source(place)
        return source if isinstance(source, bytes) else source.read_bytes()

    def _shard(self, name: str) -> pa.ipc.RecordBatchFileReader:
        """Return an open shard, after closing the one that was not used for longest."""
        shard = self._shards.pop(name, None)
        if shard is None:
            shard = pa.ipc.open_file(pa.memory_map(str(self._folder / name)))
            if not shard.schema.equals(_SCHEMA):
                raise ValueError(f"got the columns {', '.join(shard.schema.names)}")
        self._shards[name] = shard
        if len(self._shards) > _OPEN:
            del self._shards[next(iter(self._shards))]
        return shard
