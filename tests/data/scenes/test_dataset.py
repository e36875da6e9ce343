import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.scenes import CLASSES, dataset as scenes, draw
from pipeline.data.source import Source
from pipeline.files.images import read_image, read_mask
from pipeline.params.dataset import ScenesDataset
from tests.support.written import written as entries


def settings(train: int) -> ScenesDataset:
    tree = {
        "name": "scenes", "seed": 5, "height": 32, "width": 40, "images": {"train": train, "val": 1, "test": 3},
        "images_per_sequence": 2,
    }  # fmt: skip
    return ScenesDataset.model_validate_json(json.dumps(tree))


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[Source, Path]:
    folder = tmp_path_factory.mktemp("scenes")
    return scenes.write(settings(train=5), folder), folder


def test_every_split_has_its_images_in_sequences_of_its_own(written):
    names = {(entry.split, entry.sequence, entry.name) for entry in entries(written[0])}
    assert names == {
        ("train", "s000", "s000_0000"), ("train", "s000", "s000_0001"), ("train", "s003", "s003_0000"),
        ("train", "s003", "s003_0001"), ("train", "s006", "s006_0000"), ("val", "s001", "s001_0000"),
        ("test", "s002", "s002_0000"), ("test", "s002", "s002_0001"), ("test", "s005", "s005_0000"),
    }  # fmt: skip


def test_files_hold_what_is_drawn(written):
    source, folder = written
    for entry in entries(source):
        assert entry.image == folder / "images" / entry.split / f"{entry.name}.png"
        assert entry.mask == folder / "masks" / entry.split / f"{entry.name}.png"
        image, mask = draw(5, int(entry.name[1:4]), int(entry.name[5:]), height=32, width=40)
        np.testing.assert_array_equal(read_image(entry.image), image)
        np.testing.assert_array_equal(read_mask(entry.mask), mask)
    assert len(list(folder.rglob("*.*"))) == 2 * len(entries(source))


def test_the_data_set_says_what_it_is(written):
    source, _ = written
    assert (source.dataset, source.classes) == ("scenes", CLASSES)
    assert "CC0" in source.licence
    assert {(entry.problem, entry.outside) for entry in entries(source)} == {("", 0)}


def test_more_training_images_leave_all_others_as_they_are(written, tmp_path):
    _, folder = written
    scenes.write(settings(train=6), tmp_path)
    before = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.png")}
    after = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.png")}
    assert len(after) == len(before) + 2
    assert before.items() <= after.items()


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_is_killed_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(scenes, "_draw", die)
    with pytest.raises(ValueError, match=r"processes to draw scenes, got one that was killed .*; free some memory"):
        scenes.write(settings(train=5), tmp_path)
