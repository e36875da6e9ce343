"""The step, with stages that only write scores; with the real ones: tests/test_crossvalidation.py."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.artifacts import manifest, scores
from pipeline.crossvalidation import crossvalidate
from pipeline.crossvalidation.crossvalidate import Recipe
from pipeline.crossvalidation.processes import Processes, Slot, StageError
from pipeline.tracking import store
from tests.support import scored, tiny_dataset
from tests.support.recorded import recorded

SLOTS = (Slot(frozenset(), None),)
RECIPE = Recipe(b"model: a\n", {"train": {"seed": 1}}, {"train": {"seed": 1}}, "folded")
CORRECT = {"train": 8, "val": 4}  # of 8 pixels of road in the images of that split


@pytest.fixture
def raw(tmp_path, monkeypatch, mlflow_store):
    """data/raw of nine images: of train and val each is a sequence of its own, six in all."""
    monkeypatch.chdir(tmp_path)
    source = tiny_dataset.make(Path("data/raw"))
    names = source.images["id"].where(source.images["split"] != "test", "street")
    manifest.write(replace(source, images=source.images.assign(sequence=names)), Path("data/raw"))
    return Path("data/raw")


@pytest.fixture
def calls(monkeypatch):
    """The stages that were run, each with its folder; evaluate writes scores of the folder's scored split."""
    made = []

    def run(self, stage, folder, log, slot, variables):
        source = manifest.read(folder / "data/raw")
        images = source.images
        made.append((int(folder.name), stage))
        assert variables["MLFLOW_EXPERIMENT_NAME"] == "folded-folds"
        assert json.loads(Path(variables["SEGNET_ORIGIN"]).read_text())["commit"] == "unknown"
        assert (folder / "params.yaml").read_bytes() == RECIPE.params
        if stage == "evaluate":
            ids = tuple(images["id"][images["split"] == source.scored_split])
            counts = np.zeros((len(ids), 2, 2), np.int64)
            for count, each in zip(counts, ids, strict=True):
                hits = CORRECT[each.partition("/")[0]]
                count[0] = hits, 8 - hits
            empty = np.zeros((len(ids), 2, 5), np.int64)
            values = {"names": ("road", "sky"), "ids": ids, "sequences": ids, "counts": counts, "boundaries": empty}
            values |= {"run": f"run-{folder.name}", "split": source.scored_split}
            scores.write(folder / "reports", scored.scores(**values), scored.INTERVALS)

    monkeypatch.setattr(Processes, "run", run)
    return made


def run(raw, recipe=RECIPE, count=3):
    return crossvalidate.run(recipe, raw, count, SLOTS)


def test_folds_are_run_and_their_scores_are_recorded_as_mean_and_deviation(raw, calls):
    found = run(raw)
    assert calls == [(number, stage) for number in (1, 2, 3) for stage in ("tile", "train", "evaluate")]
    # Six sequences of an image, by name: train/0, val/0 | train/1, val/1 | train/2, val/2
    assert [each.fold for each in found.folds] == ["train/0, val/0", "train/1, val/1", "train/2, val/2"]
    assert [each.images for each in found.folds] == [(2, 2, 2, 0)] * 3
    assert [each.run for each in found.folds] == ["run-1", "run-2", "run-3"]
    # Of a fold's 16 pixels of road, 12 are correct, and 4 are called sky, which is in no image: IoU 0.75 and 0
    assert found.spreads["miou"].mean == 0.375
    assert found.spreads["miou"].deviation == 0
    tracked = crossvalidate.runs.start("folded", found.name)
    metrics = recorded(tracked).data.metrics
    assert (metrics["folds/miou"], metrics["folds_deviation/miou"], metrics["folds/iou/road"]) == (0.375, 0, 0.75)
    assert recorded(tracked).data.params == {"train.seed": "1", "folds": "3"}
    assert recorded(tracked).info.status == "FINISHED"
    files = {file.path for file in store.client(tracked.uri).list_artifacts(tracked.run_id)}
    assert files == {"environment.json", "folds.json"}
    tree = json.loads((Path("runs/folds") / found.name / "folds.json").read_text())
    assert tree == json.loads(json.dumps(crossvalidate.as_json(found)))
    assert tree["scores"]["miou"] == {"mean": 0.375, "deviation": 0.0, "folds": 3}


def test_what_makes_scores_doubtful_is_said_at_once_and_kept_with_them(raw, calls, caplog):
    recipe = replace(RECIPE, decides={"seed": 7}, notes=("model.start_from: not known",))
    found = run(raw, recipe)
    assert caplog.messages[0] == "model.start_from: not known"
    assert found.notes == recipe.notes
    tree = json.loads((Path("runs/folds") / found.name / "folds.json").read_text())
    assert tree["notes"] == ["model.start_from: not known"]


def test_where_nothing_chooses_the_epoch_those_images_are_learnt_from(raw, calls):
    found = run(raw, replace(RECIPE, decides={"train": {"with_val": True}}))
    assert [each.images for each in found.folds] == [(4, 0, 2, 0)] * 3


def test_held_out_images_are_scored_where_the_data_set_has_no_test_split(raw, calls):
    source = manifest.read(raw)
    manifest.write(replace(tiny_dataset.drop(source, "test"), splits=("train", "val")), raw)
    found = run(raw, replace(RECIPE, decides={"seed": 5}))  # other images than those held out would be an error
    assert [each.fold for each in found.folds] == ["train/0, val/0", "train/1, val/1", "train/2, val/2"]
    assert [each.images for each in found.folds] == [(2, 2, 2, 0)] * 3


