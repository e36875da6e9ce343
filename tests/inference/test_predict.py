import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pipeline.artifacts.model import write_model
from pipeline.core import tiles
from pipeline.files.images import resize_image
from pipeline.inference import predict
from pipeline.inference.predict import Band, Predictor
from tests.support.tiny_networks import Brightness, Place, Recorder, blended, image, network, predictor, spec

# Windows ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["segnet", "bayesian_segnet", "unet"])
def test_an_image_that_fits_a_window_is_predicted_as_by_the_plain_network(name):
    model, pixels = network(name), image(32, 48)
    probabilities = predictor(model).probabilities(pixels)
    with torch.inference_mode():
        expected = model(torch.from_numpy(np.stack([pixels])).permute(0, 3, 1, 2).float()).softmax(dim=1)[0]
    assert np.array_equal(probabilities, expected.numpy())


@pytest.mark.parametrize("size", [(1, 1), (20, 200), (33, 48), (100, 130)])
@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.9])
def test_windows_of_a_pixelwise_model_are_stitched_without_a_seam(size, overlap):
    pixels = image(*size)
    model = predictor(Brightness(), overlap=overlap)
    assert np.array_equal(model.mask(pixels), (pixels.astype(float).mean(axis=2) > 128).astype(np.uint8))
    probabilities = model.probabilities(pixels)
    assert probabilities.shape == (2, *size)
    assert probabilities.sum(axis=0) == pytest.approx(np.ones(size), abs=1e-5)


@pytest.mark.parametrize("size", [(33, 49), (64, 48), (32, 131), (101, 117)])
def test_windows_are_blended_as_by_whole_arrays(size):
    pixels = image(*size)
    windows = []
    for top, left in tiles.windows(size, (32, 48), (16, 24)):
        window = torch.from_numpy(pixels[top : top + 32, left : left + 48].copy()).permute(2, 0, 1)[None].double()
        windows.append(Place()(window).softmax(dim=1)[0].numpy())
    assert predictor(Place()).probabilities(pixels) == pytest.approx(blended(size, windows), abs=1e-6)


def test_a_loaded_model_has_its_batch_normalisation_folded(tmp_path):
    model = network("segnet")
    write_model(tmp_path / "model", spec(), model.state_dict())
    loaded = predict.load(tmp_path / "model", **predict.PLAIN)
    assert not [m for m in loaded._model.modules() if isinstance(m, torch.nn.BatchNorm2d)]


@pytest.mark.parametrize("options", [{}, {"flip": True}, {"samples": 2}])
def test_the_number_of_windows_in_a_batch_changes_no_bit(options):
    pixels = image(70, 90)  # 4 x 3 windows: batches of 5 leave two over
    one, five, all_ = (
        predictor(network("bayesian_segnet"), batch_size=n, **options).probabilities(pixels) for n in (1, 5, 12)
    )
    assert np.array_equal(one, five)
    assert np.array_equal(one, all_)


def test_bands_are_the_whole_rows_of_mask_and_probabilities_once_each():
    pixels, model = image(75, 60), predictor(Place())
    bands = list(model.bands(pixels))
    assert [(band.rows.start, band.rows.stop) for band in bands] == [(0, 16), (16, 32), (32, 43), (43, 75)]
    assert np.array_equal(np.concatenate([band.mask.numpy() for band in bands]), model.mask(pixels))
    assert np.array_equal(np.concatenate([b.probabilities.numpy() for b in bands], axis=1), model.probabilities(pixels))
    assert bands[0].mask.dtype == torch.uint8


def test_mask_and_uncertainty_cost_one_pass_of_each_window():
    model = Recorder(Place())
    for band in predictor(model).bands(image(75, 60)):
        assert band.mask.shape == band.uncertainty.shape == (band.rows.stop - band.rows.start, 60)
    assert len(torch.cat(model.seen)) == 4 * 2


def test_of_equally_likely_classes_the_first_is_taken():
    band = Band(0, torch.tensor([[[0.2, 0.4]], [[0.4, 0.2]], [[0.4, 0.4]]]), None)
    assert band.mask.tolist() == [[1, 0]]


# Scale ------------------------------------------------------------------------------------------------------------


def test_a_scaled_model_sees_a_smaller_image_and_answers_at_full_size():
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:, 48:] = 255
    model = Recorder(Brightness())
    mask = predictor(model, scale=0.5).mask(pixels)
    assert [tuple(logits.shape) for logits in model.seen] == [(1, 2, 32, 48)]
    assert mask.shape == (64, 96)
    assert not mask[:, :46].any()
    assert mask[:, 50:].all()


@pytest.mark.parametrize("size", [(1, 3), (61, 93), (131, 75), (97, 301)])
@pytest.mark.parametrize("scale", [0.5, 0.37])
def test_bands_of_a_scaled_model_are_the_whole_interpolated(size, scale):
    pixels = image(*size)
    scaled = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    small = torch.from_numpy(predictor(Place()).probabilities(resize_image(pixels, scaled)))
    expected = F.interpolate(small[None], size, mode="bilinear", align_corners=False)[0].numpy()
    probabilities = predictor(Place(), scale=scale).probabilities(pixels)
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-6)


