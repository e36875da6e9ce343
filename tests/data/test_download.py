import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.artifacts import manifest
from pipeline.artifacts.manifest import PIXELS
from pipeline.data import download
from pipeline.files.images import read_mask
from pipeline.params.dataset import FolderDataset, ScenesDataset
from pipeline.params.steps import Download

LIMITS = Download(attempts=1, timeout_seconds=1.0, max_members=10, max_megabytes=1, files_up_to=100)
CLASSES = [
    {"name": "soil", "value": 0, "colour": [128, 96, 64], "ignore": False},
    {"name": "crop", "value": 1, "colour": [0, 160, 0], "ignore": False},
    {"name": "nothing", "value": 255, "colour": [0, 0, 0], "ignore": True},
]
MASK = np.array([[0, 1, 1], [255, 1, 9]], np.uint8)
GREY = np.array([[0, 0, 0], [90, 90, 90]], np.uint8)


@pytest.fixture
def fields(tmp_path):
    """A data set of three fields, one per split, and its settings."""
    for split in ("train", "val", "test"):
        for kind, pixels in (("images", GREY), ("masks", MASK)):
            path = tmp_path / "fields" / kind / split / f"{split}_1.png"
            path.parent.mkdir(parents=True)
            Image.fromarray(pixels).save(path)
    return FolderDataset.model_validate_json(
        json.dumps(
            {
                "name": "folder",
                "title": "fields",
                "path": str(tmp_path / "fields"),
                "images": "images/*/*.*",
                "masks": "masks/*/*.*",
                "mask_kind": "index",
                "classes": CLASSES,
                "sequence": r"([^/_]+)_[^/]*$",
                "splits": {"by": "folder", "train": "train", "val": "val", "test": "test"},
            }
        )
    )


def rows(dataset, raw):
    """The manifest's images as `download` writes them, by id."""
    download.run(dataset, LIMITS, raw)
    return manifest.read(raw).images.set_index("id").to_dict("index")


def test_a_row_describes_the_image_and_its_mask(fields, tmp_path):
    row = rows(fields, tmp_path / "raw")["train/images__train__train_1"]

    image = tmp_path / "fields/images/train/train_1.png"
    assert row["image"] == "images/train/images__train__train_1.png"
    assert (tmp_path / "raw" / row["image"]).read_bytes() == image.read_bytes()
    assert row["mask"] == "masks/train/images__train__train_1.png"
    assert (row["split"], row["sequence"], row["mode"], row["problem"]) == ("train", "train", "L", "")
    assert (row["height"], row["width"], row["mask_height"], row["mask_width"]) == (2, 3, 2, 3)
    assert row["contrast"] == 45.0  # half of the pixels are 0, half 90
    assert list(row[PIXELS]) == [1, 3, 2]  # soil, crop, void: one ignored, one outside the table
    assert (row["outside"], row["labels_outside"]) == (1, "9 (1 px)")


def test_the_checksums_are_those_of_the_files(fields, tmp_path):
    row = rows(fields, tmp_path / "raw")["train/images__train__train_1"]

    for column, path in (("sha256", row["image"]), ("mask_sha256", row["mask"])):
        assert row[column] == hashlib.sha256((tmp_path / "raw" / path).read_bytes()).hexdigest()


def test_what_is_returned_is_what_the_manifest_says(fields, tmp_path):
    head, counts = download.run(fields, LIMITS, tmp_path / "raw")

    loaded = manifest.read(tmp_path / "raw")
    assert (loaded.dataset, loaded.classes, loaded.licence) == (head.dataset, head.classes, head.licence)
    assert loaded.dataset == "fields"
    assert counts == {"train": 1, "val": 1, "test": 1}
    assert (tmp_path / "raw/LICENCE.txt").read_text() == f"{head.licence}\n"


def test_the_same_images_give_the_same_bytes(fields, tmp_path):
    for name in ("one", "two"):
        download.run(fields, LIMITS, tmp_path / name)

    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file())
    assert len(files) == 12  # 3 images, 3 masks, where these hold other labels, and the manifest's three files
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def replace_train_image(fields, content):
    (Path(fields.path) / "images/train/train_1.png").write_bytes(content)


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            b"no image",
            "image: expected an image (PNG, JPEG, BMP, GIF, TIFF, WEBP, PPM), got another format or a broken header",
        ),
        (encoded(Image.new("CMYK", (3, 2)), "JPEG"), "image: expected a grey, RGB or palette image, got mode CMYK"),
        (encoded(Image.new("RGBA", (3, 2))), "image: expected an opaque image, got transparent pixels"),
    ],
    ids=["broken", "CMYK", "transparent"],
)
def test_an_image_that_cannot_be_read_is_told_by_its_row_and_stops_nothing(fields, tmp_path, content, problem):
    replace_train_image(fields, content)

    row = rows(fields, tmp_path / "raw")["train/images__train__train_1"]

    assert row["problem"].startswith(problem)
    assert (row["height"], row["width"], row["phash"], row["mode"]) == (0, 0, "", "")
    assert row["sha256"] != ""
    assert list(row[PIXELS]) == [1, 3, 2]  # the mask is unaffected


