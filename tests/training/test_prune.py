"""Old runs and leftovers of killed processes are removed, and nothing else."""

import hashlib
import json
import os
import shutil
import time
from pathlib import Path

import pytest

from pipeline.files import locks
from pipeline.training import prune
from pipeline.training.run import worked_on
from tests.support.tiny_model import write_model

NAMES = [f"{i:016x}" for i in range(5)]  # the first is the newest
HOURS = 3600


def age(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then))


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Return a repository with five runs of ten bytes each; the oldest is the run of models/segnet."""
    for i, name in enumerate(NAMES):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "inputs.json").write_text("{}")
        (folder / "weights").write_bytes(b"x" * 8)
        age(folder / "inputs.json", i * HOURS)
    model = write_model(tmp_path / "models" / "segnet") / "model.json"
    model.write_text(json.dumps({**json.loads(model.read_text()), "run": NAMES[4]}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def leftover(folder, name, seconds):
    """Create a temporary folder of three bytes, last written to `seconds` ago."""
    path = folder / name
    path.mkdir(parents=True)
    (path / "half").write_bytes(b"abc")
    age(path / "half", seconds)
    age(path, seconds)
    return path


def to_remove(root, keep):
    return [(waste.path.as_posix(), waste.size) for waste in prune.find(root, keep)]


def test_the_models_run_and_the_newest_others_stay(repository):
    assert to_remove(repository, 2) == [(f"runs/{NAMES[2]}", 10), (f"runs/{NAMES[3]}", 10)]
    assert to_remove(repository, 4) == []


def test_a_run_that_is_being_trained_stays(repository):
    with worked_on(repository / "runs" / NAMES[2]):
        assert to_remove(repository, 2) == [(f"runs/{NAMES[3]}", 10)]


def test_where_no_model_was_trained_the_newest_stay(repository):
    shutil.rmtree(repository / "models" / "segnet")
    assert len(to_remove(repository, 2)) == 3


def cached(root, content, suffix=""):
    """Put an object into DVC's cache; return its path and hash."""
    md5 = hashlib.md5(content).hexdigest() + suffix
    place = root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return place, md5


def without_model(root):
    """Remove models/segnet, as DVC does before a training; return the folder's list and model.json in its cache."""
    file, md5 = cached(root, (root / "models/segnet/model.json").read_bytes())
    listed, folder_md5 = cached(root, json.dumps([{"md5": md5, "relpath": "model.json"}]).encode(), ".dir")
    (root / "dvc.lock").write_text(f"stages: {{train: {{outs: [{{path: models/segnet, md5: {folder_md5}}}]}}}}")
    shutil.rmtree(root / "models/segnet")
    return listed, file


def test_while_a_training_is_under_way_the_run_of_the_model_before_it_stays(repository):
    without_model(repository)
    assert to_remove(repository, 2) == [(f"runs/{NAMES[2]}", 10), (f"runs/{NAMES[3]}", 10)]


@pytest.mark.parametrize("missing", [0, 1])
def test_no_run_is_removed_while_the_one_to_keep_is_unknown(repository, missing):
    without_model(repository)[missing].unlink()
    assert to_remove(repository, 5) == []
    told = (
        r"expected models/segnet, whose run is kept, got none, and dvc\.lock does not tell it: .*; a training is under"
    )
    with pytest.raises(ValueError, match=told + " way, or was interrupted: run dvc checkout or dvc repro first"):
        prune.find(repository, 2)


def test_a_run_that_an_older_version_left_is_the_oldest(repository):
    (repository / "runs" / NAMES[0] / "inputs.json").unlink()
    assert to_remove(repository, 3) == [(f"runs/{NAMES[0]}", 8)]


def test_a_model_that_cannot_be_read_is_refused(repository):
    (repository / "models" / "segnet" / "model.json").write_text("{")
    with pytest.raises(ValueError, match=r"expected a model\.json that the train stage wrote"):
        prune.find(repository, 1)


def test_what_has_not_been_written_to_for_an_hour_is_removed(repository):
    leftover(repository / "data", ".tiles.1.partial", 2 * HOURS)
    leftover(repository / "reports", ".young.1.partial", 60)
    busy = leftover(repository / "models", ".busy.1.partial", 2 * HOURS)
    (busy / "more").write_bytes(b"now")
    leftover(repository / "runs" / NAMES[0], ".step-1.1.partial", 2 * HOURS)
    (repository / "reports" / ".page.html.1.partial").write_bytes(b"abcd")
    age(repository / "reports" / ".page.html.1.partial", 2 * HOURS)
    assert to_remove(repository, 9) == [
        ("data/.tiles.1.partial", 3),
        ("reports/.page.html.1.partial", 4),
        (f"runs/{NAMES[0]}/.step-1.1.partial", 3),
    ]


@pytest.mark.parametrize("top", ["runs", "models", "reports", "data"])
def test_an_hour_is_the_limit_wherever_outputs_are_written(repository, top):
    leftover(repository / top, ".old.1.partial", HOURS + 60)
    leftover(repository / top, ".young.1.partial", HOURS - 60)
    leftover(repository / "docs", ".old.1.partial", HOURS + 60)
    (waste,) = prune.find(repository, 9)
    assert waste == prune.Waste(Path(top, ".old.1.partial"), 3, kind="temporary")


def test_runs_folders_and_files_are_removed(repository):
    leftover(repository / "data", ".a.1.partial", 2 * HOURS)
    (repository / "data" / ".b.1.partial").touch()
    age(repository / "data" / ".b.1.partial", 2 * HOURS)
    found = prune.find(repository, 3)
    assert [waste.kind for waste in found] == ["run", "temporary", "temporary"]
    for waste in found:
        prune.remove(repository, waste)
        assert not (repository / waste.path).exists()
    assert {path.name for path in (repository / "runs").iterdir()} == {*NAMES[:3], NAMES[4]}
    assert list((repository / "data").iterdir()) == []


