"""An exported ONNX file in another runtime than the one that `segnet export` checks it with."""

import openvino
import pytest
import torch

from pipeline.artifacts.model import read_model
from pipeline.core.fuse import fold
from pipeline.inference import export
from tests.support.tiny_model import SPEC, write_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model") / "segnet")


@pytest.fixture(scope="module")
def compiled(folder):
    report = export.export(folder, folder.parent / "segnet.onnx", format="onnx")
    core = openvino.Core()
    return core.compile_model(core.read_model(report.path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (2, 3, 32, 61), (3, 3, 97, 33)])
def test_openvino_finds_the_models_logits_at_any_size(compiled, folder, shape):
    images = torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 255
    with torch.inference_mode():
        expected = fold(read_model(folder)[1])(images)
    logits = torch.from_numpy(compiled(images.numpy())[0])
    assert logits.shape == (shape[0], len(SPEC.classes), *shape[2:])
    assert (logits - expected).abs().max() <= 1e-4 * max(1, expected.abs().max())