@pytest.mark.parametrize(
    ("image", "mode", "mean"),
    [
        (Image.new("RGBA", (3, 2), (0, 0, 0, 255)), "RGBA", 0),
        (Image.fromarray(np.full((2, 3), 65_535, np.uint16)), "I;16", 255),
        (Image.new("P", (3, 2)), "P", 0),
    ],
    ids=["opaque RGBA", "16-bit", "palette"],
)
def test_an_image_of_another_mode_is_read_and_its_mode_told(fields, tmp_path, image, mode, mean):
    replace_train_image(fields, encoded(image))

    row = rows(fields, tmp_path / "raw")["train/images__train__train_1"]

    assert (row["problem"], row["mode"], row["height"], row["width"]) == ("", mode, 2, 3)
    assert row["phash"] == ("8" if mean else "0") + "0" * 15


def test_the_size_told_is_that_after_the_exif_rotation(fields, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    replace_train_image(fields, encoded(Image.new("RGB", (3, 2)), exif=exif))

    row = rows(fields, tmp_path / "raw")["train/images__train__train_1"]

    assert (row["height"], row["width"]) == (3, 2)
    assert (row["orientation"], row["mask_orientation"]) == (6, 1)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_the_orientation_of_a_mask_is_told_of_the_file_that_the_user_gave(fields, tmp_path, kind):
    exif = Image.Exif()
    exif[0x0112] = 3
    (tmp_path / "fields/masks/train/train_1.png").write_bytes(encoded(Image.fromarray(MASK), kind, exif=exif))

    row = rows(fields, tmp_path / "raw")["train/images__train__train_1"]

    assert (row["orientation"], row["mask_orientation"]) == (1, 3)
    assert read_mask(tmp_path / "raw" / row["mask"]).tolist() == [[2, 1, 2], [1, 1, 0]]  # turned by 180 degrees
    assert read_mask(tmp_path / "raw" / row["outside_mask"]).tolist() == [[1, 0, 0], [0, 0, 0]]


def test_data_that_this_stage_wrote_is_replaced_with_its_pictures_of_other_labels(fields, tmp_path):
    download.run(fields, LIMITS, tmp_path / "raw")
    first = manifest.read(tmp_path / "raw").images
    assert (tmp_path / "raw" / first["outside_mask"][0]).is_file()
    download.run(fields, LIMITS, tmp_path / "raw")
    again = manifest.read(tmp_path / "raw").images
    assert again["outside_mask"].tolist() == first["outside_mask"].tolist()


def test_missing_files_leave_their_columns_empty(fields, tmp_path):
    (Path(fields.path) / "masks/train/train_1.png").unlink()
    (Path(fields.path) / "images/val/val_1.png").unlink()

    by_id = rows(fields, tmp_path / "raw")

    no_mask, no_image = by_id["train/images__train__train_1"], by_id["val/masks__val__val_1"]
    assert (no_mask["mask"], no_mask["mask_sha256"], no_mask["mask_height"]) == ("", "", 0)
    assert list(no_mask[PIXELS]) == [0, 0, 0]
    assert (no_image["image"], no_image["sha256"], no_image["height"], no_image["phash"]) == ("", "", 0, "")


def test_a_mask_that_cannot_be_read_is_told_once(fields, tmp_path):
    (Path(fields.path) / "masks/train/train_1.png").write_bytes(b"no image")

    row = rows(fields, tmp_path / "raw")["train/images__train__train_1"]

    assert (
        row["problem"]
        == "mask: expected an image (PNG, JPEG, BMP, GIF, TIFF, WEBP, PPM), got another format or a broken header"
    )
    assert (row["mask"], row["mask_height"]) == ("masks/train/images__train__train_1.png", 0)


def test_a_failure_leaves_the_old_folder_as_it_was(fields, tmp_path):
    download.run(fields, LIMITS, tmp_path / "raw")
    before = sorted((tmp_path / "raw").rglob("*"))

    with pytest.raises(ValueError, match=r"expected a folder as dataset\.path"):
        download.run(fields.model_copy(update={"path": "nowhere"}), LIMITS, tmp_path / "raw")
    assert sorted((tmp_path / "raw").rglob("*")) == before
    assert not list(tmp_path.glob(".*"))


def test_scenes_are_drawn_into_the_folder(tmp_path):
    dataset = ScenesDataset.model_validate_json(
        '{"name": "scenes", "seed": 1, "height": 48, "width": 64, "images": {"train": 3, "val": 2, "test": 1},'
        ' "images_per_sequence": 2}'
    )

    download.run(dataset, LIMITS, tmp_path / "raw")
    images = manifest.read(tmp_path / "raw").images

    assert images["split"].value_counts().to_dict() == {"train": 3, "val": 2, "test": 1}
    assert (images["problem"] == "").all()
