"""What sections of params.yaml must have in common."""

import re

import pytest
from torch import nn

from pipeline.core.models import MODELS
from pipeline.params.model import SAMPLED
from tests.params.test_params import FOLDER, TEXT, load, refusal

WEIGHTS = re.compile("class_weights: .*")


@pytest.mark.parametrize(
    ("text", "weights", "line"),
    [
        (
            TEXT,
            [1.0, 2.0],
            "\n  train.class_weights: expected 11 weights, one for each class of scenes, got 2; list them",
        ),
        (
            TEXT,
            [],
            "\n  train: expected a class weight above 0 in class_weights, got []: nothing would be learnt; list",
        ),
        (TEXT, [0.0] * 11, "\n  train: expected a class weight above 0 in class_weights, got [0.0, 0.0, "),
        (
            FOLDER,
            [1, 2, 3, 4],
            "\n  train.class_weights: expected 3 weights, one for each class of folder, got 4; list",
        ),
    ],
)
def test_a_list_of_class_weights_fits_the_classes(tmp_path, text, weights, line):
    assert line in refusal(tmp_path, WEIGHTS.sub(f"class_weights: {weights}", text))


def test_a_list_of_class_weights_is_kept_in_order(tmp_path):
    loaded = load(tmp_path, WEIGHTS.sub(f"class_weights: {[1, 0.5, 0, *range(8)]}", TEXT))
    assert loaded.train.class_weights == (1.0, 0.5, 0.0, *range(8))


def test_a_weight_is_listed_for_each_name_that_is_not_ignored(tmp_path):
    merged = FOLDER.replace("name: weed", "name: crop")  # two of four rows, and another is ignored
    assert load(tmp_path, WEIGHTS.sub("class_weights: [0, 2]", merged)).train.class_weights == (0, 2)


def test_only_networks_with_dropout_of_their_own_are_sampled(tmp_path):
    sampled = TEXT.replace("samples: 0", "samples: 3")
    line = (
        "\n  evaluate.samples: expected 0 for segnet, which has no dropout of its own to sample, got 3; set it to 0, "
        "or choose a network that has (model.name: bayesian_segnet)"
    )
    assert line in refusal(tmp_path, sampled)
    assert line in refusal(tmp_path, sampled.replace("dropout: 0.0", "dropout: 0.5"))
    assert load(tmp_path, sampled.replace("name: segnet\n", "name: bayesian_segnet\n")).evaluate.samples == 3


def test_the_networks_that_can_be_sampled_are_those_that_have_dropout():
    layers = {name: make(2, 0.1).modules() for name, make in MODELS.items()}
    assert set(SAMPLED) == {name for name, own in layers.items() if any(isinstance(each, nn.Dropout) for each in own)}
