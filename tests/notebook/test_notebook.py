import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import pipeline
from pipeline.artifacts import scores as evaluated
from pipeline.inference import predict as inference
from tests.support import ROOT, scored, tiny_model
from tests.support.tiny_version import OPTIONS, registered

PUBLIC = ["draw_overlay", "load_predictor", "predict", "read_image", "read_scores"]
NOTEBOOK = ROOT / "docs/predict.ipynb"
VOID = tiny_model.SPEC.classes.void


@pytest.fixture
def tree(tmp_path):
    """What the stages leave in a repository, with one image; it keeps its format."""
    tiny_model.write_model(tmp_path / "models/segnet")
    pixels = np.random.default_rng(0).integers(0, 256, (40, 70, 3), dtype=np.uint8)
    for folder in ("data/raw/images/test", "reports", "docs"):
        (tmp_path / folder).mkdir(parents=True)
    Image.fromarray(pixels).save(tmp_path / "data/raw/images/test/a.jpg")
    names = tiny_model.SPEC.classes.names
    counts = np.tile(np.eye(len(names), dtype=np.int64), (2, 1, 1))
    boundaries = np.zeros((2, len(names), 5), np.int64)
    evaluated.write(
        tmp_path / "reports", scored.scores(names=names, counts=counts, boundaries=boundaries), scored.INTERVALS
    )
    return tmp_path


def cells():
    return [
        "".join(cell["source"]) for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"
    ]


@pytest.mark.slow
def test_the_example_notebook_runs(tree):
    program = "\n".join([*cells(), "assert mask.shape == image.shape[:2] == (40, 70)", "print(scores['share'].sum())"])
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tree / "docs", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(1)


def test_the_example_notebook_holds_no_outputs_and_uses_every_function():
    written = json.loads(NOTEBOOK.read_text())
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in written["cells"])
    assert all(f"{name}(" in "\n".join(cells()) for name in PUBLIC)


def test_five_functions_are_public_and_imported_when_they_are_used():
    assert pipeline.__all__ == PUBLIC
    assert all(getattr(pipeline, name).__doc__ for name in PUBLIC)
    with pytest.raises(AttributeError, match="has no attribute 'train_model'; it offers draw_overlay, load_predictor"):
        _ = pipeline.train_model
    program = "import sys, pipeline; sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'mlflow')))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


def test_what_a_registered_model_brought_says_that_it_is_not_the_whole_package(tmp_path):
    (tmp_path / "pipeline").mkdir()
    shutil.copy(ROOT / "pipeline/__init__.py", tmp_path / "pipeline")
    program = "import sys; sys.path.insert(0, '.'); from pipeline import predict"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False, capture_output=True, text=True)
    expected = f"got {tmp_path}/pipeline, what a registered model brought of it; import predict before MLflow loads"
    assert f"ImportError: expected the whole package pipeline, {expected} the model\n" in done.stderr


def test_a_mask_is_the_predictors_and_is_laid_over_the_image(tree):
    predictor = pipeline.load_predictor(tree / "models/segnet")
    image = pipeline.read_image(str(tree / "data/raw/images/test/a.jpg"))
    mask = pipeline.predict(predictor, image)
    assert np.array_equal(mask, predictor.mask(image))
    drawn = pipeline.draw_overlay(image, mask, predictor.spec.classes)
    red, green, blue = predictor.spec.classes.colours[mask[3, 5]]
    assert drawn[3, 5].tolist() == [
        part // 2 + own // 2 for part, own in zip(image[3, 5], (red, green, blue), strict=True)
    ]
    with pytest.raises(ValueError, match=r"expected a mask of the image's size \(40, 70\), got \(9, 70\)"):
        pipeline.draw_overlay(image, mask[:9], predictor.spec.classes)


@pytest.mark.parametrize(
    ("image", "got"),
    [
        (np.zeros((4, 5, 3)), r"\(4, 5, 3\) of float64"),
        (np.zeros((4, 5), np.uint8), r"\(4, 5\) of uint8"),
        (np.zeros((4, 5, 4), np.uint8), r"\(4, 5, 4\) of uint8"),
        (np.zeros((0, 5, 3), np.uint8), r"\(0, 5, 3\) of uint8"),
        (np.zeros((2, 4, 5, 3), np.uint8), r"\(2, 4, 5, 3\) of uint8"),
        (Image.new("RGB", (5, 4)), "a Image"),
        ([[[1, 2, 3]]], "a list"),
    ],
)
def test_what_is_no_image_is_refused(tree, image, got):
    expected = rf"expected an RGB image \(H, W, 3\) of uint8 in 0\.\.255, got {got}; read_image returns one"
    with pytest.raises(ValueError, match=expected):
        pipeline.predict(pipeline.load_predictor(tree / "models/segnet"), image)
    with pytest.raises(ValueError, match=expected):
        pipeline.draw_overlay(image, np.zeros((4, 5), np.uint8), tiny_model.SPEC.classes)


@pytest.mark.parametrize(
    ("mask", "refusal"),
    [
        (np.zeros((4, 5), bool), r"a mask \(H, W\) of integers, got \(4, 5\) of bool; predict returns one"),
        (np.zeros((4, 5)), r"a mask \(H, W\) of integers, got \(4, 5\) of float64"),
        (np.zeros((4, 5, 1), np.uint8), r"a mask \(H, W\) of integers, got \(4, 5, 1\) of uint8"),
        ([[1]], r"a mask \(H, W\) of integers, got a list"),
        (
            np.full((4, 5), VOID + 1),
            f"a mask of 0 to {VOID - 1}, or {VOID} for void, got {VOID + 1}; number the classes",
        ),
        (np.full((4, 5), -1), f"a mask of 0 to {VOID - 1}, or {VOID} for void, got -1; number the classes"),
    ],
)
def test_what_is_no_mask_of_the_classes_is_refused(mask, refusal):
    with pytest.raises(ValueError, match=f"expected {refusal}"):
        pipeline.draw_overlay(np.zeros((4, 5, 3), np.uint8), mask, tiny_model.SPEC.classes)


def test_void_is_drawn_and_any_integers_may_be_a_mask():
    drawn = pipeline.draw_overlay(np.zeros((4, 5, 3), np.uint8), np.full((4, 5), VOID), tiny_model.SPEC.classes)
    assert (drawn == np.array(tiny_model.SPEC.classes.void_colour, np.uint8) // 2).all()


def test_scores_are_a_table_of_the_classes(tree, tmp_path):
    table = pipeline.read_scores(tree / "reports")
    assert list(table.index) == list(tiny_model.SPEC.classes.names)
    assert table["iou"].tolist() == [1.0] * len(table)
    assert table["boundary_f1"].isna().all()
    for content in (None, "", "a,b\n1,2\n", "class,iou\nroad,high\n"):
        if content is not None:
            (tmp_path / "classes.csv").write_text(content)
        with pytest.raises(ValueError, match=r"classes\.csv: expected the scores that the evaluate stage wrote"):
            pipeline.read_scores(tmp_path)


@pytest.mark.slow
def test_a_registered_model_predicts_with_the_options_it_was_registered_with(tree, mlflow_store):
    folder = tree / "models/segnet"
    image = pipeline.read_image(tree / "data/raw/images/test/a.jpg")
    with registered("segnet-noted", folder, mlflow_store) as address:
        mask = pipeline.predict(pipeline.load_predictor(address), image)
    assert np.array_equal(mask, inference.load(folder, **inference.PLAIN | OPTIONS).mask(image))
    assert not np.array_equal(mask, pipeline.load_predictor(folder).mask(image))  # a folder has none
