"""Strategies of hypothesis that break what a reader is given: bytes, JSON trees, tables, pictures and archives."""

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


class Whole(bytes):
    """Bytes that are not printed in full when a test fails."""

    def __repr__(self):
        return f"<{len(self)} bytes>"


OUTSIDE = f"{gettempdir()}/segnet-outside"  # where a member that gets out of its folder would lie
ODD = (None, True, -1, 0, 3, 0.5, 2**31, 2**63, 2**70, 1e300, math.inf, math.nan, "", "x" * 300, "é", "\x00", "\ud800")
PATHS = ("../../../etc/passwd", "/etc/passwd", "a//etc/passwd", "..", ".", "/", "C:\\x", "a\\..\\b", "x" * 5000)
VALUES = st.sampled_from((*ODD, *PATHS, [], {}, [[]], [None], {"": None}))
WORDS = (*(struct.pack("<i", n) for n in (-1, 0, 1, 2**31 - 1, -(2**31), 2**20, 2**16)), b"\xff\xff", bytes(8))
DEEP = tuple(map(Whole, (b"[" * 100_000, b'{"a":' * 100_000, b"[" * 500 + b"]" * 500)))  # beyond every reader's stack


@st.composite
def damaged(draw, data):
    """Bytes with up to four faults: flipped bits, other words, and parts cut off, cut out, put in or copied."""
    found = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        end = len(found)
        ends = st.integers(0, min(end, 200)) | st.integers(max(0, end - 200), end)  # where headers and footers are
        place = draw(ends | st.integers(0, end))
        match draw(st.sampled_from(("flip", "flip", "word", "word", "cut", "out", "in", "copy"))):
            case "flip" if place < end:
                found[place] ^= 1 << draw(st.integers(0, 7))
            case "word":
                word = draw(st.sampled_from(WORDS))
                found[place : place + len(word)] = word
            case "cut":
                del found[place:]
            case "out":
                del found[place : place + draw(st.integers(1, 64))]
            case "in":
                found[place:place] = draw(st.binary(max_size=16))
            case "copy":
                start = draw(st.integers(0, end))
                found[place:place] = found[start : start + draw(st.integers(1, 64))]
    return Whole(found)


def _places(tree):
    """Every container of a tree with each of its keys or indices."""
    for key in tree if isinstance(tree, dict) else range(len(tree)):
        yield tree, key
        if isinstance(tree[key], dict | list):
            yield from _places(tree[key])


@st.composite
def trees(draw, tree):
    """The JSON text of a tree with up to three faults: another value, a key too few, a key too many."""
    found = {"": copy.deepcopy(tree)}
    for _ in range(draw(st.integers(1, 3))):
        holder, key = draw(st.sampled_from(list(_places(found))))
        match draw(st.sampled_from(("value", "value", "out", "in"))):
            case "value":
                holder[key] = copy.deepcopy(draw(VALUES))
            case "out" if holder is not found:
                del holder[key]
            case "in" if isinstance(holder, dict) and holder is not found:
                holder["unknown"] = copy.deepcopy(draw(VALUES))
    return Whole(json.dumps(found[""]), "utf-8")


def documents(tree):
    """The bytes of a JSON file with faults in its tree or its text."""
    return trees(tree) | damaged(Whole(json.dumps(tree, indent=2), "utf-8")) | st.sampled_from(DEEP)


@st.composite
def tables(draw, whole):
    """The bytes of a Parquet file with another value, another type, or a column or row too few or too many."""
    table = pq.read_table(io.BytesIO(whole))
    found, odd = table.to_pandas().astype(object), draw(VALUES)
    column = draw(st.sampled_from(list(found.columns)))
    many = pd.Series([odd] * len(found), dtype=object)
    match draw(st.sampled_from(("value", "value", "value", "column", "out", "in", "rows", "none"))):
        case "value":
            found.at[draw(st.integers(0, len(found) - 1)), column] = odd
        case "column":
            found[column] = many
        case "out":
            found = found.drop(columns=column)
        case "in":
            found["unknown"] = many
        case "rows":
            found = pd.concat([found, found.tail(1)], ignore_index=True)
        case "none":
            found = found.head(0)
    try:
        return _parquet(found, table)
    except (ValueError, TypeError, OverflowError, pa.ArrowException):  # no type of Parquet holds it and its neighbours
        return _parquet(found.map(repr), table)


def _parquet(frame, table):
    """The bytes of a Parquet file of a frame, with the metadata of a table too."""
    changed, buffer = pa.Table.from_pandas(frame), io.BytesIO()
    pq.write_table(changed.replace_schema_metadata({**changed.schema.metadata, **table.schema.metadata}), buffer)
    return Whole(buffer.getvalue())


MEMBERS = (
    *("root/data/a", "root/data/a/b", "root/data/./a", f"root/data/{OUTSIDE}", "root/data/../x", "../x", OUTSIDE),
    *("root/data/.", "root/data/" + "y" * 300, "root/data/\x01", "root/data", "root/data/c/", "root/other", "C:\\x"),
)


@st.composite
def archives(draw):
    """A zip archive whose members lie anywhere, are of any kind, and may unpack to more than they say."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's, about a name that comes twice
        for name in draw(st.lists(st.just("root/data/a") | st.sampled_from(MEMBERS), max_size=3)):
            member = zipfile.ZipInfo(name)
            member.compress_type = draw(st.sampled_from((0, 8, 8, 8, 12, 14)))  # stored, deflated, bzip2, LZMA
            kind = draw(st.sampled_from((0, 0, 0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO)))
            member.create_system, member.external_attr = 3, (kind | 0o777) << 16
            packed.writestr(member, bytes(draw(st.sampled_from((0, 10, 10, 10, 1_200_000)))))
    whole = Whole(buffer.getvalue())
    return draw(st.just(whole) | damaged(whole))


def chunk(kind, body):
    """A chunk of a PNG, with its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def declared(width, height):
    """A PNG that says it is of this size, and ends soon."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return Whole(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))))


@st.composite
def pngs(draw, data):
    """A PNG with faults in a chunk, whose checksum is right again: they get past the first check."""
    places, place = [], 8
    while place + 12 <= len(data):
        places.append(place)
        place += 12 + int.from_bytes(data[place : place + 4])
    start = draw(st.sampled_from(places))
    end = start + 8 + int.from_bytes(data[start : start + 4])
    kinds = (data[start + 4 : start + 8], b"tRNS", b"PLTE", b"eXIf", b"zTXt", b"iCCP", b"fcTL")
    body = Whole(data[start + 8 : end])
    changed = chunk(draw(st.sampled_from(kinds)), draw(damaged(body) | st.just(body)))
    return Whole(data[:start] + changed + data[end + 4 :])


def arrays():
    """Arrays of any kind, shape and type."""
    shapes = ((), (0,), (3,), (2, 3), (2, 2, 3), (0, 2, 3), (2, 0, 3), (1, 1, 3), (2, 2, 4), (1, 2, 2, 3))
    kinds = ("uint8", "uint8", "int64", "float32", "bool", "object", "complex64", "S3")
    return st.builds(np.zeros, st.sampled_from(shapes), st.sampled_from(kinds))
