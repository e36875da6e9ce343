"""ONNX files in int8, made and compared by real validation tiles."""

import dataclasses

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from pipeline.artifacts import model as models
from pipeline.artifacts.tileset import Tileset
from pipeline.cli import app
from pipeline.inference import export, quantize
from pipeline.inference.export import FORMATS
from tests.support.tiny_data import CLASSES, write_tiles
from tests.support.tiny_model import SPEC, write_model

TOY = dataclasses.replace(SPEC, classes=CLASSES, dataset="toy", tile_height=32, tile_width=32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a model and the tiles that it might have been trained with."""
    folder = tmp_path_factory.mktemp("trained")
    write_model(folder / "model", TOY)
    write_tiles(folder)
    return folder


@pytest.fixture(scope="module")
def exported(folder):
    float32 = export.export(folder / "model", folder / "float32.onnx", format="onnx")
    return float32.path, export.export(folder / "model", folder / "int8.onnx", format="onnx", tiles=folder / "tiles")


@pytest.mark.slow
def test_convolutions_compute_on_8_bit_integers(exported):
    import onnx

    float32, report = exported
    graph = onnx.load(report.path).graph
    kinds = {constant.name: constant.data_type for constant in graph.initializer}
    made = {node.output[0]: node for node in graph.node}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 26
    for convolution in convolutions:
        weights = made[convolution.input[1]]
        assert weights.op_type == made[convolution.input[0]].op_type == "DequantizeLinear"
        assert kinds[weights.input[0]] == onnx.TensorProto.INT8
    assert report.path.stat().st_size < 0.6 * float32.stat().st_size


@pytest.mark.slow
def test_it_takes_images_of_any_size_and_number_and_says_what_its_model_is(exported):
    import onnx

    _, report = exported
    network = FORMATS["onnx"].load(report.path)
    for number, size in ((1, (32, 32)), (3, (97, 33))):
        assert network(torch.zeros(number, 3, *size)).shape == (number, 2, *size)
    said = {entry.key: entry.value for entry in onnx.load(report.path).metadata_props}
    assert (said["network"], said["dataset"], said["run"]) == ('"segnet"', '"toy"', '"run-a"')


@pytest.mark.slow
def test_the_report_compares_it_with_the_model_on_all_validation_tiles(exported, folder):
    _, report = exported
    network, model = FORMATS["onnx"].load(report.path), FORMATS["onnx"].load(exported[0])
    tiles, same, pixels = Tileset(folder / "tiles", "val"), 0, 0
    for i in range(len(tiles)):
        image = torch.from_numpy(tiles[i][0].copy()).permute(2, 0, 1)[None].float()
        equal = network(image).argmax(1) == model(image).argmax(1)
        same, pixels = same + int(equal.sum()), pixels + equal.numel()
    assert report.agreement.tiles == len(tiles) == 9
    assert report.agreement.equal == pytest.approx(same / pixels, abs=1e-3)  # the model itself runs on other kernels
    assert 0.8 < report.agreement.equal < 1
    assert set(report.differences) == {(32, 32), (33, 47)}


def constant(index):
    """Return a network that predicts one class everywhere."""

    def network(images):
        logits = torch.zeros(len(images), 2, *images.shape[2:])
        logits[:, index] = 1
        return logits

    return network


def test_scores_are_those_of_the_pixels(folder):
    tiles = Tileset(folder / "tiles", "val")
    first, second, _void = tiles.pixels().sum(axis=0)
    # Class 0 everywhere: its IoU is its share of the labelled pixels, that of class 1 is 0.
    both = quantize.agreement(constant(0), constant(0), tiles)
    assert both.miou == both.of_the_model == pytest.approx(first / (first + second) / 2)
    assert both.equal == 1
    assert abs(first - second) / (first + second) / 2 < quantize._MOST_LOST  # so either may stand for the other
    assert quantize.agreement(constant(1), constant(0), tiles).equal == 0


@pytest.mark.slow
def test_a_file_that_loses_more_is_refused(folder, tmp_path, monkeypatch):
    spec, network = models.read_model(folder / "model")
    _, second, *_ = (each for each in network.modules() if isinstance(each, torch.nn.Conv2d))
    normalisation = next(each for each in network.modules() if isinstance(each, torch.nn.BatchNorm2d))
    with torch.no_grad():  # one channel is a billion times the others, whose range 8 bits must hold; nothing reads it
        normalisation.weight[0] = 1e9
        second.weight[:, 0] = 0
    models.write_model(tmp_path / "model", spec, network.state_dict())
    folded, pairs = export._folded(tmp_path / "model")[1], quantize._pairs

    def by_the_model(tiles, most):  # with the model's own predictions as masks
        return ((image, folded(image).argmax(1)[0]) for image, _ in pairs(tiles, most))

    monkeypatch.setattr(quantize, "_pairs", by_the_model)
    target = tmp_path / "target"
    target.write_bytes(b"old")
    with pytest.raises(
        ValueError,
        match=r"expected int8 to lose at most 0\.01 of mean IoU on 9 validation tiles, got 0\.\d{4} where the model "
        r"has 1\.0000; nothing was written: export to onnx",
    ):
        export.export(tmp_path / "model", target, format="onnx", tiles=folder / "tiles")
    assert target.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("changes", "got"),
    [
        ({"dataset": "other"}, r"of other at scale 1 with .*, got those of toy at 1 with"),
        ({"scale": 0.5}, r"of toy at scale 0\.5 with .*, got those of toy at 1 with"),
        ({"classes": SPEC.classes}, rf"\(Sky, .*\), got those of toy at 1 with {', '.join(CLASSES.names)}"),
    ],
)
def test_tiles_of_another_training_are_refused(folder, changes, got):
    with pytest.raises(ValueError, match=rf"expected tiles in .*{got}.*name the tiles that it was trained with"):
        quantize.tiles_of(folder / "tiles", dataclasses.replace(TOY, **changes))


def test_tiles_without_validation_are_refused(folder, monkeypatch):
    monkeypatch.setattr(Tileset, "__len__", lambda _: 0)
    with pytest.raises(ValueError, match=r"expected validation tiles in .*tiles, got none; run dvc repro tile"):
        quantize.tiles_of(folder / "tiles", TOY)


def test_pt2_in_int8_is_refused(folder, tmp_path):
    with pytest.raises(ValueError, match="expected the format onnx for a file in int8, got pt2; export to onnx"):
        export.export(folder / "model", tmp_path / "a.pt2", format="pt2", tiles=folder / "tiles")
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
def test_the_command_says_what_it_costs(folder, tmp_path):
    options = ["--format", "onnx", "--int8", "--model", str(folder / "model"), "--tiles", str(folder / "tiles")]
    result = CliRunner().invoke(app, ["export", str(tmp_path / "a.onnx"), *options])
    assert "int8, 9 validation tiles: mIoU 0." in result.output
    assert result.exit_code == 0


@pytest.mark.slow
def test_the_same_model_and_tiles_give_the_same_bytes(exported, folder, tmp_path):
    again = export.export(folder / "model", tmp_path / "again", format="onnx", tiles=folder / "tiles")
    assert np.array_equal(np.fromfile(again.path, np.uint8), np.fromfile(exported[1].path, np.uint8))
