import json

import numpy as np
import pytest

from pipeline.data.scenes import BYTES_PER_PIXEL, CLASSES, dataset as scenes, draw
from pipeline.files.images import read_image, read_mask
from pipeline.files.threads import Images
from pipeline.params.dataset import ScenesDataset
from tests.support import ROOT
from tests.support.made import made


def settings(train: int) -> ScenesDataset:
    tree = {
        "name": "scenes", "seed": 5, "height": 32, "width": 40, "images": {"train": train, "val": 1, "test": 3},
        "images_per_sequence": 2,
    }  # fmt: skip
    return ScenesDataset.model_validate_json(json.dumps(tree))


@pytest.fixture(scope="module")
def drawn():
    return made(scenes.source(settings(train=5)))


def test_every_split_has_its_images_in_sequences_of_its_own(drawn):
    assert {(entry.split, entry.sequence, entry.name) for entry in drawn} == {
        ("train", "s000", "s000_0000"), ("train", "s000", "s000_0001"), ("train", "s003", "s003_0000"),
        ("train", "s003", "s003_0001"), ("train", "s006", "s006_0000"), ("val", "s001", "s001_0000"),
        ("test", "s002", "s002_0000"), ("test", "s002", "s002_0001"), ("test", "s005", "s005_0000"),
    }  # fmt: skip


def test_files_hold_what_is_drawn(drawn):
    assert [entry.id for entry in drawn] == sorted(entry.id for entry in drawn)
    for entry in drawn:
        assert entry.image.place == f"images/{entry.split}/{entry.name}.png"
        assert entry.mask.place == f"masks/{entry.split}/{entry.name}.png"
        image, mask = draw(5, int(entry.name[1:4]), int(entry.name[5:]), height=32, width=40)
        np.testing.assert_array_equal(read_image(entry.image.content), image)
        np.testing.assert_array_equal(read_mask(entry.mask.content), mask)


def test_scenes_are_those_of_earlier_versions():
    """Scores on other images cannot be compared: who changes how scenes are drawn starts a new data set.

    The file was made by commit 9a842c0: six streets of seed 7, below each other, beside them their masks as grey.
    """
    earlier = read_image((ROOT / "tests/support/scenes_of_9a842c0.png").read_bytes())
    for sequence, both in enumerate(np.split(earlier, 6)):
        image, mask = draw(7, sequence, 0, height=72, width=96)
        np.testing.assert_array_equal(image, both[:, :96])
        np.testing.assert_array_equal(mask, both[:, 96:, 0])


def test_the_data_set_says_what_it_is(drawn):
    source = scenes.source(settings(train=5))
    assert (source.dataset, source.classes) == ("scenes", CLASSES)
    assert "CC0" in source.licence
    assert {(entry.problem, entry.outside) for entry in drawn} == {("", 0)}
    assert source.images == Images(9, 32 * 40, BYTES_PER_PIXEL, are_drawn=True)


def test_more_training_images_leave_all_others_as_they_are(drawn):
    more = made(scenes.source(settings(train=6)))
    assert len(more) == len(drawn) + 1
    assert [entry for entry in more if entry in drawn] == drawn
