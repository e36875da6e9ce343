"""What a request may ask of the served model, and what it does to the requests of others."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from PIL import Image

from pipeline.files.images import encode_png, read_mask
from pipeline.inference import predict, served_model
from tests.support.tiny_version import OPTIONS, PICTURE


@pytest.fixture
def served(folder):
    """The model without MLflow around it."""
    model = served_model.ServedModel()
    model.load_context(SimpleNamespace(artifacts={"model": folder}, model_config={"serving": OPTIONS}))
    return model


def header(width, height):
    """A PNG that is cut off after its header: who decodes it, fails with another message."""
    buffer = io.BytesIO()
    Image.new("1", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()[:60]


def answer(served, *values, **params):
    return served.predict(None, pd.DataFrame({"image": list(values)}), params)


WHOLE = header(4096, 4096)


@pytest.mark.parametrize(
    ("values", "params", "most", "got"),
    [
        ([WHOLE] * 12, {}, "16,777,216", "201,326,592 in 12"),
        ([WHOLE, header(32, 32)], {}, "16,777,216", "16,778,240 in 2"),
        ([header(1000, 800)] * 2, {"probabilities": True}, "1,525,201", "1,600,000 in 2"),  # of eleven classes
        ([np.zeros((2048, 4096, 3), np.uint8)] * 3, {}, "16,777,216", "25,165,824 in 3"),
        ([header(1, 1)] * 16_385, {}, "16,777,216", "16,778,240 in 16385"),  # each is computed as 32 x 32
        ([header(600_000, 1)], {}, "16,777,216", "19,200,000 in 1"),
    ],
    ids=["twelve", "one too many", "probabilities", "arrays", "tiny", "thin"],
)
def test_a_request_of_too_many_pixels_is_refused_before_any_is_decoded(served, values, params, most, got):
    reason = (
        rf"expected at most {most} pixels in all images of a request, got {got} \(a side shorter than 32 counts "
        r"as 32\); send them in several requests, or call segnet predict"
    )
    with pytest.raises(MlflowException, match=reason) as caught:
        answer(served, *values, **params)
    assert caught.value.get_http_status_code() == 400


def test_as_many_pixels_as_are_allowed_are_answered(served, monkeypatch):
    half = np.zeros((32, 64, 3), np.uint8)
    monkeypatch.setattr(served_model, "MAX_PIXELS", 2 * 32 * 64)
    assert len(answer(served, half, encode_png(half))) == 2
    monkeypatch.setattr(served_model, "MAX_PIXELS", 2 * 32 * 64 - 1)
    with pytest.raises(MlflowException, match="expected at most 4,095 pixels in all images of a request, got 4,096"):
        answer(served, half, encode_png(half))


class Slow:
    """A predictor that takes as long as the test says for each band of an image of more than 200 rows."""

    def __init__(self, predictor):
        self.spec, self._predictor = predictor.spec, predictor
        self.begun, self.go_on = threading.Semaphore(0), threading.Semaphore(0)

    def bands(self, image):
        for band in self._predictor.bands(image):
            if len(image) > 200:
                self.begun.release()
                assert self.go_on.acquire(timeout=30)
            yield band


@pytest.mark.parametrize("images", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_a_small_request_waits_for_a_band_of_a_large_one_and_not_for_all_of_it(served, folder, images):
    slow = served._predictor = Slow(predict.load(folder, **predict.PLAIN | OPTIONS))
    large = [np.zeros((201, 32, 3), np.uint8)] * images
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(answer, served, *large)
        assert slow.begun.acquire(timeout=30)  # it is computing its first band
        second = threads.submit(answer, served, PICTURE)
        for _ in range(1000):
            if len(served._turn._queue) == 2:  # the small one has asked
                break
            threading.Event().wait(0.005)
        num_bands = 0
        while not second.done():
            slow.go_on.release()
            num_bands += 1
            assert slow.begun.acquire(timeout=30)
            threading.Event().wait(0.05)
        assert not first.done()
        slow.go_on.release(1000)
        assert len(first.result(30)) == images
    # PICTURE has two bands, and a turn in which its end is found; the large image's 201 rows are nine bands.
    assert num_bands <= 5
    np.testing.assert_array_equal(
        read_mask(second.result()["mask"][0]), predict.load(folder, **predict.PLAIN | OPTIONS).mask(PICTURE)
    )
