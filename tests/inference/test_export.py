import dataclasses
import json
import sys

import pytest
import torch

from pipeline.artifacts import model as models
from pipeline.core.fuse import fold
from pipeline.core.models import MODELS
from pipeline.inference import export
from pipeline.inference.export import FORMATS
from tests.support.tiny_model import SPEC, write_model

TOLERANCES = {"pt2": 1e-5, "onnx": 1e-4}
# Height and width, odd and even, of images that no export tries: the smallest, and one that every pooling rounds up.
SIZES = [(32, 32), (32, 61), (97, 33), (65, 48)]
TILE = (SPEC.tile_height, SPEC.tile_width)


def eager(folder):
    return fold(models.read_model(folder)[1])


def assert_same_logits(path, format, model, sizes=SIZES):
    """The file alone agrees with the model, for every batch size and memory layout."""
    network = FORMATS[format].load(path)
    generator = torch.Generator().manual_seed(99)
    for num, size in enumerate(sizes, start=1):
        x = torch.rand(num, 3, *size, generator=generator) * 255
        for layout in (torch.contiguous_format, torch.channels_last):
            with torch.inference_mode():
                logits, expected = network(x.contiguous(memory_format=layout)), model(x)
            assert logits.shape == (num, len(SPEC.classes), *size)
            assert (logits - expected).abs().max() <= TOLERANCES[format] * max(1, expected.abs().max())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model") / "segnet")


@pytest.fixture(scope="module", params=["onnx", pytest.param("pt2", marks=pytest.mark.slow)])
def exported(request, folder, tmp_path_factory):
    """An exported SegNet, which replaced another file: its format and its report."""
    target = tmp_path_factory.mktemp("exported") / f"segnet.{request.param}"
    target.write_bytes(b"old")
    return request.param, export.export(folder, target, format=request.param)


def test_a_file_takes_images_of_any_size_and_number(exported, folder):
    format, report = exported
    assert_same_logits(report.path, format, eager(folder))


def test_what_was_there_is_replaced_and_nothing_else_is_left(exported):
    _, report = exported
    assert [path.name for path in report.path.parent.iterdir()] == [report.path.name]
    assert report.path.stat().st_size > 100_000


def test_the_report_has_the_differences_at_the_tiles_size_and_at_an_odd_one(exported):
    format, report = exported
    assert set(report.differences) == {TILE, (33, 47)}
    assert all(0 <= difference <= TOLERANCES[format] for difference in report.differences.values())
    if format == "onnx":  # other kernels round differently: this very file was run
        assert all(report.differences.values())


def metadata(path, format):
    if format == "onnx":
        import onnx

        return {entry.key: json.loads(entry.value) for entry in onnx.load(path).metadata_props}
    files = {"model.json": ""}
    with path.open("rb") as stream:
        torch.export.load(stream, extra_files=files)
    return json.loads(files["model.json"])


def test_a_file_says_what_its_model_is(exported):
    format, report = exported
    description = metadata(report.path, format)
    assert description["classes"]["names"] == list(SPEC.classes.names)
    assert (description["network"], description["width"], description["scale"], description["run"]) == (
        "segnet",
        0.0625,
        1.0,
        "run-a",
    )
    assert (description["tile_height"], description["tile_width"], description["dataset"]) == (32, 64, "scenes")
    assert description["input"] == "RGB images (N, 3, H, W), float32, 0..255, H and W >= 32"


def test_a_file_names_no_folder_of_this_machine(exported, folder):
    content = exported[1].path.read_bytes()
    assert b"pipeline" in content  # the names of the network's classes; so the search would find a path
    for place in (export.__file__, torch.__file__, str(folder)):
        assert place.rpartition("/")[0].encode() not in content


@pytest.mark.parametrize("exported", ["onnx"], indirect=True)
def test_onnx_names_its_input_and_the_axes_that_may_vary(exported):
    import onnx

    graph = onnx.load(exported[1].path).graph
    (image,), (logits,) = graph.input, graph.output
    axes = [dim.dim_param or dim.dim_value for dim in image.type.tensor_type.shape.dim]
    assert (image.name, axes, logits.name) == ("image", ["N", 3, "H", "W"], "logits")


# Variants have the operations of the networks that they vary, some of them fewer.
VARIANTS = ("bayesian_segnet_basic", "segnet_basic_encoder_addition", "fcn_basic_no_", "fcn_fixed")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MODELS if not name.startswith(VARIANTS)])
def test_every_network_can_be_exported(name, tmp_path):
    format = "onnx"  # which is made of what pt2 holds
    spec = dataclasses.replace(SPEC, network=name)
    torch.manual_seed(0)
    models.write_model(tmp_path / "model", spec, MODELS[name](len(spec.classes), spec.width).state_dict())
    report = export.export(tmp_path / "model", tmp_path / name, format=format)
    assert_same_logits(report.path, format, eager(tmp_path / "model"))


