import pytest

from pipeline.planning import listing
from pipeline.planning.masks import mask_files


@pytest.fixture
def root(tmp_path):
    """A data set beside a folder of images."""
    for path in ("set/masks/a.png", "set/.hidden/b.png", "other/train/c.png", "other/read.txt"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    return tmp_path / "set"


def test_every_file_that_is_decoded_is_a_picture(root):
    names = ["a.jfif", "b.JPE", "c.apng", "d.tif", "e.pgm", "f.txt", "g.svg"]
    for name in names:
        (root / name).touch()
    read = listing.read(root)
    assert set(read.pictures) == {*names[:5], "masks/a.png"}
    assert read.others == ("f.txt", "g.svg")


def test_what_is_hidden_is_left_out(root):
    assert listing.read(root).pictures == ("masks/a.png",)


@pytest.mark.parametrize("target", ["other", "other/train", "other/train/c.png"])
def test_a_link_to_pictures_elsewhere_is_refused_as_the_download_stage_would(root, target):
    name = "images.png" if target.endswith("png") else "images"
    (root / name).symlink_to(root.parent / target)
    expected = (
        rf"expected files in {root}, got {name}, a link that leads out of it to {root.parent / target}; copy what"
    )
    with pytest.raises(ValueError, match=expected):
        listing.read(root)


def test_other_links_are_not_followed_and_a_link_to_the_data_set_is(root):
    (root / "read.txt").symlink_to(root.parent / "other/read.txt")
    (root / "again").symlink_to(root / "masks")
    (root / "gone.txt").symlink_to(root / "nowhere.txt")
    (root.parent / "link").symlink_to(root)
    found = listing.read(root.parent / "link")
    assert (found.pictures, found.others) == (("masks/a.png",), ("gone.txt", "read.txt"))


def test_a_picture_that_is_a_link_to_nowhere_is_refused(root):
    (root / "masks/b.png").symlink_to("../annex/b.png")
    said = (
        rf"^expected files in {root}, got masks/b\.png, a link that leads nowhere, to \.\./annex/b\.png; fetch what it "
        r"links to \(git annex get, dvc pull\), or remove the link$"
    )
    with pytest.raises(ValueError, match=said):
        listing.read(root)


def test_files_that_may_hold_masks_or_images_are_named(tmp_path):
    root = tmp_path / "own"
    root.mkdir()
    for name in ("1.npy", "2.npy", "train.csv", "README.md", "data.zip", "via.json", "x.xml"):
        (root / name).touch()
    others = ", but 1.npy, data.zip, train.csv: what such files hold must first be files of images"
    with pytest.raises(ValueError, match=rf"^expected images in .*, got none of .*{others}; correct the path$"):
        listing.read(root)
    (root / "1.jpg").touch()
    with pytest.raises(ValueError, match=rf"^expected masks recognised by .* YOLO{others}$"):
        mask_files.find(listing.read(root), None)