def test_a_fold_of_which_other_images_were_scored_is_named_and_not_recorded(raw, calls, monkeypatch):
    works = Processes.run

    def score_val(self, stage, folder, *others):
        if (folder.name, stage) == ("2", "evaluate"):
            source = manifest.read(folder / "data/raw")
            manifest.write(replace(tiny_dataset.drop(source, "test"), splits=("train", "val")), folder / "data/raw")
        works(self, stage, folder, *others)

    monkeypatch.setattr(Processes, "run", score_val)
    recipe = replace(RECIPE, decides={"seed": 6})
    with pytest.raises(StageError, match=r"^fold 2, train/1, val/1: expected scores of the 2 images held out, got "):
        run(raw, recipe)
    place = Path("runs/folds") / crossvalidate.name_of(recipe, *crossvalidate.plan(raw, 3))
    assert not (place / "2.json").exists()


def relabel(raw):
    """Another data set of the same images, as download writes it."""
    manifest.write(tiny_dataset.change(manifest.read(raw), {"train/"}, mask_sha256="other"), raw)


def damage(raw):
    """Another image under the same manifest."""
    (raw / "images/val/1.png").write_bytes((raw / "images/val/0.png").read_bytes())


@pytest.mark.parametrize("stage", ["tile", "evaluate"])
@pytest.mark.parametrize("change", [relabel, damage])
def test_a_fold_whose_data_were_changed_meanwhile_is_not_recorded(raw, calls, monkeypatch, change, stage):
    works, before = Processes.run, {path: path.read_bytes() for path in raw.rglob("*") if path.is_file()}

    def run_and_change(self, name, folder, *others):
        works(self, name, folder, *others)
        if (folder.name, name) == ("2", stage):
            change(raw)

    recipe = replace(RECIPE, decides={"changed": [change.__name__, stage]})
    name = crossvalidate.name_of(recipe, *crossvalidate.plan(raw, 3))
    monkeypatch.setattr(Processes, "run", run_and_change)
    with pytest.raises(StageError, match=r"^fold 2, train/1, val/1: expected .*; this fold is not recorded; run dvc"):
        run(raw, recipe)
    place = Path("runs/folds") / name
    assert sorted(path.name for path in place.glob("*.json")) == ["1.json", "origin.json"]
    for path, content in before.items():
        path.write_bytes(content)
    monkeypatch.setattr(Processes, "run", works)
    calls.clear()
    assert run(raw, recipe).name == name
    assert {number for number, _ in calls} == {2, 3}


def test_a_test_image_is_in_no_fold(raw):
    _, folds = crossvalidate.plan(raw, 3)
    used = {each for fold in folds for each in (*fold.train, *fold.val, *fold.held_out, *fold.left_out)}
    assert {each.partition("/")[0] for each in used} == {"train", "val"}


def test_only_runs_is_written_to(raw, calls):
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*") if path.parts[0] != "runs"}
    run(raw, replace(RECIPE, decides={"seed": 9}))
    after = {path: path.stat().st_mtime_ns for path in Path().rglob("*") if path.parts[0] != "runs"}
    assert after.keys() == before.keys()
    assert all(after[path] == before[path] for path in after if path.is_file())


def test_a_fold_that_failed_is_run_again_and_a_finished_one_is_not(raw, calls, monkeypatch):
    works = Processes.run

    def fail(self, stage, folder, *others):
        if (folder.name, stage) == ("2", "train"):
            raise StageError("train failed: no room")
        works(self, stage, folder, *others)

    recipe = replace(RECIPE, decides={"seed": 3})
    monkeypatch.setattr(Processes, "run", fail)
    with pytest.raises(StageError, match=r"^fold 2, train/1, val/1: train failed: no room$"):
        run(raw, recipe)
    place = Path("runs/folds") / crossvalidate.name_of(recipe, *crossvalidate.plan(raw, 3))
    assert not (place / "2.json").exists()
    monkeypatch.setattr(Processes, "run", works)
    calls.clear()
    found = run(raw, recipe)
    assert (1, "train") not in calls
    assert (2, "tile") in calls
    assert len(found.folds) == 3
    assert sorted(path.name for path in place.iterdir()) == ["1.json", "2.json", "3.json", "folds.json", "origin.json"]
    calls.clear()
    (place / "1").mkdir()  # as a kill leaves it once the scores are written
    assert run(raw, recipe) == found
    assert calls == []
    assert not (place / "1").exists()


def test_a_fold_whose_scores_are_broken_is_named(raw, calls):
    recipe = replace(RECIPE, decides={"seed": 4})
    place = Path("runs/folds") / run(raw, recipe).name
    (place / "2.json").write_text("{}")
    with pytest.raises(ValueError, match=r"2\.json: expected the scores of a fold: .*; remove it, and run the command"):
        run(raw, recipe)


def test_what_determines_the_scores_changes_the_name_and_nothing_else_does(raw):
    source, folds = crossvalidate.plan(raw, 3)
    name = crossvalidate.name_of(RECIPE, source, folds)
    assert crossvalidate.name_of(replace(RECIPE, params=b"# a comment", recorded={}), source, folds) == name
    others = [
        crossvalidate.name_of(replace(RECIPE, decides={"train": {"seed": 2}}), source, folds),
        crossvalidate.name_of(RECIPE, *crossvalidate.plan(raw, 4)),
        crossvalidate.name_of(RECIPE, tiny_dataset.change(source, {"val/1"}, sha256="other"), folds),
        crossvalidate.name_of(RECIPE, tiny_dataset.change(source, {"train/1"}, mask_sha256="other"), folds),
    ]
    assert len({name, *others}) == 5
    in_test = tiny_dataset.change(source, {"test/"}, sha256="other")
    assert crossvalidate.name_of(RECIPE, in_test, folds) == name
