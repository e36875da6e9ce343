"""`segnet predict` on images and folders."""

import errno
import json
import shutil
from contextlib import contextmanager
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from pipeline.cli import app, predict as command
from pipeline.files import video
from pipeline.files.images import read_image, read_mask
from pipeline.files.pictures import overlay as overlaid
from pipeline.inference import predict
from pipeline.registry import versions
from pipeline.registry.versions import RegisteredModel
from tests.support.tiny_model import SPEC, write_model
from tests.support.tiny_version import OPTIONS, registered


@pytest.fixture
def pictures(tmp_path):
    """A folder of two images of different sizes, one in a folder of its own."""
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    generator = np.random.default_rng(1)
    for name, size in (("a.png", (40, 70)), ("more/b.JPG", (33, 35))):
        Image.fromarray(generator.integers(0, 256, (*size, 3)).astype(np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "model")


def run(*arguments):
    return CliRunner().invoke(app, ["predict", *map(str, arguments)])


def test_a_folder_is_predicted_with_its_tree(pictures, model, tmp_path):
    result = run(pictures, "--model", model, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "2 of 2 images predicted" in result.stdout
    found = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert found == ["a_mask.png", "a_overlay.png", "more/b_mask.png", "more/b_overlay.png"]
    image = read_image(pictures / "a.png")
    mask = read_mask(tmp_path / "out/a_mask.png")
    assert np.array_equal(mask, predict.load(model, **predict.PLAIN).mask(image))
    overlay = read_image(tmp_path / "out/a_overlay.png")
    assert overlay[3, 5].tolist() == (image[3, 5] // 2 + SPEC.classes.palette()[mask[3, 5]] // 2).tolist()


def test_probabilities_and_uncertainty_are_written_on_request(pictures, model, tmp_path):
    out = tmp_path / "out"
    result = run(pictures / "a.png", "--model", model, "--out", out, "--probabilities", "--uncertainty")
    assert result.exit_code == 0, result.output
    predictor, image = predict.load(model, **predict.PLAIN), read_image(pictures / "a.png")
    assert np.array_equal(np.load(out / "a_probabilities.npy"), predictor.probabilities(image))
    shade = np.concatenate([band.uncertainty.numpy() for band in predictor.bands(image)])
    assert np.abs(read_mask(out / "a_uncertainty.png") / 255 - shade).max() <= 0.5 / 255 + 1e-6


def test_a_bad_image_is_reported_and_the_others_are_predicted(pictures, model, tmp_path):
    (pictures / "bad.png").write_bytes((pictures / "a.png").read_bytes()[:500])
    result = run(pictures, "--model", model, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 1
    tree = json.loads(result.stdout)
    assert tree["classes"] == list(SPEC.classes.names)
    assert ["error" in image for image in tree["images"]] == [False, True, False]
    assert "expected a complete image file" in tree["images"][1]["error"]
    assert "bad.png" in result.stderr
    assert (tmp_path / "out/more/b_mask.png").exists()
    assert not list((tmp_path / "out").glob("bad*"))


def test_an_image_that_may_not_be_read_is_reported_and_the_others_are_predicted(pictures, model, tmp_path, monkeypatch):
    def read(path):
        if path.name == "a.png":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read_image(path)

    monkeypatch.setattr(command, "read_image", read)
    result = run(pictures, "--model", model, "--out", tmp_path / "out")
    assert result.exit_code == 1
    said = "a.png: expected an image that can be read: Permission denied; correct its permissions\n"
    assert result.stderr.endswith(said)
    assert "1 of 2 images predicted" in result.stdout


def test_progress_is_that_of_bands_and_frames(pictures, model, tmp_path, monkeypatch):
    """Windows are 32 pixels high and share half of it: 96 rows are finished 16 at a time, the last 32 at once."""
    shown = []

    @contextmanager
    def progress(console, total):
        shown.append(total)
        yield shown.append

    monkeypatch.setattr(command, "_progress", progress)
    with video.writing(tmp_path / "clip.mp4") as write:
        for i in range(4):
            write(np.zeros((40, 48, 3), np.uint8), Fraction(i, 10))
    Image.new("RGB", (48, 96)).save(tmp_path / "high.png")
    (tmp_path / "bad.png").write_text("no image")
    files = ("bad.png", "high.png", "clip.mp4")
    result = run(*(tmp_path / name for name in files), "--model", model, "--out", tmp_path / "out")
    assert result.exit_code == 1
    total, bad, *high, clip_1, clip_2, clip_3, clip_4, end = shown
    assert (total, bad, end) == (3, 1, 3)
    assert high == pytest.approx([7 / 6, 8 / 6, 9 / 6, 10 / 6, 2, 2])
    assert (clip_1, clip_2, clip_3, clip_4) == (2.25, 2.5, 2.75, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.png"], "expected an image or a folder, got nowhere.png, which does not exist; correct the path"),
        (["a.png", "pictures"], "expected images with different names, got"),
        (["empty"], "got none in empty"),
    ],
)
def test_images_that_do_not_exist_are_an_error_before_any_work(
    pictures, model, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    shutil.copy(pictures / "a.png", "a.png")
    result = run(*arguments, "--model", model, "--out", "out")
    assert isinstance(result.exception, ValueError)
    assert message in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_a_registered_model_predicts_as_it_was_registered(pictures, model, tmp_path, mlflow_store):
    image = pictures / "a.png"
    with registered("segnet-predicting", model, mlflow_store) as number:
        versions.set_alias(RegisteredModel(mlflow_store, "segnet-predicting"), "champion", number.rpartition("/")[2])
    address = "models:/segnet-predicting@champion"
    changed = {"overlap": 0.5, "precision": OPTIONS["precision"], "scales": OPTIONS["scales"]}
    sizes = ("--scale", "1.25", "--scale", "0.75")
    for given, expected in (
        ((), OPTIONS),
        (("--no-flip", "--overlap", "0.5"), changed),
        (sizes, {**OPTIONS, "scales": (1.25, 0.75)}),
    ):
        result = run(image, "--model", address, "--out", tmp_path / "out", "--probabilities", *given)
        assert result.exit_code == 0, result.output
        found = np.load(tmp_path / "out/a_probabilities.npy")
        assert np.array_equal(found, predict.load(model, **predict.PLAIN | expected).probabilities(read_image(image)))


def test_hidden_files_are_no_images_and_every_format_is_one_in_any_case(model, tmp_path):
    folder = tmp_path / "in"
    (folder / ".ipynb_checkpoints").mkdir(parents=True)
    image = Image.fromarray(np.zeros((40, 40, 3), np.uint8))
    for name in ("a.png", "b.PNG", "c.Jpg", "d.gif", "e.ppm", "f.webp", ".ipynb_checkpoints/g.png"):
        image.save(folder / name, {".PNG": "PNG", ".Jpg": "JPEG"}.get(name[1:]))
    (folder / "._a.png").write_bytes(b"\0")
    done = run(folder, "--model", model, "--out", tmp_path / "out")
    assert done.exit_code == 0
    assert sorted(path.name for path in (tmp_path / "out").rglob("*_mask.png")) == [f"{x}_mask.png" for x in "abcdef"]


def test_each_frame_of_a_video_is_predicted(pictures, model, tmp_path):
    clip, out = tmp_path / "clip.MP4", tmp_path / "out"
    frames = np.random.default_rng(2).integers(0, 256, (3, 6, 8, 3), np.uint8).repeat(8, axis=1).repeat(8, axis=2)
    with video.writing(clip) as write:
        for i, frame in enumerate(frames):
            write(frame, Fraction(i, 10))
    result = run(clip, pictures / "a.png", "--model", model, "--out", out)
    assert result.exit_code == 0, result.output
    assert "2 of 2 images and videos predicted" in result.stdout
    assert sorted(path.name for path in out.iterdir()) == ["a_mask.png", "a_overlay.png", "clip_overlay.mp4"]
    predictor = predict.load(model, **predict.PLAIN)
    for (overlay, time), (frame, expected_time) in zip(
        video.frames(out / "clip_overlay.mp4"), video.frames(clip), strict=True
    ):
        expected = overlaid(frame, predictor.mask(frame), SPEC.classes)
        assert time == expected_time
        # H.264 is lossy in colours above all, of which a pixel shares one with its neighbours.
        assert abs(overlay.mean(axis=2) - expected.mean(axis=2)).mean() < 9
        assert abs(frame.mean(axis=2) - expected.mean(axis=2)).mean() > 18


def test_a_bad_video_is_reported_and_leaves_nothing(pictures, model, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    result = run(tmp_path / "bad.mp4", pictures / "a.png", "--model", model, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "bad.mp4: expected a video, got one that cannot be decoded" in result.stderr
    assert "1 of 2 images and videos predicted" in result.stdout
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a_mask.png", "a_overlay.png"]


def test_what_a_video_does_not_have_is_refused_before_any_work(model, tmp_path):
    (tmp_path / "clip.mp4").touch()
    result = run(tmp_path / "clip.mp4", "--model", model, "--uncertainty", "--out", tmp_path / "out")
    assert "expected images with --probabilities and --uncertainty, got the video" in str(result.exception)
    assert not (tmp_path / "out").exists()
