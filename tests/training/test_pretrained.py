import hashlib
import logging
import os
import struct
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from pickle import UnpicklingError

import pooch
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from pipeline.training import pretrained

TENSORS = {"a": torch.arange(3.0), "b": torch.ones(2, 2)}


def test_safetensors_and_state_dicts_are_read(tmp_path):
    save_file(TENSORS, tmp_path / "w.safetensors")
    torch.save(TENSORS, tmp_path / "w.pth")
    for name in ("w.safetensors", "w.pth"):
        tensors = pretrained.read(tmp_path / name)
        assert tensors.keys() == TENSORS.keys()
        assert all(torch.equal(tensors[key], value) for key, value in TENSORS.items())


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("owned",)


def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"a": Malicious()}, "w.pth")
    with pytest.raises(ValueError, match=r"expected a file of tensors .*other objects, of which no code was run; save"):
        pretrained.read(tmp_path / "w.pth")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"not tensors"])
def test_what_is_not_a_file_of_tensors_is_refused(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match="expected a file of tensors"):
        pretrained.read(tmp_path / name)


def test_a_file_with_other_contents_is_refused(tmp_path):
    torch.save([1, 2], tmp_path / "w.pth")
    with pytest.raises(ValueError, match="expected a state dict, tensors by name, got a list with other contents"):
        pretrained.read(tmp_path / "w.pth")


@pytest.mark.parametrize("contents", [{"a": torch.ones(1), "b": 2}, {}, torch.ones(1)])
def test_a_state_dict_holds_tensors_alone(tmp_path, contents):
    torch.save(contents, tmp_path / "w.pth")
    if contents == {}:
        assert pretrained.read(tmp_path / "w.pth") == {}
        return
    kind = type(contents).__name__
    with pytest.raises(ValueError, match=rf"^expected a state dict, tensors by name, got a {kind} with other .*; save"):
        pretrained.read(tmp_path / "w.pth")


@pytest.mark.parametrize(
    "error",
    [
        *(OSError, EOFError, SafetensorError, UnpicklingError, struct.error, MemoryError, RuntimeError),
        *(AssertionError, ZeroDivisionError, AttributeError, KeyError, TypeError, ValueError),
    ],
)
@pytest.mark.parametrize(("name", "reader"), [("w.pth", "torch.load"), ("w.safetensors", "load_file")])
def test_whatever_a_reader_fails_with_is_explained(tmp_path, monkeypatch, name, reader, error):
    def fail(*_, **__):
        raise error("of the reader")

    (tmp_path / name).touch()
    monkeypatch.setattr(f"pipeline.training.pretrained.{reader}", fail)
    reason = "other objects, of which no code was run; save " if error is UnpicklingError else ".*of the reader'?; "
    message = rf"^expected a file of tensors \(\.safetensors, or a state dict\), got {reason}\w"
    with pytest.raises(ValueError, match=message):
        pretrained.read(tmp_path / name)


@pytest.mark.parametrize("path", ["https://a.example/w.pth", "http://a.example/w.pth"])
def test_a_web_address_is_one_by_its_beginning(path):
    assert pretrained.is_address(path)
    assert not pretrained.is_address(f"files/{path}")


@pytest.fixture
def address(tmp_path):
    """Return the address of a file of weights on a local server."""
    (tmp_path / "web").mkdir()
    save_file(TENSORS, tmp_path / "web" / "vgg16.safetensors")
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path / "web")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/vgg16.safetensors"
        server.shutdown()
        thread.join()


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_weights_on_the_web_are_downloaded_once(address, tmp_path):
    expected = sha256(tmp_path / "web" / "vgg16.safetensors")
    first = pretrained.locate(address, expected, tmp_path / "runs")
    assert first.is_absolute()
    assert first.name == f"{expected[:16]}-vgg16.safetensors"
    assert sha256(first) == expected
    (tmp_path / "web" / "vgg16.safetensors").unlink()
    assert pretrained.locate(address, expected, tmp_path / "runs") == first


@pytest.mark.parametrize("end", ["?download=true", "?path=a/b.pth", "#main", "?token=secret#a/b"])
def test_a_download_is_named_and_read_as_the_path_of_its_address_says(address, tmp_path, end):
    expected = sha256(tmp_path / "web" / "vgg16.safetensors")
    path = pretrained.locate(address + end, expected, tmp_path / "runs")
    assert path.name == f"{expected[:16]}-vgg16.safetensors"
    assert pretrained.read(path).keys() == TENSORS.keys()


def test_downloaded_weights_of_another_digest_are_refused_and_not_kept(address, tmp_path):
    with pytest.raises(ValueError, match=r"vgg16\.safetensors: expected weights of SHA-256 0000.*correct model\.vgg16"):
        pretrained.locate(address, "0" * 64, tmp_path / "runs")
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_download_does_not_print_its_address_which_may_hold_a_password(address, tmp_path, capfd):
    pooch.get_logger().setLevel(logging.INFO)
    expected = sha256(tmp_path / "web" / "vgg16.safetensors")
    pretrained.locate(f"{address}?token=secret", expected, tmp_path / "runs")
    assert "Downloading" not in "".join(capfd.readouterr())


def test_an_address_that_does_not_answer_is_an_error(address, tmp_path):
    with pytest.raises(ValueError, match=r"nothing\.pth: expected weights of SHA-256"):
        pretrained.locate(address.replace("vgg16.safetensors", "nothing.pth"), "0" * 64, tmp_path / "runs")


def test_an_address_that_is_none_is_an_error_that_names_what_to_correct(tmp_path):
    with pytest.raises(ValueError, match=r"^https://\[::1/w\.pth: expected weights of .*; correct model\.vgg16$"):
        pretrained.locate("https://[::1/w.pth", "0" * 64, tmp_path / "runs")


def test_the_error_of_an_address_does_not_show_its_password(address, tmp_path):
    with pytest.raises(ValueError, match=r"^(?!.*secret)http://127\.0\.0\.1.*404.*correct model\.vgg16$"):
        pretrained.locate(address.replace("://", "://me:secret@") + ".none?token=secret", "0" * 64, tmp_path / "runs")


def test_a_file_is_taken_where_it_lies(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_file(TENSORS, "w.safetensors")
    for digest in (None, sha256("w.safetensors"), sha256("w.safetensors").upper()):
        assert pretrained.locate("w.safetensors", digest, tmp_path / "runs") == tmp_path / "w.safetensors"
    assert not (tmp_path / "runs").exists()


def test_a_file_of_another_digest_is_refused(tmp_path):
    save_file(TENSORS, tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match=r"w\.safetensors: expected SHA-256 0000.*fetch it again, or correct model"):
        pretrained.locate(str(tmp_path / "w.safetensors"), "0" * 64, tmp_path / "runs")
    with pytest.raises(ValueError, match=r"none\.pth: expected a file of weights: .*; correct model\.vgg16"):
        pretrained.locate(str(tmp_path / "none.pth"), "0" * 64, tmp_path / "runs")


@pytest.mark.parametrize("content", [b"\x80", b"QK\x03\x04\x00\x00\x08"], ids=["a protocol", "no stack"])
def test_a_pickle_that_crashes_its_reader_is_refused(tmp_path, content):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(
        ValueError, match=r"expected a file of tensors .*: (index out of range|pop from empty).*; it is damaged or"
    ):
        pretrained.read(tmp_path / "w.pth")
