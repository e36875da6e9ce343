"""What a user's folder may not hold is refused by name, before anything is trained on it."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.data import download, folder
from pipeline.params.dataset import ScenesDataset
from tests.data.test_download import LIMITS
from tests.data.test_folder import settings, write
from tests.support.made import made


@pytest.fixture
def root(tmp_path):
    """A data set of three images, one per split, and index masks."""
    root = tmp_path / "fields"
    for split in ("train", "val", "test"):
        write(root / f"images/{split}/{split}_1.png", np.zeros((8, 8, 3)))
        write(root / f"masks/{split}/{split}_1.png", np.full((8, 8), 20))
    return root


@pytest.mark.parametrize("kind", ["index", "colour"])
def test_a_mask_that_was_compressed_with_losses_ends_the_step_and_is_named(root, tmp_path, kind):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(root / "masks/train/train_1.png", "JPEG")
    with pytest.raises(ValueError, match=r"train_1\.png: expected a mask in lossless compression, got JPEG"):
        download.run(settings(root, mask_kind=kind), LIMITS, tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


PLACES = ["data/raw", "data/raw/a/b", "data/tiles", "models/segnet", "models/segnet/a", "reports", "reports/mine"]
REFUSED = (
    r"expected a data set outside .*, whose content this pipeline replaces, got|to hold only what this stage wrote"
)


@pytest.mark.parametrize("place", PLACES)
def test_a_data_set_where_a_stage_writes_is_refused_and_stays(root, tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    root.rename(place)
    before = sorted(Path(place).rglob("*"))
    for path in (place, str(tmp_path / place), "."):
        globs = {kind: f"{place}/{kind}/**/*.png" for kind in ("images", "masks")} if path == "." else {}
        with pytest.raises(ValueError, match=REFUSED):
            download.run(settings(path, **globs), LIMITS, Path("data/raw"))
    assert sorted(Path(place).rglob("*")) == before


def test_a_link_to_such_a_place_is_seen_through(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    root.rename("data/tiles")
    Path("own").symlink_to("data/tiles")
    with pytest.raises(ValueError, match=r"expected a data set outside .*data/tiles, whose content"):
        download.run(settings("own"), LIMITS, Path("data/raw"))


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_a_link_that_leads_out_of_the_data_set_is_not_followed(root, tmp_path, kind):
    secret = tmp_path / "secret.png"
    write(secret, np.zeros((8, 8, 3)))
    link = root / kind / "train/train_1.png"
    link.unlink()
    link.symlink_to(secret)
    with pytest.raises(
        ValueError, match=rf"got {kind}/train/train_1\.png, a link that leads out of it; copy what it links"
    ):
        folder.source(settings(root))


@pytest.mark.parametrize("kind", ["images", "masks"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_such_a_link_is_found_among_files_that_are_none(root, tmp_path, kind, place):
    for i in range(3):
        write(root / f"images/train/x_{i}.png", np.zeros((8, 8, 3)))
        write(root / f"masks/train/x_{i}.png", np.full((8, 8), 20))
    link = root / f"{kind}/train/x_{place}.png"
    link.rename(tmp_path / "secret.png")
    link.symlink_to(tmp_path / "secret.png")
    with pytest.raises(ValueError, match=rf"got {kind}/train/x_{place}\.png, a link that leads out of it"):
        folder.source(settings(root))


def test_a_folder_that_is_a_link_out_of_the_data_set_is_not_followed(root, tmp_path):
    (root / "images/train").rename(tmp_path / "elsewhere")
    (root / "images/train").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=r"got images/train/train_1\.png, a link that leads out of it"):
        folder.source(settings(root))


def test_links_inside_the_data_set_are_followed(root, tmp_path):
    (root / "images/train/train_1.png").rename(root / "photo.png")
    (root / "images/train/train_1.png").symlink_to("../../photo.png")
    assert len(made(folder.source(settings(root)))) == 3


def test_files_of_the_users_in_data_raw_stay_whatever_the_data_set(tmp_path):
    raw = tmp_path / "raw"
    scenes = ScenesDataset.model_validate_json(
        '{"name": "scenes", "seed": 1, "height": 32, "width": 32, "images": {"train": 1, "val": 1, "test": 1}, '
        '"images_per_sequence": 1}'
    )
    download.run(scenes, LIMITS, raw)
    download.run(scenes, LIMITS, raw)  # what this step wrote, it replaces
    (raw / "notes.txt").write_text("mine")
    with pytest.raises(
        ValueError, match=r"expected .*raw to hold only what this stage wrote, got 1 other files, such as no"
    ):
        download.run(scenes, LIMITS, raw)
    assert (raw / "notes.txt").read_text() == "mine"


def test_images_and_masks_of_which_none_are_a_pair_are_refused_with_one_of_each(root, tmp_path):
    for path in (root / "masks").rglob("*.png"):
        path.rename(path.with_name(f"label_{path.name}"))
    message = (
        "expected an image and a mask whose wildcards match the same text, got none: images/test/test_1.png gives "
        "'test', 'test_1', masks/test/label_test_1.png gives 'test', 'label_test_1'; change dataset.images or "
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        folder.source(settings(root))


def test_a_path_may_begin_with_the_home_folder(root, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(made(folder.source(settings("~/fields")))) == 3


def test_of_many_labels_that_the_table_does_not_name_the_most_frequent_are_shown(root, tmp_path):
    write(root / "masks/train/train_1.png", np.repeat([100, 101, 102, 103, 104, 105, 20, 20], 8).reshape(8, 8))
    write(root / "masks/val/val_1.png", np.repeat([[100], [100], [101], [20], [20], [20], [20], [20]], 8, axis=1))
    found = {entry.split: entry.labels_outside for entry in made(folder.source(settings(root)))}
    five = ", ".join(f"{value} (8 px)" for value in range(100, 105))
    assert found == {"train": f"{five}, and 1 more", "val": "100 (16 px), 101 (8 px)", "test": ""}
