"""A fold's folder has its own images alone, as links, and none of the test split."""

from dataclasses import replace

import pytest

from pipeline.artifacts import manifest, scores
from pipeline.crossvalidation import workspace
from pipeline.crossvalidation.folds import Fold
from pipeline.evaluation import evaluate
from tests.support import scored, tiny_dataset

FOLD = Fold("a", ("train/0", "val/1"), ("train/1",), ("val/0", "val/2"), ("train/2",))


@pytest.fixture
def raw(tmp_path):
    source = tiny_dataset.make(tmp_path / "data" / "raw")
    manifest.write(source, tmp_path / "data" / "raw")
    return tmp_path / "data" / "raw"


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_held_out_images_are_the_test_split_of_a_fold_and_no_others_than_its_own_are_in_it(raw):
    found = workspace.fold_of(manifest.read(raw), FOLD)
    rows = dict(zip(found.images["id"], found.images["split"], strict=True))
    expected = {"train/0": "train", "val/1": "train", "train/1": "val", "val/0": "test", "val/2": "test"}
    assert rows == expected


def test_a_fold_has_a_test_split_where_the_data_set_has_none(raw, tmp_path):
    source = replace(tiny_dataset.drop(manifest.read(raw), "test"), splits=("train", "val"))
    workspace.lay_out(tmp_path / "1", raw, workspace.fold_of(source, FOLD), b"")
    written = manifest.scan(tmp_path / "1" / "data" / "raw")
    assert written.splits == ("train", "val", "test")
    assert evaluate.scored_images(written)["id"].tolist() == ["val/0", "val/2"]


@pytest.mark.parametrize(
    ("split", "ids", "got"),
    [
        ("val", ("train/1", "val/1"), "2 val images, 0 of them held out"),
        ("val", FOLD.held_out, "2 val images, 2 of them held out"),
        ("test", ("val/0",), "1 test images, 1 of them held out"),
        ("test", ("val/0", "val/1"), "2 test images, 1 of them held out"),
    ],
)
def test_scores_of_other_images_than_those_held_out_are_refused(tmp_path, split, ids, got):
    def write(split, ids):
        counts = scored.scores().counts[:1].repeat(len(ids), axis=0)
        boundaries = scored.scores().boundaries[:1].repeat(len(ids), axis=0)
        values = {"split": split, "ids": ids, "sequences": ids, "counts": counts, "boundaries": boundaries}
        scores.write(tmp_path / "reports", scored.scores(**values), scored.INTERVALS)

    write("test", FOLD.held_out)
    assert workspace.result(tmp_path, FOLD).ids == FOLD.held_out
    write(split, ids)
    with pytest.raises(ValueError, match=rf"^expected scores of the 2 images held out, got those of {got}; correct "):
        workspace.result(tmp_path, FOLD)


def test_the_stages_read_the_images_of_the_repository_through_links(raw, tmp_path):
    before, folder = contents(raw), tmp_path / "runs" / "folds" / "f" / "1"
    images = workspace.fold_of(manifest.read(raw), FOLD)
    workspace.lay_out(folder, raw, images, b"model: {}\n")
    assert (folder / "params.yaml").read_bytes() == b"model: {}\n"
    written = manifest.read(folder / "data" / "raw")
    assert written.images["id"].tolist() == sorted(images.images["id"])
    assert written.images["split"].tolist() == ["train", "val", "test", "train", "test"]
    for path in written.images["image"]:
        assert (folder / "data" / "raw" / path).read_bytes() == (raw / path).read_bytes()
    (folder / "models").mkdir()
    workspace.lay_out(folder, raw, images, b"model: 1\n")  # as after a kill
    assert not (folder / "models").exists()
    workspace.remove(folder)
    assert not folder.exists()
    assert contents(raw) == before
