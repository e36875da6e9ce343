"""Public data sets come in by `segnet init` alone, with the pairs, splits and names that their folders say."""

from collections import Counter

import pytest
from typer.testing import CliRunner

from pipeline import params
from pipeline.cli import app
from pipeline.data import assignment
from tests.support import public_sets

# Globs of images and masks, images by split, and what is left out.
EXPECTED = {
    "isic": (
        "ISIC2018_Task1-2_{Test,Training,Validation}_Input/*.jpg",
        "ISIC2018_Task1_{Test,Training,Validation}_GroundTruth/*_segmentation.png",
        (6, 3, 3),
        "",
    ),
    "loveda": ("{Train,Val}/*/images_png/*.png", "{Train,Val}/*/masks_png/*.png", (6, 4, 0), "Test"),
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
    assert (dataset.images, dataset.masks, dataset.mask_kind) == (images, masks, "index")
    jobs = assignment.jobs(dataset, project / "own")
    assert all(assignment.is_whole(project / "own", job) for job in jobs)
    found = Counter(job.split for job in jobs)
    assert tuple(found[split] for split in ("train", "val", "test")) == counts
    note = f"? The images in {left_out} have no masks. Default: they are left out\n"
    assert ("have no masks" in done.output) == bool(left_out)
    assert note in done.output or not left_out


def test_a_table_of_values_and_names_beside_the_images_is_read(project):
    public_sets.roboflow(project / "own")
    assert CliRunner().invoke(app, ["init", "own"]).exit_code == 0
    assert [row.name for row in params.load().dataset.classes] == ["background", "cat"]


def test_frames_of_one_name_in_given_splits_are_no_sequence(project):
    public_sets.uavid(project / "own")
    assert CliRunner().invoke(app, ["init", "own"]).exit_code == 0
    jobs = assignment.jobs(params.load().dataset, project / "own")
    assert len({job.sequence for job in jobs}) == len(jobs) == 24
