import base64
import io

import numpy as np
import pytest
from PIL import Image

from pipeline.artifacts.raw_files import RawFiles
from pipeline.files.images import encode_png
from pipeline.validation import samples
from tests.support.tiny_dataset import change, drop, make


@pytest.fixture
def manifest(tmp_path):
    return make(tmp_path)


def opened(sample):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(sample.uri.partition(",")[2]))), np.int64)


def paint(folder, name, mask, image=None):
    """Give an image of the data set another mask, and a plain colour."""
    pixels = np.full((*mask.shape, 3), 200 if image is None else image, np.uint8)
    (folder / f"images/{name}.png").write_bytes(encode_png(pixels))
    (folder / f"masks/{name}.png").write_bytes(encode_png(mask))


def test_six_images_are_spread_over_splits_and_over_each_split(manifest, tmp_path):
    shown = samples.of_images(manifest, RawFiles(tmp_path))
    assert [sample.name for sample in shown] == ["train/0", "train/2", "val/0", "val/2", "test/0", "test/2"]
    assert all(sample.uri and sample.caption == "40 x 32 pixels" for sample in shown)


def test_where_a_split_has_no_images_the_others_show_more(manifest, tmp_path):
    shown = samples.of_images(drop(manifest, "test"), RawFiles(tmp_path))
    assert [sample.name.partition("/")[0] for sample in shown] == ["train"] * 3 + ["val"] * 3


def test_fewer_images_than_six_are_all_shown_and_those_left_out_are_not(manifest, tmp_path):
    manifest = change(manifest, ["train/", "val/", "test/0"], problem="broken")
    assert [sample.name for sample in samples.of_images(manifest, RawFiles(tmp_path))] == ["test/1", "test/2"]
    manifest = change(manifest, ["test/"], problem="broken")
    assert samples.of_images(manifest, RawFiles(tmp_path)) == []
    assert [(each.caption, each.uri) for each in samples.of_classes(manifest, RawFiles(tmp_path))] == [
        ("no pixel in any split", "")
    ] * 2


def test_a_mask_is_laid_over_its_image_in_half_strength(manifest, tmp_path):
    paint(tmp_path, "val/0", np.repeat([0, 2], [20, 20]).astype(np.uint8)[None].repeat(32, axis=0))
    pixels = opened(samples.of_images(manifest, RawFiles(tmp_path))[2])
    # 200 // 2 + (128, 64, 128) // 2 for road, and 200 // 2 for void, which is black; JPEG changes them a little
    assert np.abs(pixels[:, :16].mean(axis=(0, 1)) - (164, 132, 164)).max() < 2
    assert np.abs(pixels[:, 24:].mean(axis=(0, 1)) - 100).max() < 2


def test_a_class_is_shown_in_the_training_image_with_its_largest_share(manifest, tmp_path):
    manifest = change(manifest, ["train/1"], pixels=[100, 1180, 0])
    manifest = change(manifest, ["val/1"], pixels=[1280, 0, 0])
    road, sky = samples.of_classes(manifest, RawFiles(tmp_path))
    assert (road.name, road.caption) == ("road", "50.0% of train/0")
    assert (sky.name, sky.caption) == ("sky", "92.2% of train/1")


def test_a_class_that_no_training_image_shows_comes_from_another_split(manifest, tmp_path):
    manifest = change(manifest, ["train/"], pixels=[1280, 0, 0])
    assert samples.of_classes(manifest, RawFiles(tmp_path))[1].caption == "40.0% of test/0"


def test_a_class_is_cut_out_around_its_pixels_and_all_others_are_pale(manifest, tmp_path):
    mask = np.zeros((1000, 1000), np.uint8)
    mask[500:520, 300:330] = 1
    paint(tmp_path, "train/0", mask, image=(250, 0, 0))
    manifest = change(
        manifest, ["train/0"], height=1000, width=1000, mask_height=1000, mask_width=1000, pixels=[0, 9, 0]
    )
    pixels = opened(samples.of_classes(manifest, RawFiles(tmp_path))[1])
    assert pixels.shape[:2] == (144, 192)  # 62 rows above and below the 20, 81 columns on either side of the 30
    assert np.abs(pixels[64:80, 84:108].mean(axis=(0, 1)) - (250, 0, 0)).max() < 8
    assert np.abs(pixels[:40].mean(axis=(0, 1)) - (160 + 75 // 4)).max() < 2  # luma of (250, 0, 0): 75


@pytest.mark.parametrize("fault", ["broken", "missing", "size"])
def test_an_image_that_can_no_longer_be_read_has_no_picture(manifest, tmp_path, fault):
    for path in (tmp_path / "images").rglob("*.png"):
        if fault == "missing":
            path.unlink()
        else:
            path.write_bytes(b"broken" if fault == "broken" else encode_png(np.zeros((9, 9, 3), np.uint8)))
    assert [sample.uri for sample in samples.of_images(manifest, RawFiles(tmp_path))] == [""] * 6
    assert [sample.uri for sample in samples.of_classes(manifest, RawFiles(tmp_path))] == [""] * 2
