import numpy as np
import pytest
import torch

from pipeline.artifacts.model import write_model
from pipeline.core.models import MODELS
from pipeline.inference import predict
from pipeline.inference.predict import PRECISIONS
from tests.support.tiny_networks import image, network, spec


@pytest.mark.parametrize("options", [{}, {"flip": True}, {"samples": 2}])
def test_a_model_predicts_in_the_precision_that_it_is_loaded_with(tmp_path, options):
    model, pixels = network("bayesian_segnet"), image(70, 90)
    write_model(tmp_path / "m", spec(network="bayesian_segnet"), model.state_dict())
    exact, rounded = (
        predict.load(tmp_path / "m", **predict.PLAIN | {"precision": precision} | options)
        for precision in ("float32", "bfloat16")
    )
    assert {each.dtype for each in rounded._model.parameters()} == {torch.bfloat16}
    found, expected = rounded.probabilities(pixels), exact.probabilities(pixels)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=0), 1, rtol=0, atol=1e-6)  # rounded to bfloat16, they would not be
    assert 0 < np.abs(found - expected).mean() < 0.05  # 0.03; other images differ by 0.3


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", MODELS)
def test_every_network_predicts_in_every_precision(name, precision, tmp_path):
    model, pixels = network(name), image(32, 48)
    write_model(tmp_path / "m", spec(network=name), model.state_dict())
    found = predict.load(tmp_path / "m", **predict.PLAIN | {"precision": precision}).probabilities(pixels)
    x_13HW = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        exact = model(x_13HW).softmax(dim=1)[0].numpy()
    assert np.abs(found - exact).mean() < (1e-5 if precision == "float32" else 0.1)  # 0.06; of other images 0.3
