import numpy as np
import pytest
import torch
from torch import nn

from pipeline import predict
from pipeline.core.classes import ClassTable
from pipeline.core.models import MODELS
from pipeline.files import checkpoint
from pipeline.files.checkpoint import Spec
from pipeline.predict import Predictor

CLASSES = ClassTable(("dark", "bright"), ((0, 0, 0), (255, 255, 255)), (1, 1, 1), None)


def spec(scale=1.0):
    return Spec("segnet", 1 / 16, CLASSES, "toy", tile_height=32, tile_width=48, scale=scale, run="r")


class Brightness(nn.Module):
    """Logits that depend on each pixel alone: bright above 128."""

    def forward(self, x_N3HW):
        grey = (x_N3HW.mean(dim=1, keepdim=True) - 128) / 10
        return torch.cat([-grey, grey], dim=1)


def image(height, width):
    return np.random.default_rng(2).integers(0, 256, (height, width, 3)).astype(np.uint8)


def test_an_image_that_fits_a_window_is_predicted_as_by_the_plain_network():
    torch.manual_seed(1)
    model = MODELS["segnet"](2, 1 / 16).eval()
    pixels = image(32, 48)
    found = Predictor(spec(), model, overlap=0.5, batch_size=4).probabilities(pixels)
    with torch.inference_mode():
        x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float().contiguous(memory_format=torch.channels_last)
        expected = model(x).softmax(dim=1)[0]
    assert np.array_equal(found, expected.numpy())


@pytest.mark.parametrize("size", [(1, 1), (20, 200), (33, 48), (100, 130)])
@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.9])
def test_windows_of_a_pixelwise_model_are_stitched_without_a_seam(size, overlap):
    pixels = image(*size)
    predictor = Predictor(spec(), Brightness(), overlap=overlap, batch_size=3)
    assert np.array_equal(predictor.mask(pixels), (pixels.astype(float).mean(axis=2) > 128).astype(np.uint8))
    found = predictor.probabilities(pixels)
    assert found.shape == (2, *size)
    assert found.sum(axis=0) == pytest.approx(np.ones(size), abs=1e-5)


def test_the_number_of_windows_in_a_batch_changes_nothing():
    torch.manual_seed(1)
    model = MODELS["segnet"](2, 1 / 16).eval()
    one, many = (Predictor(spec(), model, overlap=0.5, batch_size=n).probabilities(image(70, 90)) for n in (1, 8))
    assert one == pytest.approx(many, abs=1e-5)


def test_a_scaled_model_sees_a_smaller_image_and_answers_at_full_size():
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:, 48:] = 255
    seen = []

    class Watch(Brightness):
        def forward(self, x_N3HW):
            seen.append(tuple(x_N3HW.shape))
            return super().forward(x_N3HW)

    mask = Predictor(spec(scale=0.5), Watch(), overlap=0.5, batch_size=1).mask(pixels)
    assert seen == [(1, 3, 32, 48)]
    assert mask.shape == (64, 96)
    assert not mask[:, :46].any()
    assert mask[:, 50:].all()


def test_a_model_is_loaded_from_its_folder(tmp_path):
    torch.manual_seed(1)
    checkpoint.write_model(tmp_path / "m", spec(), MODELS["segnet"](2, 1 / 16).state_dict())
    predictor = predict.load(tmp_path / "m")
    assert predictor.spec == spec()
    assert predictor.mask(image(40, 40)).shape == (40, 40)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_what_is_no_rgb_image_is_refused(wrong):
    with pytest.raises(ValueError, match=r"expected an RGB image \(H, W, 3\) of uint8, got"):
        Predictor(spec(), Brightness(), overlap=0.5, batch_size=1).mask(wrong)
