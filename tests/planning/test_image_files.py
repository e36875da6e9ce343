"""A look at images tells their sizes, and says what the pipeline would refuse."""

import numpy as np
import pytest
from PIL import Image

from pipeline.data.pairing import Pair
from pipeline.planning import contents, image_files, listing
from tests.support import layouts

SIZE = (layouts.HEIGHT, layouts.WIDTH)


def pictures(root, count):
    names = [f"{i:03}.png" for i in range(count)]
    for i, name in enumerate(names):
        layouts.picture(root / name, i)
    return names


def test_images_that_can_be_read_are_not_asked_about(tmp_path):
    assert image_files.look_at(tmp_path, pictures(tmp_path, 3)) == ([SIZE] * 3, ())


def test_the_pixels_of_eight_images_from_all_over_are_tried(tmp_path):
    names = pictures(tmp_path, 40)
    for name in names[35:]:
        Image.new("RGBA", SIZE[::-1], (0, 0, 0, 9)).save(tmp_path / name)
    sizes, questions = image_files.look_at(tmp_path, names)
    assert sizes == [SIZE] * 40
    assert questions == (
        "Are there images to be fixed first? 035.png: expected an opaque image, got transparent pixels; flatten it on "
        "a background. Default: no; the validate stage refuses those that cannot be read",
    )


def test_an_image_with_a_broken_header_is_asked_about_and_a_missing_one_is_not(tmp_path):
    names = pictures(tmp_path, 3)
    (tmp_path / names[0]).write_bytes(b"broken")
    (tmp_path / names[2]).unlink()
    sizes, (question,) = image_files.look_at(tmp_path, names)
    assert sizes == [SIZE]
    assert "000.png: expected an image (PNG, JPEG" in question


def test_a_data_set_of_which_no_image_can_be_read_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"broken")
    with pytest.raises(
        ValueError, match=r"expected images that can be read, got none: a\.png: expected an image.*; fix them"
    ):
        image_files.look_at(tmp_path, ["a.png"])


@pytest.mark.parametrize(
    ("names", "second"),
    [
        (["imagesTr/a_0000.png", "imagesTr/b_0000.png", "imagesTr/b_0001.png"], "imagesTr/b_0001.png"),
        (["Dataset001/imagesTr/a_0000.png", "Dataset001/imagesTr/a_0001.png"], "Dataset001/imagesTr/a_0001.png"),
        (["imagesTr/a_0000.png", "imagesTs/a_0001.png"], None),
        (["film/a_0000.png", "film/a_0001.png"], None),
    ],
)
def test_further_channels_of_nnunets_cases_are_asked_about(tmp_path, names, second):
    for name in names:
        layouts.picture(tmp_path / name, 1)
    images = [name for name in names if "_0000" in name]
    asked = image_files.further_channels(listing.read(tmp_path), images)
    question = (
        f"Is the first of nnU-Net's channels enough? A model takes one RGB image, so that those such as {second} are "
        "not used. Default: yes. If no: merge three channels of each case into one RGB image, and run segnet init again"
    )
    assert asked == ((question,) if second else ())


@pytest.mark.parametrize(("highest", "told"), [(6_253, "6,425"), (16_383, "16,705"), (16_900, ""), (65_535, "")])
def test_16_bit_images_that_are_read_as_nearly_black_are_asked_about(tmp_path, highest, told):
    Image.fromarray(np.array([[0, 5_000], [0, highest]], np.uint16)).save(tmp_path / "a.png")
    Image.fromarray(np.array([[0, 20]], np.uint8)).save(tmp_path / "dark.png")
    sizes, questions = image_files.look_at(tmp_path, ["a.png", "dark.png"])
    assert sizes == [(2, 2), (1, 2)]
    question = (
        f"Are the 16-bit images of a camera of fewer bits? No value of those looked at is above {told}, and white is "
        "65,535: they are read as nearly black. Default: no. If yes: scale them to 16 bits, or convert them to 8"
    )
    assert questions == ((question,) if told else ())


def test_masks_of_another_size_than_their_images_are_told(tmp_path):
    pairs = [Pair(f"images/{i}.png", f"masks/{i}.png") for i in range(3)]
    for i, pair in enumerate(pairs):
        layouts.picture(tmp_path / pair.image, i)
        layouts.mask(tmp_path / pair.mask, 0, 1)
    held = contents.of_masks(tmp_path, pairs)
    assert image_files.told(listing.read(tmp_path), tmp_path, [], held)[:-1] == ()
    Image.new("L", (40, 30)).save(tmp_path / pairs[1].mask)
    held = contents.of_masks(tmp_path, pairs)
    assert image_files.told(listing.read(tmp_path), tmp_path, [], held)[:-1] == (
        "another size: the masks of 1 of 3 images looked at, which validation stops at; images/1.png is "
        f"{layouts.WIDTH} x {layouts.HEIGHT}, and its mask has 1,200 pixels",
    )
