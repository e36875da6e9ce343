"""Each layout of the field, made small, comes in by `segnet init` alone."""

import pickle
import re
from collections import Counter

import pytest
from PIL import Image
from typer.testing import CliRunner

from pipeline import params
from pipeline.artifacts import manifest
from pipeline.artifacts.tileset import Tileset
from pipeline.cli import app
from pipeline.data import assignment, folder
from pipeline.files.images import read_mask
from pipeline.planning import sample
from stages import download, tile, validate
from tests.support import layouts
from tests.support.made import made

# mask_kind, images by split, names of the classes, whether there are ignored labels.
EXPECTED = {
    "voc": ("index", (4, 2, 0), ("background", "dog"), True),
    "ade20k": ("index", (6, 2, 0), ("wall", "sky"), True),
    "cityscapes": ("index", (4, 2, 0), ("road", "car"), True),
    "segnet_camvid": ("index", (3, 3, 3), ("Sky", "Road"), True),
    "camvid_raw": ("colour", (12, 2, 2), ("Animal", "Archway"), True),
    "nnunet": ("index", (6, 1, 1), ("background", "road"), False),
    "nnunet_folds": ("index", (6, 2, 4), ("background", "road"), False),
    "coco": ("coco", (5, 3, 0), ("background", "dog"), False),
    "coco_folders": ("coco", (5, 2, 1), ("background", "dog"), False),
    "panoptic": ("panoptic", (5, 3, 0), ("sea", "sky"), True),
    "labelme": ("labelme", (6, 1, 1), ("background", "cow"), False),
    "labelme_folders": ("labelme", (6, 1, 1), ("background", "cow"), False),
    "cvat": ("cvat", (6, 1, 1), ("background", "cow"), False),
    "yolo": ("yolo", (6, 2, 0), ("background", "dog"), False),
    "one_folder": ("index", (6, 1, 1), ("class_0", "class_255"), False),
    "masks_elsewhere": ("index", (6, 1, 1), ("class_1", "class_2"), False),
    "train_and_test": ("index", (7, 1, 2), ("class_1", "class_2"), False),
    "split_folders": ("colour", (5, 2, 1), ("colour_008000", "colour_ff0080"), False),
    "split_document": ("index", (7, 1, 2), ("class_1", "class_2"), False),
}
PIXELS = layouts.HEIGHT * layouts.WIDTH
# Of the first training image by id: pixels of each class, then of void; counted in what layouts.py draws.
POLYGON = 36 * 26
COUNTS = {
    "voc": (PIXELS // 2, PIXELS // 2 - 40, 40),
    "coco": (PIXELS - POLYGON, POLYGON, 0),
    "coco_folders": (PIXELS - POLYGON, POLYGON, 0),
    "split_folders": (PIXELS // 2, PIXELS // 2, 0),
    "labelme_folders": (PIXELS - POLYGON, POLYGON, 0),
    "labelme": (PIXELS - POLYGON, POLYGON, 0),
    "cvat": (PIXELS - POLYGON, POLYGON, 0),
    "yolo": (PIXELS - POLYGON, POLYGON, 0),
    "panoptic": (PIXELS // 2 - 40, PIXELS // 2, 40),
    "segnet_camvid": (PIXELS // 2, PIXELS // 2 - 40, 40),
    "cityscapes": (PIXELS // 2, PIXELS // 2 - 40, 40),
}


def run(*words):
    return CliRunner().invoke(app, ["init", *words], catch_exceptions=False)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder):
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_every_layout_is_expected():
    assert [build.__name__ for build in layouts.BUILDERS] == list(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_layout_comes_in_by_init_alone(name, project, capsys):
    root = project / "data/own/photos"
    root.mkdir(parents=True)
    getattr(layouts, name)(root)
    before = contents(project)
    done = run("data/own/photos")
    assert done.exit_code == 0, done.output
    assert {path: each for path, each in contents(project).items() if path.name != "params.yaml"} == before
    kind, counts, classes, has_ignored = EXPECTED[name]
    settings = params.load()
    assert settings.dataset.mask_kind == kind
    assert any(row.ignore for row in settings.dataset.classes) == has_ignored

    for stage in (download, validate, tile):
        stage.main()
    unnamed = [name for name in classes if name.startswith(("class_", "colour_"))]
    asked = f"? What are the classes called? Default: {', '.join(unnamed)}\n"
    assert (asked in done.output) == bool(unnamed)
    assert (f"note: {', '.join(unnamed)} are names to fill in" in capsys.readouterr().out) == bool(unnamed)

    source = manifest.read(download.RAW)
    found = Counter(source.usable["split"])
    assert tuple(found[split] for split in manifest.SPLITS) == counts
    assert source.splits == (manifest.SPLITS if counts[2] else manifest.SPLITS[:2])
    assert source.classes.names == classes
    assert len(Tileset(tile.TILES, "train")) == counts[0]
    if name in COUNTS:
        assert tuple(source.images[source.images["split"] == "train"].iloc[0]["pixels"]) == COUNTS[name]
    first = source.usable.iloc[0]
    assert read_mask(download.RAW / first["mask"]).shape == (layouts.HEIGHT, layouts.WIDTH)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_work_on_every_layout_can_be_sent_to_another_process(name, project):
    root = project / "data/own/photos"
    root.mkdir(parents=True)
    getattr(layouts, name)(root)
    assert run("data/own/photos").exit_code == 0
    source = folder.source(params.load().dataset)
    loaded = [(source.make, sent) for job in source.jobs for sent in source.load(job)]
    here, sent = made(source), pickle.dumps(loaded)
    root.rename(project / "elsewhere")  # another machine sees no file of it
    there = [make(sent) for make, sent in pickle.loads(sent)]
    assert there == pickle.loads(pickle.dumps(here)) == here
    assert any(each.mask for each in there)


def test_the_file_says_a_reason_beside_each_choice_and_the_command_its_questions(project):
    layouts.voc(project / "voc")
    done = run("voc")
    text = (project / "params.yaml").read_text()
    for words in (
        "images: JPEGImages/*.jpg # 6 of them have masks",
        "mask_kind: index # a pixel holds the value of its class",
        "{name: dog, value: 12, colour: [12, 243, 6], ignore: false} # 48.21%",
        "{name: void, value: 255, colour: [255, 0, 127], ignore: true} # 1.79%",
        "val: ImageSets/Segmentation/val.txt, test: null} # lists of the data set, which has no test images",
        "epochs: 100 # about 1 min of training",
    ):
        assert words in text.replace('"', "")
    assert "? There are no test images: is the validation split to be the test split" in done.output
    assert "splits: train 4, val 2 images" in done.output
    assert "? Are these the masks" not in done.output


@pytest.fixture
def one_folder_of_coco(project):
    """COCO's annotations of each split, and all images in one folder."""
    layouts.coco(project / "own")
    (project / "own/images").mkdir()
    for split in ("train2017", "val2017"):
        for path in [*(project / "own" / split).iterdir()]:
            path.rename(project / f"own/images/{split[0]}_{path.name}")
        file = project / f"own/annotations/instances_{split}.json"
        file.write_text(file.read_text().replace('"file_name": "', f'"file_name": "{split[0]}_'))
        (project / "own" / split).rmdir()
    (project / "own/test2017").rename(project / "unlabelled")
    return project / "own"


def test_annotations_of_splits_over_one_folder_of_images_say_the_splits(one_folder_of_coco):
    done = run("own")
    assert "splits: train 5, val 3 images; files of annotations of the data set, which has no test" in done.output
    rule = params.load().dataset.splits
    files = [f"annotations/instances_{split}2017.json" for split in ("train", "val")]
    assert (rule.by, [rule.train, rule.val], rule.test) == ("list", files, None)
    jobs = assignment.jobs(params.load().dataset, one_folder_of_coco)
    assert {(job.split, job.pair.image[:9]) for job in jobs} == {("train", "images/t_"), ("val", "images/v_")}


@pytest.mark.parametrize("name", ["instances_more.json", "instances_train_2.json", "instances_train_test.json"])
def test_annotations_of_which_a_file_is_of_no_split_of_its_own_are_asked_about(one_folder_of_coco, name):
    layouts.picture(one_folder_of_coco / "images/another.jpg", 7)
    layouts._coco(one_folder_of_coco / "annotations" / name, ["another.jpg"])
    done = run("own")
    assert re.search(
        r"Does annotations/\S+ or annotations/\S+( or annotations/\S+)? say the splits\?",
        done.output.replace("\n", " "),
    )
    assert params.load().dataset.splits.by == "ratio"


def test_images_and_masks_without_the_other_are_not_counted(project):
    layouts.train_and_test(project / "own")
    (project / "own/train/masks/a_train.png").unlink()
    (project / "own/train/images/b_train.png").unlink()
    (project / "own/test/images/a_test.png").unlink()
    done = run("own")
    assert "images: 7," in done.output
    assert "splits: train 5, val 1, test 1 images" in done.output
    assert "left out: 3 images or masks without the other; validation warns of them" in done.output
    dataset = params.load().dataset
    _, counts = sample._of_folder(dataset)
    assert counts == {"train": 5, "val": 1, "test": 1}


def test_tiles_are_as_large_as_images_that_are_turned_upright(project):
    exif = Image.Exif()
    exif[274] = 6
    for i in range(8):
        for name in (f"{i}.jpg", f"{i}_mask.png"):
            layouts.mask(project / "own" / name, 0, 1)
            Image.open(project / "own" / name).save(project / "own" / name, exif=exif)
    done = run("own")
    assert f"tiles: {layouts.HEIGHT} x {layouts.WIDTH} at scale 1; an image is a tile" in done.output


def test_the_fold_that_is_taken_is_named(project):
    layouts.nnunet_folds(project / "own")
    done = run("own")
    reason = "fold 0, the first in nnU-Net's splits_final.json of the data set"
    assert f"splits: train 6, val 2, test 4 images; {reason}\n" in done.output
    where = "../nnUNet_preprocessed/own/splits_final.json#0"
    rule = f'splits: {{by: list, train: "{where}.train", val: "{where}.val", test: "imagesTs/"}} # {reason}\n'
    text = (project / "params.yaml").read_text()
    assert rule in text
    assert 'images: "images{Tr,Ts}/*_0000.png"' in text
    assert 'masks: "labels{Tr,Ts}/*.png"' in text


def test_masks_may_be_named(project):
    for i, place in enumerate(layouts.PLACES):
        layouts.picture(project / f"own/photos/{place}.png", i)
        layouts.mask(project / f"own/b/{place}.png", 1, 2)
        layouts.mask(project / f"elsewhere/{place}.png", 3, 4)
    refused = CliRunner().invoke(app, ["init", "own"])
    assert refused.exit_code == 1
    assert "expected masks recognised by their names or folders, with images of the same names" in str(
        refused.exception
    )
    assert not (project / "params.yaml").exists()
    for pattern, values in (("b/*.png", [1, 2]), ("b", [1, 2]), ("elsewhere", [3, 4])):
        assert run("own", "--masks", pattern, "--force").exit_code == 0
        assert [row.value for row in params.load().dataset.classes] == values
    with pytest.raises(ValueError, match=r"expected masks that --masks c/[*] matches, with images of the same names"):
        run("own", "--masks", "c/*", "--force")