def crossvalidation(root, name, seconds):
    """Create a cross-validation of seven bytes, last started `seconds` ago."""
    place = root / "runs" / "folds" / name
    (place / "1").mkdir(parents=True)
    (place / "origin.json").write_text("{}")
    (place / "1" / "params.yaml").write_text("a: 12")
    age(place / "origin.json", seconds)
    return place


def test_the_newest_crossvalidations_and_those_in_work_stay(repository):
    places = [crossvalidation(repository, f"folds-{i:016x}", i * HOURS) for i in range(4)]
    leftover(places[3], ".folds.json.1.partial", 2 * HOURS)
    with locks.held(places[2].with_suffix(".lock")):
        found = [waste for waste in prune.find(repository, 1) if waste.kind == "cross-validation"]
        expected = [("runs/folds/folds-0000000000000001", 7), ("runs/folds/folds-0000000000000003", 10)]
        assert [(waste.path.as_posix(), waste.size) for waste in found] == expected
    for waste in found:
        prune.remove(repository, waste)
    assert [place.exists() for place in places] == [True, False, True, False]


def of_fold(root, run, place, number):
    (root / "runs" / run / "fold.txt").write_text(f"runs/folds/{place.name}/{number}")


def test_runs_of_folds_do_not_count_and_stay_until_they_are_evaluated(repository):
    place = crossvalidation(repository, f"folds-{0:016x}", HOURS)
    of_fold(repository, NAMES[0], place, 1)
    of_fold(repository, NAMES[1], place, 2)
    assert to_remove(repository, 2) == []
    assert to_remove(repository, 1) == [(f"runs/{NAMES[3]}", 10)]
    (place / "1.json").write_text("{}")
    assert to_remove(repository, 2) == [(f"runs/{NAMES[0]}", 10 + len(f"runs/folds/{place.name}/1"))]


def test_runs_of_folds_are_removed_with_their_crossvalidation(repository):
    places = [crossvalidation(repository, f"folds-{i:016x}", i * HOURS) for i in range(2)]
    of_fold(repository, NAMES[0], places[0], 1)
    of_fold(repository, NAMES[1], places[1], 1)
    of_fold(repository, NAMES[2], places[1].with_name(f"folds-{9:016x}"), 1)  # which somebody has removed
    found = [waste.path.as_posix() for waste in prune.find(repository, 1)]
    assert found == [f"runs/{NAMES[1]}", f"runs/{NAMES[2]}", f"runs/folds/{places[1].name}"]
    with locks.held(places[1].with_suffix(".lock")):
        assert [waste.path.as_posix() for waste in prune.find(repository, 1)] == [f"runs/{NAMES[2]}"]


def test_copied_weights_stay_as_long_as_a_run_that_began_with_them(repository):
    for name, sha256 in ((NAMES[0], "a" * 64), (NAMES[3], "b" * 64)):
        inputs = repository / "runs" / name / "inputs.json"
        then = inputs.stat().st_mtime
        inputs.write_text(json.dumps({"start_from": {"sha256": sha256}}))
        os.utime(inputs, (then, then))
    for letter, seconds in (("a", 2 * HOURS), ("b", 2 * HOURS), ("c", 2 * HOURS), ("d", 60)):
        copy = repository / "runs" / f"{letter * 16}-model.safetensors"
        copy.write_bytes(b"12345")
        age(copy, seconds)
    weights = [(waste.path.name[0], waste.size) for waste in prune.find(repository, 3) if waste.kind == "weights"]
    assert weights == [("b", 5), ("c", 5)]  # the run that began with b is one of those to be removed
    assert [waste.path.name[0] for waste in prune.find(repository, 9) if waste.kind == "weights"] == ["c"]


@pytest.mark.parametrize("digits", ["a" * 64, "A" * 64])  # as params.yaml has them
def test_a_download_that_is_named_like_a_copy_stays_with_the_runs_that_began_with_it(repository, digits):
    inputs = repository / "runs" / NAMES[0] / "inputs.json"
    inputs.write_text(json.dumps({"start_from": None, "vgg16": digits}))
    for name in (f"{digits[:16]}-model.safetensors", f"{'b' * 16}-model.safetensors"):
        (repository / "runs" / name).write_bytes(b"12345")
        age(repository / "runs" / name, 2 * HOURS)
    weights = [waste.path.name for waste in prune.find(repository, 9) if waste.kind == "weights"]
    assert weights == [f"{'b' * 16}-model.safetensors"]


def test_a_temporary_folder_within_a_removed_one_is_counted_once(repository):
    leftover(repository / "runs" / NAMES[3], ".step-1.1.partial", 2 * HOURS)
    outer = leftover(repository / "data", ".tiles.1.partial", 2 * HOURS)
    leftover(outer, ".shard.1.partial", 2 * HOURS)
    age(outer, 2 * HOURS)
    assert to_remove(repository, 3) == [(f"runs/{NAMES[3]}", 13), ("data/.tiles.1.partial", 6)]


def test_what_waits_for_the_server_stays(repository):
    leftover(repository / "runs" / "unsent", ".letter.1.partial", 2 * HOURS)
    leftover(repository / "runs" / "unsent", NAMES[3], 2 * HOURS)
    (repository / "runs" / "vgg16.pth").touch()
    assert to_remove(repository, 9) == []
