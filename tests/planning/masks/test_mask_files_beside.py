"""Masks in folders beside the data set's own."""

import pytest
from PIL import Image

from pipeline.data.pairing import Pair
from pipeline.planning import listing
from pipeline.planning.masks import mask_files
from pipeline.planning.proposal import propose
from pipeline.planning.sizes import Machine
from tests.planning.masks.test_mask_files import touch


def test_masks_beside_the_folder_are_asked_about_and_are_none_where_an_image_has_several(tmp_path):
    touch(tmp_path, "photos/1.jpg", "photos/2.jpg", "masks/1.png", "masks/2.png")
    family, questions = mask_files.find(listing.read(tmp_path / "photos"), None)
    assert family.pairs == (Pair("1.jpg", "../masks/1.png"), Pair("2.jpg", "../masks/2.png"))
    where = "Are the masks those beside the data set's folder, such as ../masks/1.png? Default: yes"
    assert questions == [where]
    touch(tmp_path, "labels_x/1.png")
    touch(tmp_path, "masks/more/1.png")
    with pytest.raises(ValueError, match="expected masks recognised"):
        mask_files.find(listing.read(tmp_path / "photos"), None)


def test_a_folder_beside_with_images_of_its_own_is_another_data_set(tmp_path):
    touch(tmp_path, "labeled/images/1.jpg", "labeled/masks/1.png", "unlabeled/images/1.jpg")
    with pytest.raises(ValueError, match="expected masks recognised"):
        mask_files.find(listing.read(tmp_path / "unlabeled"), None)
    assert mask_files.find(listing.read(tmp_path / "labeled"), None)[0].pairs == (Pair("images/1.jpg", "masks/1.png"),)


def test_photos_beside_a_folder_without_masks_are_not_taken_for_its_faulty_masks(tmp_path):
    for path in ("photos/1.jpg", "labels_2023/1.jpg"):
        (tmp_path / path).parent.mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / path)
    expected = (
        r"^expected masks in .*photos, got none; pictures of its images' names beside it are no masks "
        r"\(.*labels_2023/1\.jpg: "
    )
    with pytest.raises(
        ValueError, match=expected + r"expected a mask in lossless [^;]*\). Put .* into it, or name .*$"
    ):
        propose(tmp_path / "photos", "photos", Machine(cores=2, gpus=0, gpu_bytes=0))
