import pytest

from pipeline.data.pairing import Pair
from tests.data.test_pairing import find, make

SITES = [Pair(f"images/site{site}/1.png", f"masks/site{site}/1.png") for site in "AB"]


@pytest.mark.parametrize("above", ["", "data"])
@pytest.mark.parametrize(
    ("images", "masks"), [("images/*/*.png", "masks/*/*.png"), ("images/**/*.png", "masks/**/*.png")]
)
def test_images_in_a_folder_and_in_a_link_to_it_are_there_once(tmp_path, above, images, masks):
    root = make(tmp_path / above, *(path for pair in SITES for path in (pair.image, pair.mask)))
    for kind in ("images", "masks"):
        (root / kind / "latest").symlink_to("siteB")
        (root / kind / "all").symlink_to(".")
    (tmp_path / "own").symlink_to(root)
    assert find(root, images, masks) == find(tmp_path / "own", images, masks) == SITES
    elsewhere = [Pair(pair.image, str(root / pair.mask)) for pair in SITES]
    assert find(root, images, f"{root}/{masks}") == elsewhere


def test_images_that_only_a_link_leads_to_are_found_there(tmp_path):
    make(tmp_path, ".store/siteB/1.png", "masks/siteB/1.png", "images/siteA/1.png", "masks/siteA/1.png")
    (tmp_path / "images/siteB").symlink_to("../.store/siteB")
    assert find(tmp_path, "images/*/*.png", "masks/*/*.png") == SITES


def test_a_link_that_is_named_is_followed(tmp_path):
    root = make(tmp_path, *(path for pair in SITES for path in (pair.image, pair.mask)))
    (root / "images/latest").symlink_to("siteB")
    assert find(root, "images/latest/*.png", "masks/siteB/*.png") == [Pair("images/latest/1.png", "masks/siteB/1.png")]
