"""Which values segnet plan names that would make the pipeline faster."""

import json

import pytest

from pipeline import params
from pipeline.artifacts.manifest import Manifest
from pipeline.params import Params
from pipeline.planning import savings
from pipeline.planning.savings import Effort
from tests.support import SCENES
from tests.support.tiny_dataset import CLASSES, sized

SAMPLED = {"name": "bayesian_segnet"}


def settings(**sections):
    """Return params with other values, by section."""
    tree = params.load(SCENES).model_dump(mode="json", by_alias=True)
    for section, values in sections.items():
        tree[section] |= values
    return Params.model_validate_json(json.dumps(tree))


def manifest(height, width):
    return Manifest("toy", CLASSES, "", sized(["train", "train", "val", "test"], height, width))


def tiles(height, width, stride=None):
    stride_y, stride_x = stride or (height, width)
    return {"height": height, "width": width, "stride_y": stride_y, "stride_x": stride_x, "scale": 1.0}


def proposed(own, source, train=40.0, evaluate=20.0):
    """Return what is proposed where training takes so many minutes for 36 epochs, and evaluation as many."""

    def minutes(changed, times):
        epochs = changed.train.epochs / own.train.epochs
        return {
            "tile": 1.0,
            "train": train * epochs * times.tiles * times.tile_pixels,
            "evaluate": evaluate * times.predicted_pixels,
        }

    return savings.propose(own, source, minutes)


def test_the_effort_is_counted_in_tiles_and_pixels():
    own = settings(
        tile=tiles(200, 300, (150, 225)), evaluate={"overlap": 0.5, "flip": True, "scales": [0.5, 1.0], "samples": 0}
    )
    # Down 400 rows, tiles begin at 0, 150 and 300; along 600 columns at 0, 225 and 450. Windows begin at 0, 100 and
    # 200, and at 0, 150 and 300. Each is predicted twice at a quarter of its pixels, and twice whole.
    assert savings.effort(own, manifest(400, 600)) == Effort(9.0, 60_000, 9 * 60_000 * 2.5)
    # An image smaller than a tile is padded in training, and predicted as it is.
    assert savings.effort(own, manifest(100, 100)) == Effort(1.0, 60_000, 10_000 * 2.5)
    cropped = settings(tile=tiles(200, 300), train={"crop": [64, 96]}, evaluate={"samples": 8}, model=SAMPLED)
    assert savings.effort(cropped, manifest(200, 300)) == Effort(1.0, 6144, 60_000 * 8)


def test_a_tile_that_is_an_image_is_halved_with_its_image():
    own = settings(tile=tiles(401, 600), train={"epochs": 36, "crop": [128, 128]})
    scale, epochs = proposed(own, manifest(401, 600))
    assert scale.values == {
        "tile.scale": (1.0, 0.5),
        "tile.height": (401, 201),
        "tile.width": (600, 300),
        "tile.stride_y": (401, 201),
        "tile.stride_x": (600, 300),
        "train.crop": ([128, 128], [64, 64]),
    }
    # 200.5 rows are rounded to 200, which a tile of 201 holds: 200 * 300 of 401 * 600 pixels are predicted.
    assert scale.minutes == {"train": 10.0, "evaluate": pytest.approx(20 * 200 / 802)}
    assert "thin and small objects suffer first" in scale.loses
    assert (epochs.values, epochs.minutes) == ({"train.epochs": (36, 18)}, {"train": 20.0})


def test_of_a_large_image_fewer_tiles_are_cut():
    own = settings(tile=tiles(200, 300), train={"epochs": 36}, evaluate={"overlap": 0.0})
    scale, _ = proposed(own, manifest(400, 600))
    assert scale.values == {"tile.scale": (1.0, 0.5)}
    assert scale.minutes == {"train": 10.0, "evaluate": 5.0}


def test_images_are_not_made_smaller_than_networks_can_use():
    own = settings(tile=tiles(190, 300), train={"epochs": 36})
    assert [list(each.values) for each in proposed(own, manifest(190, 300))] == [["train.epochs"]]  # 95 rows


def test_what_evaluation_does_several_times_is_named_with_the_largest_saving_first():
    options = {"overlap": 0.5, "flip": True, "scales": [0.75, 1.0], "samples": 8}
    own = settings(tile=tiles(100, 150), evaluate=options, train={"epochs": 2}, model=SAMPLED)
    found = proposed(own, manifest(190, 300), train=1.0, evaluate=72.0)
    # 3 x 3 windows are 2 x 2 without overlap; 1.5625 times the pixels are 1 at one size.
    assert [(each.values, each.minutes) for each in found] == [
        ({"evaluate.samples": (8, 0)}, {"evaluate": 9.0}),
        ({"evaluate.overlap": (0.5, 0.0)}, {"evaluate": 32.0}),
        ({"evaluate.flip": (True, False)}, {"evaluate": 36.0}),
        ({"evaluate.scales": ([0.75, 1.0], [1.0])}, {"evaluate": pytest.approx(46.08)}),
    ]
    assert [each.loses for each in found] == [savings._CERTAIN, savings._SEAMS, savings._MIRROR, savings._ONE_SIZE]


def test_rarer_validation_is_named_where_it_saves_a_tenth():
    own = settings(train={"epochs": 36, "epochs_per_validation": 1})

    def minutes(changed, times):
        return {"train": 0.5 * changed.train.epochs + 20 / changed.train.epochs_per_validation}

    epochs, validation = sorted(savings.propose(own, manifest(96, 128), minutes), key=lambda each: each.loses)[::-1]
    assert (validation.values, validation.minutes) == (
        {"train.epochs_per_validation": (1, 5)},
        {"train": 22.0},
    )
    assert epochs.values == {"train.epochs": (36, 18)}


def test_values_that_would_be_refused_are_not_named():
    own = settings(train={"epochs": 2, "warmup_epochs": 1.5})
    assert proposed(own, manifest(96, 128)) == ()


@pytest.mark.parametrize(("train", "number"), [(9.0, 0), (9.1, 1)])
def test_ten_minutes_need_no_advice(train, number):
    own = settings(train={"epochs": 36})
    assert len(proposed(own, manifest(96, 128), train=train, evaluate=0.0)) == number  # and a minute for tile