@pytest.mark.slow
def test_the_same_model_gives_the_same_bytes(exported, folder, tmp_path):
    format, report = exported
    again = export.export(folder, tmp_path / "again", format=format)
    assert again.path.read_bytes() == report.path.read_bytes()


# Refusals ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def target(tmp_path):
    """A file to export to, with content to lose."""
    path = tmp_path / "target"
    path.write_bytes(b"old")
    return path


def assert_nothing_happened(target):
    assert {path.name: path.read_bytes() for path in target.parent.iterdir()} == {"target": b"old"}


@pytest.fixture
def with_fault(monkeypatch, folder):
    """Make pt2 a format whose logits, for images of one size, are off by a fraction of the largest."""
    model = eager(folder).to(memory_format=torch.contiguous_format)

    def install(fault, size):
        def network(x):
            logits = model(x)
            off = fault * logits.abs().max() if tuple(x.shape[2:]) == size else 0
            return logits + off

        monkeypatch.setattr(export, "_captured", lambda _: None)
        kind = dataclasses.replace(
            FORMATS["pt2"], write=lambda path, *_: path.write_text("new"), load=lambda _: network
        )
        monkeypatch.setitem(FORMATS, "pt2", kind)

    return install


@pytest.mark.parametrize("size", [TILE, (33, 47)])
@pytest.mark.parametrize("fault", [2e-5, float("nan")])
def test_logits_too_far_from_the_models_are_refused(with_fault, folder, target, size, fault):
    with_fault(fault, size)
    wanted = rf"expected .* within 1e-05 of the model's, got (2\S*e-05|nan) at {size[0]} x {size[1]}, .*; nothing was"
    with pytest.raises(ValueError, match=wanted):
        export.export(folder, target, format="pt2")
    assert_nothing_happened(target)


def test_logits_that_are_near_enough_are_not(with_fault, folder, target):
    with_fault(5e-6, TILE)
    report = export.export(folder, target, format="pt2")
    assert report.differences == {(33, 47): 0, TILE: pytest.approx(5e-6, rel=0.2)}
    assert target.read_text() == "new"


def test_where_the_model_depends_on_rounding_other_kernels_may_differ_as_much():
    def model(x):  # in another memory layout it differs from itself by 0.02
        return torch.ones(2) if x.is_contiguous() else torch.tensor([1, 1.02])

    def check(off, **options):
        return export._check(lambda _: torch.tensor([1 + off, 1]), model, (32, 32), 1e-4, **options)

    assert check(0.03, other_kernels=True) == pytest.approx(0.03)
    with pytest.raises(ValueError, match=r"within 0\.0001 of the model's, got 0\.05 at 32 x 32"):
        check(0.05, other_kernels=True)
    with pytest.raises(ValueError, match=r"within 0\.0001 of the model's, got 0\.03 at 32 x 32"):
        check(0.03)


def test_one_image_where_the_logits_agree_is_enough():
    off = iter([0.5, 0.5, 0.25, 5e-5])
    difference = export._check(lambda _: torch.ones(2) + next(off), lambda _: torch.ones(2), (32, 32), 1e-4)
    assert difference == pytest.approx(5e-5, rel=1e-2)


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_onnx_without_its_packages_says_what_to_install(monkeypatch, folder, target, package):
    monkeypatch.setitem(sys.modules, package, None)
    wanted = rf"expected onnx, .* got no {package} .*; run pip install -e '\.\[onnx\]' in .*, or export to pt2"
    with pytest.raises(ValueError, match=wanted):
        export.export(folder, target, format="onnx")
    assert_nothing_happened(target)


def test_more_weights_than_onnx_can_hold_are_refused(monkeypatch, folder, target):
    monkeypatch.setattr(export, "_ONNX_LIMIT", 100_000)
    with pytest.raises(
        ValueError, match=r"expected at most 100,000 bytes of weights, .* got 4\d\d,\d{3}; export to pt2"
    ):
        export.export(folder, target, format="onnx")
    assert_nothing_happened(target)


def test_a_folder_is_refused_before_any_work(folder, tmp_path):
    with pytest.raises(ValueError, match=f"expected a file to write, got the folder {tmp_path}; name a file in it"):
        export.export(folder / "missing", tmp_path, format="onnx")


def test_another_format_is_refused(folder, target):
    with pytest.raises(ValueError, match="expected a format among pt2, onnx, got tflite"):
        export.export(folder, target, format="tflite")


def test_a_folder_without_a_model_is_refused(tmp_path, target):
    with pytest.raises(ValueError, match=r"expected a model\.json that the train stage wrote"):
        export.export(tmp_path, target, format="pt2")
    assert_nothing_happened(target)
