"""The measured costs of networks whose costs are worked out by hand."""

import json
import re
from dataclasses import replace

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.cli.compare import table
from pipeline.inference import compare
from pipeline.inference.compare import Cost, Setting, Subject

SMALL = Setting(height=40, width=48, channels=1.0, repeats=1, device="cpu")
MEGABYTE = 1_000_000


class Toy(nn.Module):
    """One convolution that briefly allocates 80 MB in inference."""

    def __init__(self, num_classes, width):
        super().__init__()
        self.convolution = nn.Conv2d(3, num_classes, 3, padding=1)

    def forward(self, x):
        if not self.training and x.device.type == "cpu":
            torch.ones(20 * MEGABYTE).sum()
        return self.convolution(x)


def as_it_is(model):
    return model


TOY = Subject(Toy, as_it_is, torch.contiguous_format)


@pytest.fixture(scope="module")
def toy():
    return dict(compare.run({"toy": TOY}, SMALL))["toy"]


def test_parameters_size_and_multiplications_are_those_of_the_layers(toy):
    assert toy.parameters == 11 * 3 * 9 + 11
    assert toy.model_mb == pytest.approx(4 * 308 / MEGABYTE)
    assert toy.gmacs == pytest.approx(11 * 3 * 9 * 40 * 48 / 1e9)


def test_peak_memory_is_what_lives_at_once_above_the_model(toy):
    assert toy.inference_mb == pytest.approx(80, abs=8)
    assert toy.training_mb < 40


class OnGpus(Toy):
    def forward(self, x):
        assert not torch.backends.cudnn.allow_tf32  # PyTorch's default is to round convolutions' factors
        return super().forward(x)


def test_convolutions_are_measured_as_prediction_computes_them_and_like_the_product_of_matrices():
    assert torch.backends.cudnn.allow_tf32
    compare.measure(Subject(OnGpus, as_it_is, torch.contiguous_format), SMALL)


def test_times_and_rate_are_measured(toy):
    assert toy.forward_ms > 0
    assert toy.backward_ms > 0
    assert 0 < toy.matrix_share < 1.5


@pytest.mark.slow
def test_indices_are_a_quarter_of_a_byte_for_each_pooled_value():
    cost = dict(compare.run({"segnet_basic": compare.subject("segnet_basic")}, Setting(32, 32, 0.125, 1, "cpu")))
    pooled = 8 * (16 * 16 + 8 * 8 + 4 * 4 + 2 * 2)  # 64 / 8 channels at four levels
    assert cost["segnet_basic"].index_bytes == pooled // 4


def cost(**values):
    fields = dict.fromkeys(Cost.__dataclass_fields__, 0.0)
    return Cost(**{**fields, "parameters": 1_416_587, **values})


PAPERS = Setting(360, 480, 1.0, 1, "cpu")


def test_the_papers_figures_stand_in_brackets():
    rows = table({"segnet_basic": cost(forward_ms=80.4), "unet": cost(forward_ms=9.6)}, PAPERS).splitlines()
    assert "| 1.417 [1.425] |" in rows[2]
    assert "| 80 [52.6] |" in rows[2]
    assert "| 10 |" in rows[3]


def test_what_was_not_measured_says_so():
    assert "| not measured [1052] |" in table({"segnet": cost(inference_mb=float("nan"))}, PAPERS)


@pytest.mark.parametrize("other", [{"height": 180}, {"width": 240}, {"channels": 0.25}])
def test_at_another_size_they_would_compare_nothing(other):
    assert "[" not in table({"segnet_basic": cost()}, replace(PAPERS, **other))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (Setting(31, 64, 1.0, 1, "cpu"), "expected images of at least 32x32, channels in (0, 4] and repeats >= 1, got"),
        (Setting(64, 64, 0.0, 1, "cpu"), "expected images of at least 32x32, channels in (0, 4]"),
        (Setting(64, 64, float("nan"), 1, "cpu"), "expected images of at least 32x32, channels in (0, 4]"),
        (Setting(64, 64, 1.0, 1, "tpu"), "expected cpu or cuda as device, got tpu; correct it"),
        (Setting(64, 64, 1.0, 0, "cpu"), "repeats >= 1, got"),
    ],
)
def test_a_setting_that_cannot_be_measured_is_refused(setting, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        next(compare.run({"toy": TOY}, setting))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="expected a GPU for device cuda, got none; choose cpu"):
        next(compare.run({"toy": TOY}, Setting(64, 64, 1.0, 1, "cuda")))


def test_an_unknown_network_is_refused():
    with pytest.raises(ValueError, match=r"expected one of segnet, .*, got segent"):
        compare.subject("segent")


SIZE = ["--height", "32", "--width", "32", "--channels", "0.0625", "--repeats", "1"]


@pytest.mark.slow
def test_the_command_prints_a_table():
    result = CliRunner().invoke(app, ["compare", "unet", *SIZE])
    assert result.exit_code == 0, result.output
    assert [line.split(" |")[0] for line in result.stdout.splitlines()[2:]] == ["| unet"]


@pytest.mark.slow
def test_the_command_prints_json_and_nothing_else():
    result = CliRunner().invoke(app, ["compare", "segnet", "unet", *SIZE, "--json"])
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert list(printed["networks"]) == ["segnet", "unet"]
    assert printed["machine"]["torch"] == torch.__version__
