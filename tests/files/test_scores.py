import json

import numpy as np
import pytest

from pipeline.files import scores
from pipeline.files.scores import Scores

SCORES = Scores("abc", "toy", "f" * 64, 2, ("road", "sky", "car"), np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]]))


def test_what_was_written_is_read(tmp_path):
    scores.write(tmp_path, SCORES)
    found = scores.read(tmp_path)
    assert np.array_equal(found.confusion, SCORES.confusion)
    assert (found.run, found.dataset, found.test_data, found.images) == ("abc", "toy", "f" * 64, 2)
    assert found.names == SCORES.names


def test_the_json_holds_the_scores_and_null_for_an_absent_class(tmp_path):
    scores.write(tmp_path, SCORES)
    tree = json.loads((tmp_path / "scores.json").read_text())
    assert tree["test"]["iou"] == {"road": 0.75, "sky": 0.8, "car": None}
    assert tree["test"]["miou"] == pytest.approx(0.775)
    assert tree["test"]["global_accuracy"] == 0.875
    assert tree["counted_classes"] == 2


def test_missing_files_are_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"expected scores that the evaluate stage wrote.*run it again"):
        scores.read(tmp_path)


def test_a_table_that_is_not_square_is_an_error(tmp_path):
    scores.write(tmp_path, SCORES)
    (tmp_path / "confusion.csv").write_text("target,road,sky\nroad,1,2\n")
    with pytest.raises(ValueError, match="expected a 2 x 2 table"):
        scores.read(tmp_path)
