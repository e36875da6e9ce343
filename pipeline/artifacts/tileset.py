"""data/tiles: uncompressed Arrow shards, which training memory-maps, and a Parquet index of all tiles.

tiles.json names the SHA-256 of every other file, by which machines without the folder can fetch them one by one.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pydantic import Field

from pipeline.artifacts.shard import Header, Shard
from pipeline.core.arrays import Pixels
from pipeline.files import atomic, strict_json, tables
from pipeline.files.digest import file_sha256

Batch = tuple[Pixels, Pixels]  # images (N, h, w, 3) and masks (N, h, w), uint8
Find = Callable[[str], Path]
"""Returns where a file of the folder lies, by name; it may be slow, and the file may be removed once it is open."""

HEADER, INDEX = "tiles.json", "tiles.parquet"
_AHEAD = 16  # batches for which files are found beforehand, if finding them is slow
_FINDERS = 4  # threads
_ATTEMPTS = 5  # at a file that others remove meanwhile
_OPEN = 512  # shards; a process may map 65,530 files on Linux

COLUMNS = {
    "split": "str",
    "source": "str",  # id of the image in the manifest
    "sequence": "str",
    "top": "int64",  # of the tile in the scaled image, in pixels
    "left": "int64",
    "height": "int64",  # of the part of the tile that the image fills; the rest is padding
    "width": "int64",
    "shard": "str",  # file below the folder
    "row": "int64",  # index in the shard
}
PIXELS = "pixels"  # list of C + 1 int64: mask pixels of each class, then of void (padding included)


@dataclass(frozen=True)
class _Document(Header):
    """tiles.json."""

    sha256: dict[str, Annotated[str, Field(pattern="^[0-9a-f]{64}$")]]
    """Of each other file, by name."""


def schema(header: Header) -> pa.Schema:
    """Return the schema of the index: COLUMNS and PIXELS."""
    return tables.schema(COLUMNS, {PIXELS: len(header.classes) + 1})


def write_index(folder: Path, header: Header, batches: Iterable[pa.RecordBatch]) -> Counter[str]:
    """Write tiles.json, and tiles.parquet, one row per tile, of its rows as they come; training numbers tiles by row.

    The shards that rows name must have been written when these come.

    Returns:
        the number of tiles of each split.
    """
    counts, shards = Counter[str](), {INDEX}

    def counted() -> Iterator[pa.RecordBatch]:
        for batch in batches:
            counts.update(map(str, batch["split"].to_pylist()))
            shards.update(map(str, batch["shard"].to_pylist()))
            yield batch

    with atomic.replacing(folder / INDEX) as temporary:
        tables.write(temporary, schema(header), counted())
    digests = {name: file_sha256(folder / name) for name in sorted(shards)}
    atomic.write_json(folder / HEADER, {**asdict(header), "sha256": digests})
    return counts


def sha256(header: Path) -> dict[str, str]:
    """Return the SHA-256 of the folder's other files, by name, which tiles.json at the path `header` names.

    Raises:
        ValueError: the tile stage did not write it.
    """
    return _read_header(lambda _: header).sha256


class Tileset:
    """The tiles of one split, or of several, memory-mapped."""

    def __init__(self, place: Path | Find, *splits: str) -> None:
        """Open the tiles of `splits`, which are numbered as the index lists them.

        Args:
            place: the folder, of whose shards the first 512 are opened and checked now, others when a tile of them is
                read; or a function that finds its files, which is asked for a shard whenever a tile of it is read, and
                for a few shards beforehand.
            splits: train, val or test.

        Raises:
            ValueError: not a folder that the tile stage wrote, or a shard and the index do not agree.
        """
        self._splits = splits
        self._find, self._is_near = (place.joinpath, True) if isinstance(place, Path) else (place, False)
        self.header, index = _read_index(self._find, {"split": "str", "shard": "str", "row": "int64"})
        index = index[index["split"].isin(splits)]
        numbers, names = pd.factorize(index["shard"])
        self._names: list[str] = names.tolist()
        self._numbers, self._rows = numbers.astype(np.int32), index["row"].to_numpy(np.int32)
        self._last_rows = np.zeros(len(names), np.int32)
        np.maximum.at(self._last_rows, self._numbers, self._rows)
        self._shards: dict[int, Shard] = {}  # the one used last comes last
        self._lock = Lock()
        if self._is_near:
            for number in range(min(len(names), _OPEN)):
                self._shard(number)

    def __len__(self) -> int:
        """Return the number of tiles."""
        return len(self._rows)

    def __getitem__(self, i: int) -> tuple[Pixels, Pixels]:
        """Return tile `i` as views: (h, w, 3) RGB and (h, w) mask, uint8, read-only."""
        shard = self._shard(int(self._numbers[i]))
        batch, row = shard.locate(int(self._rows[i]))
        return shard.images[batch][row], shard.masks[batch][row]

    def batches(self, parts: Sequence[Sequence[int]]) -> Iterator[Batch]:
        """Yield a batch of the tiles at each of `parts`; the next batch is read while the current one is used."""
        with ExitStack() as stack:
            reader = stack.enter_context(ThreadPoolExecutor(1))
            find = self._finder(parts, stack)
            upcoming = deque(reader.submit(self._batch, part) for part in parts[:2])
            for i in range(len(parts)):
                find(i)
                yield upcoming.popleft().result()
                if i + 2 < len(parts):
                    upcoming.append(reader.submit(self._batch, parts[i + 2]))

    def _finder(self, parts: Sequence[Sequence[int]], stack: ExitStack) -> Callable[[int], None]:
        """Return a function that, before part `i` is used, has the files found that the next parts need."""
        if self._is_near:
            return lambda i: None
        threads = ThreadPoolExecutor(_FINDERS)
        stack.callback(threads.shutdown, cancel_futures=True)
        under_way: dict[str, Future[Path]] = {}  # an error in it is raised when the file is read

        def find(i: int) -> None:
            for name in [name for name, search in under_way.items() if search.done()]:
                del under_way[name]
            for part in parts[0 if i == 0 else i + _AHEAD - 1 : i + _AHEAD]:
                for name in {self._names[self._numbers[tile]] for tile in part} - under_way.keys():
                    under_way[name] = threads.submit(self._find, name)

        return find

    def _batch(self, indices: Sequence[int]) -> Batch:
        images, masks = zip(*(self[i] for i in indices), strict=True)
        return np.stack(images), np.stack(masks)

    def _shard(self, number: int) -> Shard:
        """Return an open shard, after closing those that were not used for long.

        Shards whose files were removed are closed too, which gives back their disk space.
        """
        with self._lock:
            shard = self._shards.pop(number, None)
            if shard is None or not (self._is_near or shard.is_at(self._find(self._names[number]))):
                self._shards = {
                    other: each for other, each in self._shards.items() if self._is_near or each.is_at(each.path)
                }
                shard = self._opened(number)
            self._shards[number] = shard
            if len(self._shards) > _OPEN:
                del self._shards[next(iter(self._shards))]
            return shard

    def _opened(self, number: int) -> Shard:
        """Open a shard that has all tiles of the index."""
        for attempt in count(1):
            path = self._find(self._names[number])
            try:
                shard = Shard(path, self.header)
            except ValueError:
                if path.exists() or attempt == _ATTEMPTS:  # else it was removed just after it was found
                    raise
            else:
                shard.locate(int(self._last_rows[number]))
                return shard
        raise AssertionError  # count does not end

    def sources(self, tiles: Sequence[int]) -> list[str]:
        """Return the ids of the images that tiles were cut from; they are read now, since training needs none."""
        _, index = _read_index(self._find, {"split": "str", "source": "str"})
        return index.loc[index["split"].isin(self._splits), "source"].iloc[list(tiles)].tolist()

    def pixels(self) -> npt.NDArray[np.int64]:
        """Return each tile's pixels of each class, then of void: (T, C + 1) int64, for T tiles; read now, likewise."""
        _, index = _read_index(self._find, {"split": "str"}, with_pixels=True)
        return tables.matrix(index.loc[index["split"].isin(self._splits), PIXELS], len(self.header.classes) + 1)


