import csv
import json
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

from pipeline.artifacts import scores as files
from pipeline.artifacts.scores import Scores
from tests.support.scored import INTERVALS, scores


def test_what_was_written_is_read(tmp_path):
    files.write(tmp_path, scores(), INTERVALS)
    result, expected = files.read(tmp_path), scores()
    for field in fields(Scores):
        value, other = getattr(result, field.name), getattr(expected, field.name)
        if isinstance(other, np.ndarray):
            assert np.array_equal(value, other)
            assert value.dtype == other.dtype
        elif field.name == "reliability":
            assert all(
                np.array_equal(getattr(value, k), getattr(other, k)) for k in ("pixels", "correct", "confidence")
            )
        else:
            assert value == other


def test_more_counts_than_32_bits_number_are_read_as_they_were_written(tmp_path, monkeypatch):
    few, many = tmp_path / "few", tmp_path / "many"
    files.write(few, scores(), INTERVALS)
    monkeypatch.setattr(files, "_LARGEST_OFFSET", 3)
    files.write(many, scores(), INTERVALS)
    assert (few / "images.parquet").read_bytes() != (many / "images.parquet").read_bytes()
    assert np.array_equal(files.read(many).counts, files.read(few).counts)
    assert np.array_equal(files.read(many).boundaries, files.read(few).boundaries)


def test_the_same_scores_are_the_same_bytes(tmp_path):
    written = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        files.write(tmp_path / name, scores(), INTERVALS)
        written.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert written[0] == written[1]


def test_the_json_holds_the_scores_and_null_for_an_absent_class(tmp_path):
    files.write(tmp_path, scores(), INTERVALS)
    tree = json.loads((tmp_path / "scores.json").read_text())
    assert (tree["images"], tree["counted_classes"]) == (2, 2)
    test = tree["test"]
    assert test["iou"] == {"road": 0.75, "sky": 0.8, "car": None}
    assert test["miou"] == pytest.approx(0.775)
    assert test["global_accuracy"] == 0.875
    assert json.loads((tmp_path / "intervals.json").read_text()) == {
        "level": 0.9,
        "method": "by hand",
        "test": {"miou": {"low": 0.5, "high": 0.75}, "iou": {"road": {"low": 0.25, "high": None}}},
    }


def test_the_readings_of_the_boundary_f1_stand_side_by_side():
    metrics = scores().metrics
    # Image 1 has road in its target, with 0.5; image 2 has sky, with 1.
    assert metrics["test/boundary_f1"] == pytest.approx((0.5 + 1) / 2)
    # The release also counts sky in image 1, with 0.
    assert metrics["test/boundary_f1_as_released"] == pytest.approx((0.5 / 2 + 1) / 2)
    assert metrics["test/boundary_f1_one_to_many"] == pytest.approx((2 * 0.75 * 0.5 / 1.25 + 1) / 2)
    assert metrics["test/boundary_f1/sky"] == 1
    # Of 8 pixels 2 are 0.25 sure and 0.5 right, 6 are 0.9 sure and 1 right.
    assert metrics["test/calibration_error"] == pytest.approx(2 / 8 * 0.25 + 6 / 8 * 0.1)


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_tables_are_long_as_plots_want_them(tmp_path):
    files.write(tmp_path, scores(), INTERVALS)
    confusion = rows(tmp_path / "confusion.csv")
    assert len(confusion) == 9
    assert confusion[1] == {"target": "road", "prediction": "sky", "pixels": "1", "share": "0.25"}
    assert confusion[8]["share"] == ""  # there is no car
    assert rows(tmp_path / "classes.csv")[0] == {
        "class": "road", "iou": "0.75", "accuracy": "0.75", "dice": str(6 / 7), "boundary_f1": "0.5"
    }  # fmt: skip


@pytest.mark.parametrize(
    "name", ['the "old" road', "road, paved", "a\nb", "a\r\nb", "a\rb", "=1+1", "[red]a[/]"], ids=repr
)
def test_class_names_come_back_exactly_from_tables_that_others_read(name, tmp_path):
    names = (name, "sky", "car")
    files.write(tmp_path, scores(names=names), INTERVALS)
    assert files.read(tmp_path).names == names
    with (tmp_path / "confusion.csv").open(newline="") as file:
        assert [row["target"] for row in csv.DictReader(file)] == [each for each in names for _ in names]
    assert pd.read_csv(tmp_path / "classes.csv")["class"].tolist() == list(names)
    assert pd.read_csv(tmp_path / "confusion.csv")["prediction"].tolist() == [*names] * 3


def test_missing_files_are_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"expected scores that the evaluate stage wrote.*run it again"):
        files.read(tmp_path)


def test_a_file_that_was_cut_off_is_an_error(tmp_path):
    files.write(tmp_path, scores(), INTERVALS)
    table = (tmp_path / "images.parquet").read_bytes()
    (tmp_path / "images.parquet").write_bytes(table[: len(table) // 2])
    with pytest.raises(ValueError, match=r"expected scores that the evaluate stage wrote.*run it again"):
        files.read(tmp_path)


def test_intervals_are_read_as_they_were_written(tmp_path):
    files.write(tmp_path, scores(), INTERVALS)
    intervals = files.read_intervals(tmp_path)
    assert (intervals.level, intervals.method, intervals.bounds["miou"]) == (0.9, "by hand", (0.5, 0.75))
    low, high = intervals.bounds["iou/road"]
    assert (low, high != high) == (0.25, True)
    (tmp_path / "intervals.json").write_text("[]")
    with pytest.raises(ValueError, match=r"expected intervals that the evaluate stage wrote: .*; run it again"):
        files.read_intervals(tmp_path)


@pytest.mark.parametrize(
    ("file", "text", "fault"),
    [
        ("scores.json", "[" * 100_000, "Invalid JSON: recursion limit exceeded"),
        ("scores.json", "{}", "'run'"),
        ("reliability.csv", "pixels,correct\n1,1\n", "'confidence'"),
        ("reliability.csv", "pixels,correct,confidence\none,1,0.5\n", "invalid literal"),
    ],
)
def test_a_broken_text_is_refused(tmp_path, file, text, fault):
    files.write(tmp_path, scores(), INTERVALS)
    (tmp_path / file).write_text(text)
    with pytest.raises(ValueError, match=f"expected scores that the evaluate stage wrote: .*{fault}.*; run it again"):
        files.read(tmp_path)


def test_counts_below_zero_are_refused(tmp_path):
    result = scores()
    files.write(tmp_path, replace(result, boundaries=result.boundaries - 1), INTERVALS)
    with pytest.raises(ValueError, match="expected counts of pixels, got -1; run it again"):
        files.read(tmp_path)


def test_scores_of_validation_images_say_so_and_come_back(tmp_path):
    files.write(tmp_path, scores(split="val"), INTERVALS)
    tree = json.loads((tmp_path / "scores.json").read_text())
    assert (tree["split"], tree["val"]["miou"], "test" in tree) == ("val", pytest.approx(0.775), False)
    assert files.read(tmp_path).split == "val"


def test_scores_of_a_program_that_knew_test_images_alone_are_theirs(tmp_path):
    files.write(tmp_path, scores(), INTERVALS)
    tree = json.loads((tmp_path / "scores.json").read_text())
    del tree["split"]
    (tmp_path / "scores.json").write_text(json.dumps(tree))
    assert files.read(tmp_path).split == "test"
