"""Public data sets come in by `segnet init` alone, with the pairs, splits and names that their folders say."""

from collections import Counter

import pytest
from typer.testing import CliRunner

from pipeline import params
from pipeline.artifacts.manifest import SPLITS
from pipeline.cli import app
from pipeline.data import assignment
from tests.support import layouts, public_sets

# Globs of images and masks, images by split, and what is left out.
EXPECTED = {
    "isic": (
        "ISIC2018_Task1-2_{Test,Training,Validation}_Input/*.jpg",
        "ISIC2018_Task1_{Test,Training,Validation}_GroundTruth/*_segmentation.png",
        (6, 3, 3),
        "",
    ),
    "loveda": ("{Train,Val}/*/images_png/*.png", "{Train,Val}/*/masks_png/*.png", (6, 4, 0), "Test"),
    "voc": ("JPEGImages/*.jpg", "SegmentationClass/*.png", (6, 3, 0), ""),
    "kitti": ("training/image_2/*.png", "training/semantic/*.png", (6, 2, 1), ""),
    "floodnet": ("*/{test,train,val}-org-img/*.jpg", "*/{test,train,val}-label-img/*_lab.png", (6, 3, 3), ""),
    "bdd100k": ("images/10k/{train,val}/*.jpg", "labels/sem_seg/masks/{train,val}/*.png", (6, 3, 0), "test"),
    "mapillary": ("*/images/*.jpg", "*/v2.0/labels/*.png", (6, 3, 0), ""),
    "roboflow": ("*/*.jpg", "*/*_mask.png", (6, 3, 3), ""),
    "uavid": ("*/*/Images/*.png", "*/*/Labels/*.png", (12, 6, 6), ""),
    "suim": ("*/images/*.jpg", "*/masks/*.bmp", (5, 1, 3), ""),
    "below_one_folder": (
        "semantic_segmentation_dataset/*/photos/*.jpg",
        "semantic_segmentation_dataset/*/annotated/*.png",
        (6, 3, 3),
        "",
    ),
    "split_words": ("set-{test,train,val}-rgb/*.jpg", "set-{test,train,val}-gt/*.png", (6, 3, 3), ""),
    "camvid_of_fastai": ("images/*.png", "labels/*_P.png", (4, 1, 1), ""),
    "glas": ("*.bmp", "*_anno.bmp", (4, 1, 1), ""),
    "vaihingen": ("top/*.tif", "gts_for_participants/*.tif", (4, 1, 1), ""),
    "carla": ("*/CameraRGB/*.png", "*/CameraSeg/*.png", (4, 1, 1), ""),
    "apolloscape": ("ColorImage/Record1/Camera 5/*.jpg", "Label/Record1/Camera 5/*_bin.png", (4, 1, 1), ""),
    "rugd": ("RUGD_frames-with-annotations/*/*.png", "RUGD_annotations/*/*.png", (4, 1, 1), ""),
    "drive": ("training/images/*_training.tif", "training/1st_manual/*_manual1.gif", (4, 1, 1), ""),
    "drive_with_fields_of_view": (
        "training/images/*_training.tif",
        "training/1st_manual/*_manual1.gif",
        (4, 1, 1),
        "",
    ),
    "hrf": ("images/*.jpg", "manual1/*.tif", (4, 1, 1), ""),
    "x_and_y": ("x_{test,train,val}/*.png", "y_{test,train,val}/*.png", (6, 3, 3), ""),
    "targets": ("*/image/*.png", "*/target/*.png", (6, 3, 3), ""),
    "word_of_both": ("target_field/*.jpg", "masks/*.png", (4, 1, 1), ""),
    "days_and_nights": (
        "images/{train_day,val_day}/*.jpg",
        "masks/{train_day,val_day}/*.png",
        (6, 3, 0),
        "train_night, val_night",
    ),
    "numbered_splits": ("*/images/*.jpg", "*/masks/*.png", (12, 3, 3), ""),
    "manual_tests": ("*/*/images/*.jpg", "*/*/masks/*.png", (5, 1, 3), ""),
    "semi_supervised": ("labeled/images/*.jpg", "labeled/masks/*.png", (4, 1, 1), ""),
    "semi_supervised_splits": ("labeled/images/*/*.jpg", "labeled/masks/*/*.png", (6, 3, 3), ""),
    "unlabelled": ("{test,train,val}/images/*.jpg", "{test,train,val}/masks/*.png", (6, 3, 3), "extra"),
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", EXPECTED)
def test_a_public_set_is_recognised(name, project):
    getattr(public_sets, name)(project / "own")
    done = CliRunner().invoke(app, ["init", "own"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    images, masks, counts, left_out = EXPECTED[name]
    dataset = params.load().dataset
    assert (dataset.images, dataset.masks) == (images, masks)
    jobs = assignment.jobs(dataset, project / "own")
    assert all(assignment.is_whole(project / "own", job) for job in jobs)
    found = Counter(job.split for job in jobs)
    assert tuple(found[split] for split in ("train", "val", "test")) == counts
    note = f"? The images in {left_out} have no masks. Default: they are left out\n"
    assert ("have no masks" in done.output) == bool(left_out)
    assert note in done.output or not left_out


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("camvid_of_fastai", ["Archway", "Car"]),  # values 1 and 5
        ("rugd", ["grass", "dirt"]),  # by ascending colour
        ("roboflow", ["background", "cat"]),
    ],
)
def test_names_are_those_of_the_table_beside_the_images(name, expected, project):
    getattr(public_sets, name)(project / "own")
    assert CliRunner().invoke(app, ["init", "own"]).exit_code == 0
    assert [row.name for row in params.load().dataset.classes] == expected


def test_an_image_of_a_masks_very_name_is_its_image(project):
    public_sets.test_photos(project / "own")
    done = CliRunner().invoke(app, ["init", "own"])
    dataset = params.load().dataset
    assert (dataset.images, dataset.masks) == ("images/*.jpg", "masks/*.png")
    pairs = {(job.pair.image, job.pair.mask) for job in assignment.jobs(dataset, project / "own") if job.pair.mask}
    assert pairs == {(f"images/{i}.jpg", f"masks/{i}.png") for i in range(6)}
    assert "left out: 6 images or masks without the other" in done.output


def test_masks_beside_fields_of_view_are_asked_about(project):
    public_sets.hrf(project / "own")
    asked = (
        "? Are these the masks: manual1/01_dr.tif (2 labels)? Default: yes; others could be mask/01_dr_mask.tif (2 "
        "labels): --masks says which\n"
    )
    assert asked in CliRunner().invoke(app, ["init", "own"]).output


def test_folders_of_which_a_word_is_a_splits_are_asked_about(project):
    public_sets.uavid(project / "own")
    asked = "? Are uavid_test, uavid_train, uavid_val the splits? Default: yes, by a word in their names."
    assert asked in CliRunner().invoke(app, ["init", "own"]).output
    public_sets.floodnet(project / "other")
    assert "the splits?" not in CliRunner().invoke(app, ["init", "other", "--force"]).output


def test_a_list_of_images_without_masks_is_asked_about(project):
    public_sets.voc(project / "own")
    asked = "? No line of ImageSets/Segmentation/test.txt is an image with a mask. Default: left out\n"
    assert asked in CliRunner().invoke(app, ["init", "own"]).output


def test_pictures_that_are_not_used_are_told(project):
    public_sets.kitti(project / "own")
    told = (
        "not used: 20 pictures, such as testing/image_2/000000_10.png, training/instance/000000_10.png, "
        "training/semantic_rgb/000000_10.png\n"
    )
    assert told in CliRunner().invoke(app, ["init", "own"]).output
    public_sets.isic(project / "other")
    assert "not used" not in CliRunner().invoke(app, ["init", "other", "--force"]).output


def test_frames_of_one_name_in_given_splits_are_no_sequence(project):
    public_sets.uavid(project / "own")
    assert CliRunner().invoke(app, ["init", "own"]).exit_code == 0
    jobs = assignment.jobs(params.load().dataset, project / "own")
    assert {job.sequence for job in jobs} == {f"uavid_{split}/seq{i}" for split in SPLITS for i in (1, 2)}
    assert len(jobs) == 24


def test_sequences_that_lists_divide_are_none(project):
    for number, name in enumerate(f"{place}_{i}" for place in "abcdef" for i in range(3)):
        layouts.picture(project / f"own/images/{name}.png", number)
        layouts.mask(project / f"own/masks/{name}.png", 1, 2)
        with (project / f"own/{SPLITS[number % 3]}.txt").open("a") as names:
            names.write(f"{name}\n")
    assert CliRunner().invoke(app, ["init", "own"]).exit_code == 0
    dataset = params.load().dataset
    assert (dataset.splits.by, dataset.sequence) == ("list", "(.+)")
    assert "# the splits are given" in (project / "params.yaml").read_text()


def test_patients_with_folders_of_images_and_masks_are_sequences(project):
    for number in range(24):
        folder = project / f"own/patient_{number // 2:02}"
        layouts.picture(folder / f"images/{number % 2:03}.png", number)
        layouts.mask(folder / f"masks/{number % 2:03}.png", 1, 2)
    assert CliRunner().invoke(app, ["init", "own"]).exit_code == 0
    jobs = assignment.jobs(params.load().dataset, project / "own")
    assert {job.sequence for job in jobs} == {f"patient_{number:02}" for number in range(12)}
    assert len({(job.sequence, job.split) for job in jobs}) == 12
