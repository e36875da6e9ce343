"""READERS of external input: params, archives, images, pretrained weights and requests."""

import base64
import io
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch
from hypothesis import strategies as st
from PIL import Image
from ruamel.yaml import YAML
from safetensors.torch import save_file

from pipeline import params
from pipeline.data import archive
from pipeline.files import decoding, images
from pipeline.inference import served_model
from pipeline.params.steps import Download
from pipeline.training import pretrained
from tests.support import ROOT, SCENES
from tests.support.mutations import OUTSIDE, VALUES, Blob, archives, arrays, damaged, declared, pngs, trees
from tests.support.readers import Reader, broken, file_reader, folder_reader
from tests.support.tiny_model import SPEC, write_model

MAX_PIXELS = 2**20  # of an image while fuzzing, to bound the memory

# params.yaml ------------------------------------------------------------------------------------------------------

PARAMS = [Blob(path.read_bytes()) for path in (SCENES, ROOT / "presets" / "folder.yaml")]
BOMB = b"a: &a [1,1,1,1,1,1,1,1,1]\n" + b"".join(
    b"%c: &%c [%s]\n" % (name, name, b",".join([b"*%c" % (name - 1)] * 9)) for name in range(ord("b"), ord("l"))
)  # 9 ** 11 values
VALUES_OF_YAML = (
    *(b"!!timestamp x", b"!!binary x", b"!!float x", b"!!float ''", b"!!bool x", b"!!int x", b"!!set {b}", b"\x00"),
    *(b"2001-99-99", b"2001-02-30", b"0x", b"0o9", b"1_", b".e", b"1:99:99", b"9" * 5000, b'"\\ud800"'),
    *(b"&a *a", b"*z", b"&a [*a]", b"{[1]: 2}", b"[" * 2000, b"{<<: 1}", b"\n  <<: [1]", b"!!python/name:os.system"),
)
TEXTS = (BOMB, b"", b"{[1]: 2}", b"? {a: 1}\n: 2", b"<<: 1", b"%YAML 3.0\n---\n", b"--- 1\n--- 2", b"# " * 10**6)


@st.composite
def changed_value(draw, text):
    """Draw a YAML file with another value in one place."""
    lines = text.splitlines(keepends=True)
    row = draw(st.sampled_from([i for i, line in enumerate(lines) if b": " in line]))
    key = lines[row].partition(b":")[0]
    return Blob(b"".join([*lines[:row], key, b": ", draw(st.sampled_from(VALUES_OF_YAML)), b"\n", *lines[row + 1 :]]))


def params_cases():
    loaded = [YAML(typ="safe", pure=True).load(text) for text in PARAMS]
    complete = st.sampled_from([*PARAMS, *map(Blob, TEXTS)])
    return st.one_of(*map(trees, loaded), *map(damaged, PARAMS), *map(changed_value, PARAMS), complete)


def read_params(path):
    assert isinstance(params.load(path), params.Params)


# Archives and images ----------------------------------------------------------------------------------------------

LIMITS = Download(attempts=1, timeout_seconds=1.0, max_members=10, max_megabytes=1, files_up_to=100)


def read_archive(path):
    """Unpack; no file may be written outside the target, nor more than the limit into it."""
    Path(OUTSIDE).unlink(missing_ok=True)
    try:
        archive.unpack(path, "root/data", path.parent / "out", LIMITS)
    finally:
        assert {p.name for p in path.parent.iterdir()} <= {"file", "out"}
        assert not Path(OUTSIDE).exists()
        assert sum(p.stat().st_size for p in (path.parent / "out").rglob("*") if p.is_file()) <= 1e6


@cache
def image_files():
    """Return images of each format and mode, some with 16 bits, rotated, transparent, or of a huge declared size."""
    encoded = []
    grey = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    for kind in decoding.FORMATS:
        for mode in ("1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16", "F", "YCbCr", "LAB", "I"):
            for options in ({}, {"exif": exif}, {"compression": "tiff_lzw"}, {"progressive": True}, {"interlace": 1}):
                buffer = io.BytesIO()
                try:
                    grey.convert(mode).save(buffer, kind, **options)
                except (OSError, ValueError, KeyError):
                    continue  # the format does not support the mode
                encoded.append(Blob(buffer.getvalue()))
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    sizes = ((0, 5), (20_000, 20_000), (2**31 - 1, 2**31 - 1), (2**20, 1))
    return [*dict.fromkeys(encoded), *(declared(*size) for size in sizes), eps, b"P6 99999 99999 255 ", b"", b"<svg/>"]


