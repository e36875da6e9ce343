"""`segnet predict` beside files that are not its own."""

import errno
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.cli import predict_files
from pipeline.files import video
from pipeline.files.decoding import read_software
from tests.cli.test_predict import run
from tests.support.tiny_model import write_model

REFUSED = (
    r"expected no file that segnet predict would replace but its own, got {}, which it did not write; name another"
)


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "model")


@pytest.fixture
def folder(tmp_path):
    """A folder of two images, of which one has a true mask beside it."""
    made = tmp_path / "images"
    made.mkdir()
    for name in ("a.jpg", "b.png"):
        Image.fromarray(np.full((32, 40, 3), 90, np.uint8)).save(made / name)
    Image.fromarray(np.ones((32, 40), np.uint8)).save(made / "a_mask.png")
    return made


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("images", [["."], ["a.jpg"]])
def test_a_file_of_the_users_is_never_replaced(folder, model, images):
    before = contents(folder)
    result = run(*(folder / each for each in images), "--model", model, "--out", folder)
    with pytest.raises(ValueError, match=REFUSED.format(folder / "a_mask.png")):
        raise result.exception
    assert contents(folder) == before


@pytest.mark.parametrize("name", ["b_probabilities.npy", "b_uncertainty.png", "b_overlay.png"])
def test_nor_is_one_beside_which_nothing_of_its_own_lies(folder, model, tmp_path, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_bytes(b"the user's")
    options = ("--probabilities", "--uncertainty", "--model", model, "--out", tmp_path / "out")
    with pytest.raises(ValueError, match=REFUSED.format(tmp_path / "out" / name)):
        raise run(folder / "b.png", *options).exception
    assert contents(tmp_path / "out") == {name: b"the user's"}


OF_ANOTHER_SIZE, OF_ANOTHER_TYPE = np.zeros((2, 32, 41), np.float32), np.zeros((2, 32, 40))


@pytest.mark.parametrize("users", [b"the user's", b"", OF_ANOTHER_SIZE, OF_ANOTHER_TYPE, OF_ANOTHER_SIZE[0]])
def test_nor_is_an_array_beside_a_mask_of_its_own(folder, model, tmp_path, users):
    out, array = tmp_path / "out", tmp_path / "out/b_probabilities.npy"
    assert run(folder / "b.png", "--model", model, "--out", out).exit_code == 0
    array.write_bytes(users) if isinstance(users, bytes) else np.save(array, users)
    before = contents(out)
    with pytest.raises(ValueError, match=REFUSED.format(array)):
        raise run(folder / "b.png", "--probabilities", "--model", model, "--out", out).exception
    assert contents(out) == before


def test_an_image_is_not_replaced_by_its_own_outputs(folder, model):
    (folder / "b_overlay.png").write_bytes((folder / "b.png").read_bytes())
    with pytest.raises(ValueError, match=REFUSED.format(folder / "b_overlay.png")):
        raise run(folder / "b.png", folder / "b_overlay.png", "--model", model, "--out", folder).exception


@pytest.mark.parametrize("out", ["", "out"])
def test_its_own_files_are_replaced_and_are_no_images(folder, model, out):
    (folder / "a_mask.png").unlink()
    for _ in range(2):
        result = run(folder, "--model", model, "--out", folder / out, "--probabilities", "--uncertainty")
        assert result.exit_code == 0, result.exception
        assert "2 of 2 images predicted" in result.stdout
    written = {
        f"{name}_{kind}"
        for name in "ab"
        for kind in ("mask.png", "overlay.png", "uncertainty.png", "probabilities.npy")
    }
    assert {path.name for path in (folder / out).iterdir() if path.is_file()} - {"a.jpg", "b.png"} == written


def test_a_video_of_the_users_is_not_replaced_and_its_own_is(model, tmp_path):
    pytest.importorskip("av", reason="PyAV is not installed: pip install av")
    clips = [tmp_path / "clip.mp4", tmp_path / "out/clip_overlay.mp4"]
    (tmp_path / "out").mkdir()
    for clip in clips:
        with video.writing(clip) as write:
            write(np.full((32, 40, 3), 90, np.uint8), Fraction(0))
    before = clips[1].read_bytes()
    with pytest.raises(ValueError, match=REFUSED.format(clips[1])):
        raise run(clips[0], "--model", model, "--out", tmp_path / "out").exception
    assert clips[1].read_bytes() == before
    clips[1].unlink()
    for _ in range(2):
        assert run(clips[0], "--model", model, "--out", tmp_path / "out").exit_code == 0
    (tmp_path / "broken.mp4").write_bytes(before[:100])
    assert video.read_comment(tmp_path / "broken.mp4") == ""


def test_a_folder_named_as_an_image_is_none(folder, model, tmp_path):
    (folder / "scans.png").mkdir()
    (folder / "a_mask.png").unlink()
    assert "2 of 2 images predicted" in run(folder, "--model", model, "--out", tmp_path / "out").stdout


@pytest.mark.parametrize("out", ["file", "file/sub"])
def test_an_output_folder_that_is_a_file_is_refused_before_any_work(folder, model, tmp_path, out):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match=rf"expected a folder as --out, got {tmp_path}/file, which is a file; name an"):
        raise run(folder / "b.png", "--model", model, "--out", tmp_path / out).exception
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes on Windows")
def test_a_pipe_is_no_image(tmp_path, model):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"expected an image or a folder, got .*a.png, which is neither a file nor a"):
        raise run(tmp_path / "a.png", "--model", model, "--out", tmp_path / "out").exception


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system cannot reserve room on a disk")
def test_a_full_disk_is_an_error_that_leaves_nothing(folder, model, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    result = run(folder / "b.png", "--model", model, "--out", tmp_path / "out", "--probabilities")
    assert isinstance(result.exception, OSError)
    assert contents(tmp_path / "out") == {}


def test_a_written_mask_tells_who_wrote_it_and_broken_files_tell_nothing(tmp_path):
    predict_files.write(np.zeros((3, 4), np.uint8), tmp_path / "a_mask.png")
    (tmp_path / "b_mask.png").write_bytes((tmp_path / "a_mask.png").read_bytes()[:20])
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(tmp_path / "c_mask.png")
    assert [read_software(tmp_path / f"{name}_mask.png") for name in "abc"] == ["segnet predict", "", ""]
    assert [predict_files.is_output(tmp_path / f"{name}_mask.png") for name in "abc"] == [True, False, False]


def test_images_that_differ_in_the_suffix_alone_keep_it(folder, model, tmp_path):
    (folder / "a_mask.png").unlink()
    Image.open(folder / "b.png").save(folder / "b.gif")
    for _ in range(2):
        result = run(folder, "--model", model, "--out", folder)
        assert "3 of 3 images predicted" in result.stdout
    outputs = {f"{name}_{kind}.png" for name in ("a", "b.png", "b.gif") for kind in ("mask", "overlay")}
    assert {path.name for path in folder.iterdir()} == {"a.jpg", "b.png", "b.gif"} | outputs


def test_images_whose_names_become_those_of_others_keep_their_suffix_too(tmp_path):
    names = ["b.png", "b.gif", "b.gif.png", "b.gif.png.jpg", "c.png", "d.e.png"]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    short = {"c.png": "c", "d.e.png": "d.e"}
    expected = {short.get(name, name): tmp_path / name for name in names}
    assert predict_files.named([tmp_path]) == expected
    assert predict_files.named([tmp_path / name for name in reversed(names)]) == expected


def test_images_of_the_same_name_are_refused(tmp_path):
    for name in ("x/a.png", "y/a.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"")
    expected = f"expected images with different names, got {tmp_path}/x/a.png and {tmp_path}/y/a.png; predict them sep"
    with pytest.raises(ValueError, match=expected):
        predict_files.named([tmp_path / "x", tmp_path / "y"])


def test_an_image_that_is_named_twice_is_predicted_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in/sub").mkdir(parents=True)
    for name in ("a.png", "in/a.png", "in/sub/b.png"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "link").symlink_to("in")
    (tmp_path / "in/other.png").symlink_to("a.png")

    def named(*paths):
        return {name: str(path) for name, path in predict_files.named(list(map(Path, paths))).items()}

    assert named("a.png", "./a.png", tmp_path / "a.png", "in/../a.png") == {"a": "a.png"}
    assert named("in/a.png", "link/a.png") == {"a": "in/a.png"}
    below = {"a": "in/a.png", "other": "in/other.png", "sub/b": "in/sub/b.png"}
    assert named("in", "in/a.png", "in/sub/b.png", "link") == below
    assert named("in/sub/b.png", "in") == {"b": "in/sub/b.png", "a": "in/a.png", "other": "in/other.png"}
    with pytest.raises(ValueError, match=r"expected images with different names, got a\.png and in/a\.png"):
        named("a.png", "in/a.png")
