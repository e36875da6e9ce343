import numpy as np
import pytest
import torch
from torch import nn
from toy_data import CLASSES, write_raw

from pipeline import evaluate
from pipeline.core.classes import ClassTable
from pipeline.files import images
from pipeline.files.checkpoint import Spec
from pipeline.predict import Predictor


class Column(nn.Module):
    """Predicts class 1 right of column 16."""

    def forward(self, x_N3HW):
        right = (torch.arange(x_N3HW.shape[3]) >= 16).float().expand(len(x_N3HW), 1, *x_N3HW.shape[2:])
        return torch.cat([1 - right, right], dim=1)


def predictor(classes=CLASSES):
    spec = Spec("segnet", 1.0, classes, "toy", tile_height=32, tile_width=32, scale=1.0, run="r")
    return Predictor(spec, Column(), overlap=0.5, batch_size=1)


@pytest.fixture
def raw(tmp_path):
    left = np.zeros((32, 32), np.uint8)  # class 0 everywhere, but for a void row
    left[0] = 2
    split = np.repeat([[0] * 12 + [1] * 20], 32, axis=0).astype(np.uint8)
    return write_raw(tmp_path / "raw", [(32, 32)] * 2, [left, split]), tmp_path / "raw"


def test_whole_test_images_are_counted_once_and_void_nowhere(raw, tmp_path):
    found = evaluate.run(predictor(), *raw, tmp_path / "overlays", num_overlays=0)
    # Image 1: 31 rows, 16 columns right, 16 wrong. Image 2: 12 columns of class 0 right, 4 of class 1 wrong, 16 right.
    assert found.confusion.tolist() == [[31 * 16 + 32 * 12, 31 * 16], [32 * 4, 32 * 16]]
    assert (found.images, found.run, found.dataset) == (2, "r", "toy")


def test_overlays_show_image_truth_and_prediction_side_by_side(raw, tmp_path):
    evaluate.run(predictor(), *raw, tmp_path / "overlays", num_overlays=5)
    assert sorted(path.name for path in (tmp_path / "overlays").iterdir()) == ["0.png", "1.png"]
    picture = images.read_image(tmp_path / "overlays" / "1.png")
    image = images.read_image(raw[1] / "images/test/1.png")
    assert np.array_equal(picture[:, :32], image)
    # Colours (1, 2, 3) and (4, 5, 6) at half strength on half the image.
    assert picture[5, 32 + 11].tolist() == (image[5, 11] // 2 + [0, 1, 1]).tolist()
    assert picture[5, 32 + 12].tolist() == (image[5, 12] // 2 + [2, 2, 3]).tolist()
    assert picture[5, 64 + 12].tolist() == (image[5, 12] // 2 + [0, 1, 1]).tolist()


def test_the_digest_names_the_test_images_and_no_others(raw):
    table = raw[0].images
    table["sha256"] = [f"image {i}" for i in range(len(table))]
    test = table[table["split"] == "test"]
    before = evaluate.digest(test)
    assert evaluate.digest(test.iloc[::-1]) == before
    assert evaluate.digest(test.assign(mask_sha256="other")) != before


def test_a_model_of_other_classes_is_refused(raw, tmp_path):
    other = ClassTable(("cat", "dog"), ((1, 2, 3), (4, 5, 6)), (0, 0, 0), None)
    with pytest.raises(ValueError, match=r"expected a model of the classes \('road', 'sky'\), got one of \('cat'"):
        evaluate.run(predictor(other), *raw, tmp_path / "overlays", num_overlays=0)
    assert not (tmp_path / "overlays").exists()