# Flip -------------------------------------------------------------------------------------------------------------


def test_flip_changes_nothing_where_the_model_is_symmetric():
    pixels = image(40, 70)
    plain, averaged = (predictor(Brightness(), flip=flip).probabilities(pixels) for flip in (False, True))
    assert np.array_equal(plain, averaged)


def test_flip_averages_with_the_mirror_image():
    pixels, model = image(32, 48), network()
    mirror = pixels[:, ::-1]
    expected = (predictor(model).probabilities(pixels) + predictor(model).probabilities(mirror)[:, :, ::-1]) / 2
    assert not np.array_equal(expected, predictor(model).probabilities(pixels))
    np.testing.assert_allclose(predictor(model, flip=True).probabilities(pixels), expected, rtol=0, atol=1e-7)


def test_scales_average_with_the_resized_image():
    pixels, model = image(32, 48), network()
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        doubled = model(F.interpolate(x, size=(64, 96), mode="bilinear")).softmax(dim=1)
    large = F.interpolate(doubled, size=(32, 48), mode="bilinear", antialias=True)[0].numpy()
    expected = (predictor(model).probabilities(pixels) + large) / 2
    found = predictor(model, scales=(1.0, 2.0)).probabilities(pixels)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    assert np.abs(found - predictor(model).probabilities(pixels)).max() > 1e-3


# Loading ----------------------------------------------------------------------------------------------------------


def test_a_model_is_loaded_from_its_folder(tmp_path):
    model, pixels = network("bayesian_segnet"), image(40, 40)
    write_model(tmp_path / "m", spec(network="bayesian_segnet"), model.state_dict())
    loaded = predict.load(
        tmp_path / "m",
        overlap=0.25,
        batch_size=2,
        precision="float32",
        flip=True,
        scales=(1.0,),
        samples=3,
        seed=4,
    )
    assert loaded.spec == spec(network="bayesian_segnet")
    expected = predictor(model, overlap=0.25, flip=True, samples=3, seed=4).probabilities(pixels)
    np.testing.assert_allclose(loaded.probabilities(pixels), expected, rtol=0, atol=1e-4)  # normalisation is folded


@pytest.mark.slow
def test_a_pickled_predictor_predicts_the_same_bits_and_leaves_its_original_as_it_is(tmp_path):
    original, pixels = predictor(network("segnet"), overlap=0.5, flip=True), image(70, 90)
    expected = original.probabilities(pixels)
    path = tmp_path / "predictor"
    path.write_bytes(pickle.dumps(original))
    command = (
        "import pickle, sys; from pathlib import Path; import numpy as np; "
        "predictor = pickle.loads(Path(sys.argv[1]).read_bytes()); "
        "np.save(sys.argv[2], predictor.probabilities(np.load(sys.argv[3])))"
    )
    np.save(tmp_path / "image.npy", pixels)
    files = [tmp_path / name for name in ("predictor", "there.npy", "image.npy")]
    threads = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    subprocess.run([sys.executable, "-c", command, *files], check=True, env=threads)
    assert np.array_equal(np.load(tmp_path / "there.npy"), expected)
    assert np.array_equal(original.probabilities(pixels), expected)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
@pytest.mark.parametrize("ask", [Predictor.mask, Predictor.probabilities, lambda p, image: next(p.bands(image))])
def test_what_is_no_rgb_image_is_refused(wrong, ask):
    with pytest.raises(ValueError, match=r"expected an RGB image \(H, W, 3\) of uint8, got"):
        ask(predictor(Brightness()), wrong)


# Memory -----------------------------------------------------------------------------------------------------------

HUGE = """
import re, sys
from pathlib import Path

import numpy as np
from torch import nn

from pipeline.core.classes import CAMVID
from pipeline.artifacts.spec import Spec
from pipeline.inference.predict import Predictor


def megabytes():
    # Not getrusage's ru_maxrss, which a process takes over from the one that started it.
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024 / 1e6


scale, samples = float(sys.argv[1]), int(sys.argv[2])
model = nn.Sequential(nn.Dropout(0.5), nn.Conv2d(3, 11, 3, padding=1)).eval()
spec = Spec("none", 1.0, CAMVID, "huge", tile_height=512, tile_width=512, scale=scale, run="r")
predictor = Predictor(spec, model, overlap=0.1, batch_size=4, flip=False, scales=(1.0,), samples=samples, seed=1)
predictor.mask(np.zeros((600, 600, 3), np.uint8))
before = megabytes()
mask = predictor.mask(np.random.default_rng(0).integers(0, 256, (10_000, 8_000, 3), np.uint8))
assert mask.shape == (10_000, 8_000) and len(np.unique(mask)) > 1
print(megabytes() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
@pytest.mark.parametrize(("scale", "samples"), [(1.0, 0), (0.75, 1)])
def test_a_huge_image_takes_less_than_two_gib(scale, samples):
    command = [sys.executable, "-c", HUGE, str(scale), str(samples)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    megabytes = float(done.stdout)
    # The image, its mask and the rows under a window, alone, are 240 + 80 + 180 MB: less would not be believable.
    assert 400 < megabytes < 2 * 1024**3 / 1e6
