from dataclasses import replace

import numpy as np
import pytest

from pipeline.registry import standing
from pipeline.registry.standing import Standing
from tests.support import scored as examples
from tests.support.tiny_model import SPEC, write_model

OPTIONS = {"overlap": 0.5, "flip": False}
NEW, OLD = Standing("f-new", "run-new", "data-1", 0.5), Standing("f-old", "run-old", "data-1", 0.375)
HALF = (4, 4, 4)


def scores(correct, **changes):
    """Scores of an image with 8 pixels each of road, sky and tree: `correct` of each are right, the rest is car."""
    counts = np.zeros((1, 4, 4), np.int64)
    counts[0, :3, :3], counts[0, :3, 3] = np.diag(correct), 8 - np.array(correct)
    values = {"names": ("road", "sky", "tree", "car"), "ids": ("test/0",), "sequences": ("a",), "counts": counts}
    values |= {"test_data": "data-1", "boundaries": np.zeros((1, 4, 5), np.int64)}
    return examples.scores(**values | changes)


@pytest.mark.parametrize("miou", [0.1 + 0.2, float("nan")])
def test_a_standing_survives_as_tags(miou):
    tags = replace(NEW, miou=miou).tags()
    assert Standing.from_tags({**tags, "other": "x"}).tags() == tags


@pytest.mark.parametrize("broken", [{"test_data": "d"}, {**NEW.tags(), "test_miou": "good"}])
def test_a_version_without_its_tags_is_an_error(broken):
    with pytest.raises(ValueError, match=r"expected a version with the tags .* got .*; register it again"):
        Standing.from_tags(broken)


def test_nothing_is_known_of_an_unknown_model():
    assert Standing.unknown().tags() == {
        "fingerprint": "",
        "training_run": "unknown",
        "test_data": "",
        "test_miou": "nan",
    }


def test_a_model_is_known_by_its_files_and_how_it_predicts(tmp_path):
    folder, evaluated = write_model(tmp_path / "a"), scores(HALF, run=SPEC.run)
    first = standing.of(folder, evaluated, OPTIONS)
    assert (first.run, first.test_data, first.miou) == ("run-a", "data-1", 0.375)
    assert standing.of(folder, scores((4, 4, 0), run=SPEC.run), OPTIONS) == replace(first, miou=0.25)
    assert standing.fingerprint(folder, {"flip": False, "overlap": 0.5}) == first.fingerprint
    for changed in ({"overlap": 0.25}, {"flip": True}):
        assert standing.of(folder, evaluated, OPTIONS | changed).fingerprint != first.fingerprint
    other = write_model(tmp_path / "b", seed=1)
    assert standing.of(other, evaluated, OPTIONS).fingerprint != first.fingerprint


def test_a_standing_by_other_scores_is_the_same_models():
    assert standing.scored(OLD, scores(HALF, test_data="data-3")) == replace(OLD, test_data="data-3", miou=0.375)


def test_the_scores_of_another_model_are_refused(tmp_path):
    folder = write_model(tmp_path / "a")
    with pytest.raises(ValueError, match=r"scores of .*, run run-a, got those of run run-b; evaluate it again"):
        standing.of(folder, scores(HALF, run="run-b"), OPTIONS)
