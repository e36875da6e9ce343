"""Hypothesis strategies for broken input of readers: bytes, JSON trees, tables, images and archives."""

import copy
import io
import json
import math
import stat
import struct
import warnings
import zipfile
import zlib
from tempfile import gettempdir

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st


class Blob(bytes):
    """Bytes that are not printed in full when a test fails."""

    def __repr__(self):
        return f"<{len(self)} bytes>"


OUTSIDE = f"{gettempdir()}/segnet-outside"  # where a member that escapes its folder would be written
ODD = (None, True, -1, 0, 3, 0.5, 2**31, 2**63, 2**70, 1e300, math.inf, math.nan, "", "x" * 300, "é", "\x00", "\ud800")
PATHS = ("../../../etc/passwd", "/etc/passwd", "a//etc/passwd", "..", ".", "/", "C:\\x", "a\\..\\b", "x" * 5000)
VALUES = st.sampled_from((*ODD, *PATHS, [], {}, [[]], [None], {"": None}))
WORDS = (*(struct.pack("<i", n) for n in (-1, 0, 1, 2**31 - 1, -(2**31), 2**20, 2**16)), b"\xff\xff", bytes(8))
DEEP = tuple(map(Blob, (b"[" * 100_000, b'{"a":' * 100_000, b"[" * 500 + b"]" * 500)))  # too deep to recurse into


@st.composite
def damaged(draw, data):
    """Draw bytes with up to four faults: flipped bits, other words, and parts cut off, removed, inserted or copied."""
    result = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        end = len(result)
        ends = st.integers(0, min(end, 200)) | st.integers(max(0, end - 200), end)  # where headers and footers are
        place = draw(ends | st.integers(0, end))
        match draw(st.sampled_from(("flip", "flip", "word", "word", "cut", "out", "in", "copy"))):
            case "flip" if place < end:
                result[place] ^= 1 << draw(st.integers(0, 7))
            case "word":
                word = draw(st.sampled_from(WORDS))
                result[place : place + len(word)] = word
            case "cut":
                del result[place:]
            case "out":
                del result[place : place + draw(st.integers(1, 64))]
            case "in":
                result[place:place] = draw(st.binary(max_size=16))
            case "copy":
                start = draw(st.integers(0, end))
                result[place:place] = result[start : start + draw(st.integers(1, 64))]
    return Blob(result)


def _places(tree):
    """Yield every container of a tree with each of its keys or indices."""
    for key in tree if isinstance(tree, dict) else range(len(tree)):
        yield tree, key
        if isinstance(tree[key], dict | list):
            yield from _places(tree[key])


@st.composite
def trees(draw, tree):
    """Draw the JSON text of a tree with up to three faults: another value, a missing key, an additional key."""
    root = {"": copy.deepcopy(tree)}
    for _ in range(draw(st.integers(1, 3))):
        holder, key = draw(st.sampled_from(list(_places(root))))
        match draw(st.sampled_from(("value", "value", "out", "in"))):
            case "value":
                holder[key] = copy.deepcopy(draw(VALUES))
            case "out" if holder is not root:
                del holder[key]
            case "in" if isinstance(holder, dict) and holder is not root:
                holder["unknown"] = copy.deepcopy(draw(VALUES))
    return Blob(json.dumps(root[""]), "utf-8")


def documents(tree):
    """Return JSON files with faults in their tree or their text."""
    return trees(tree) | damaged(Blob(json.dumps(tree, indent=2), "utf-8")) | st.sampled_from(DEEP)


@st.composite
def tables(draw, data):
    """Draw a Parquet file with another value, another type, or a missing or additional column or row."""
    table = pq.read_table(io.BytesIO(data))
    frame, odd = table.to_pandas().astype(object), draw(VALUES)
    column = draw(st.sampled_from(list(frame.columns)))
    many = pd.Series([odd] * len(frame), dtype=object)
    match draw(st.sampled_from(("value", "value", "value", "column", "out", "in", "rows", "none"))):
        case "value":
            frame.at[draw(st.integers(0, len(frame) - 1)), column] = odd
        case "column":
            frame[column] = many
        case "out":
            frame = frame.drop(columns=column)
        case "in":
            frame["unknown"] = many
        case "rows":
            frame = pd.concat([frame, frame.tail(1)], ignore_index=True)
        case "none":
            frame = frame.head(0)
    try:
        return _parquet(frame, table)
    except (ValueError, TypeError, OverflowError, pa.ArrowException):  # no Parquet type holds all of its values
        return _parquet(frame.map(repr), table)


def _parquet(frame, table):
    """Return a frame as a Parquet file, with the metadata of `table` added."""
    changed, buffer = pa.Table.from_pandas(frame), io.BytesIO()
    metadata = {**(changed.schema.metadata or {}), **(table.schema.metadata or {})}
    pq.write_table(changed.replace_schema_metadata(metadata), buffer)
    return Blob(buffer.getvalue())


MEMBERS = (
    *("root/data/a", "root/data/a/b", "root/data/./a", f"root/data/{OUTSIDE}", "root/data/../x", "../x", OUTSIDE),
    *("root/data/.", "root/data/" + "y" * 300, "root/data/\x01", "root/data", "root/data/c/", "root/other", "C:\\x"),
)


@st.composite
def archives(draw):
    """Draw a zip archive whose members have any path and kind, and may unpack to more than they declare."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's warning about a duplicate name
        for name in draw(st.lists(st.just("root/data/a") | st.sampled_from(MEMBERS), max_size=3)):
            member = zipfile.ZipInfo(name)
            member.compress_type = draw(st.sampled_from((0, 8, 8, 8, 12, 14)))  # stored, deflated, bzip2, LZMA
            kind = draw(st.sampled_from((0, 0, 0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO)))
            member.create_system, member.external_attr = 3, (kind | 0o777) << 16
            packed.writestr(member, bytes(draw(st.sampled_from((0, 10, 10, 10, 1_200_000)))))
    archive = Blob(buffer.getvalue())
    return draw(st.just(archive) | damaged(archive))


def chunk(kind, body):
    """Return a chunk of a PNG, with its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def declared(width, height):
    """Return a truncated PNG that declares this size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return Blob(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))))


@st.composite
def pngs(draw, data):
    """Draw a PNG with faults in a chunk but a correct checksum, so that they pass the first check."""
    places, place = [], 8
    while place + 12 <= len(data):
        places.append(place)
        place += 12 + int.from_bytes(data[place : place + 4])
    start = draw(st.sampled_from(places))
    end = start + 8 + int.from_bytes(data[start : start + 4])
    kinds = (data[start + 4 : start + 8], b"tRNS", b"PLTE", b"eXIf", b"zTXt", b"iCCP", b"fcTL")
    body = Blob(data[start + 8 : end])
    changed = chunk(draw(st.sampled_from(kinds)), draw(damaged(body) | st.just(body)))
    return Blob(data[:start] + changed + data[end + 4 :])


def arrays():
    """Return arrays of various shapes and dtypes."""
    shapes = ((), (0,), (3,), (2, 3), (2, 2, 3), (0, 2, 3), (2, 0, 3), (1, 1, 3), (2, 2, 4), (1, 2, 2, 3))
    kinds = ("uint8", "uint8", "int64", "float32", "bool", "object", "complex64", "S3")
    return st.builds(np.zeros, st.sampled_from(shapes), st.sampled_from(kinds))