def read_index(folder: Path) -> tuple[Header, pd.DataFrame]:
    """Return the header and the index of all tiles.

    Raises:
        ValueError: not a folder that the tile stage wrote.
    """
    return _read_index(folder.joinpath, COLUMNS, with_pixels=True)


def _read_index(find: Find, columns: Mapping[str, str], *, with_pixels: bool = False) -> tuple[Header, pd.DataFrame]:
    document = _read_header(find)
    header = Header(**{each.name: getattr(document, each.name) for each in fields(Header)})
    try:
        lists = {PIXELS: len(header.classes) + 1} if with_pixels else {}
        index = tables.read_frame(find(INDEX), columns, lists)
        if "shard" in columns:
            shards = index["shard"].unique()
            tables.check_paths(shards)
            if missing := sorted({*shards} - document.sha256.keys()):
                raise ValueError(f"expected the SHA-256 of each shard, got none of {', '.join(missing[:3])}")
    except (OSError, ValueError) as err:
        raise ValueError(
            f"{find(INDEX).parent}: expected tiles that the tile stage wrote: {err}; run it again"
        ) from err
    return header, index


def _read_header(find: Find) -> _Document:
    path = find(HEADER)
    try:
        return strict_json.parse(path.read_bytes(), _Document)
    except (OSError, ValueError) as err:
        raise ValueError(f"{path.parent}: expected tiles that the tile stage wrote: {err}; run it again") from err