def image_cases():
    png = [data for data in image_files() if data[1:4] == b"PNG"]
    every = st.sampled_from(image_files())
    return every | every.flatmap(damaged) | st.sampled_from(png[:-4]).flatmap(pngs)


def read_header(path):
    mode, height, width = images.read_header(path.read_bytes())
    assert mode
    assert 0 < height * width <= decoding.MAX_PIXELS


def read_orientation(path):
    decoded = images.decode(path)
    assert decoded.orientation in range(1, 9)
    assert decoded.mode == images.read_header(path)[0]


def read_preview(path):
    pixels = images.read_preview(path)
    assert (pixels.dtype, pixels.ndim, pixels.shape[2]) == (np.uint8, 3, 3)


def read_image(path):
    pixels = images.read_image(path)
    _, height, width = images.read_header(path)
    assert pixels.dtype == np.uint8
    assert pixels.shape in ((height, width, 3), (width, height, 3))


def read_colours(path):
    colours = images.read_colours(path)
    assert colours.dtype == np.uint8
    assert colours.shape[2:] == (3,)


def read_mask(path):
    mask = images.read_mask(path)
    assert (mask.dtype, mask.ndim) == (np.uint8, 2)
    _, height, width = images.read_header(path)
    assert mask.shape in ((height, width), (width, height))


# Pretrained weights -----------------------------------------------------------------------------------------------

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(3, dtype=torch.int64)}


def write_zip(folder):
    torch.save(TENSORS, folder / "w.pth")


def write_legacy(folder):
    torch.save(TENSORS, folder / "w.pth", _use_new_zipfile_serialization=False)


def write_safetensors(folder):
    save_file(TENSORS, folder / "w.safetensors")


def read_weights(folder):
    for path in folder.iterdir():
        for value in pretrained.read(path).values():
            assert value.to(torch.complex128).sum().ndim == 0  # every byte can be read


# Requests of the served model -------------------------------------------------------------------------------------


@cache
def served():
    model = served_model.ServedModel()
    with TemporaryDirectory() as folder:
        write_model(Path(folder) / "m", replace(SPEC, network="segnet_basic"))
        options = {"overlap": 0.0, "flip": False, "samples": 0, "seed": 1}
        model.load_context(SimpleNamespace(artifacts={"model": f"{folder}/m"}, model_config={"serving": options}))
    return model


def requests():
    """Return frames of images, intact and broken, encoded or not, and of anything else, under various column names."""
    encoded = image_cases()
    texts = encoded.map(base64.b64encode).map(bytes.decode)
    values = encoded | encoded | texts | arrays() | VALUES | st.text(max_size=20) | encoded.map(bytearray)
    names = st.sampled_from(("image", "image", "image", "image", "picture", 0, None))
    params = st.none() | st.fixed_dictionaries({}, optional={"probabilities": VALUES | st.booleans()})
    return st.tuples(names, st.lists(values, max_size=2), params)


def answer(case, _):
    name, values, options = case
    column = pd.Series(index=range(len(values)), dtype=object)
    for row, value in enumerate(values):
        column.iat[row] = value
    response = served().predict(None, pd.DataFrame({name: column}), options)
    assert len(response) == len(values) > 0
    assert all(mask.ndim == 2 for mask in map(images.read_mask, response["mask"]))


READERS = (
    file_reader("params.yaml", params_cases, read_params),
    file_reader("archives", archives, read_archive),
    file_reader("image headers", image_cases, read_header),
    file_reader("orientations", image_cases, read_orientation),
    file_reader("previews", image_cases, read_preview),
    file_reader("images", image_cases, read_image),
    file_reader("masks", image_cases, read_mask),
    file_reader("colour masks", image_cases, read_colours),
    folder_reader("weights, zip", lambda: broken(write_zip), read_weights),
    folder_reader("weights, old .pth", lambda: broken(write_legacy), read_weights),
    folder_reader("weights, safetensors", lambda: broken(write_safetensors), read_weights),
    Reader("requests", st.deferred(requests), answer),
)
