"""A trained model as one file that needs none of this code: PyTorch's pt2 or ONNX, checked against the model itself.

How an ONNX file becomes one in int8 is in quantize.py.
"""

import json
import logging
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from pipeline.artifacts.model import read_model
from pipeline.artifacts.spec import Spec
from pipeline.core.fuse import fold
from pipeline.files import atomic
from pipeline.inference import quantize
from pipeline.inference.quantize import Agreement

Network = Callable[[Tensor], Tensor]
"""From images (N, 3, H, W) to logits (N, C, H, W)."""

_ODD_SIZE = (33, 47)  # height, width: rounded up at each pooling but one; small, see `_check`
_NUM_IMAGES = 5
_ONNX_LIMIT = 2**31 - 2**24  # bytes: protobuf's limit, minus 16 MiB for everything but the weights


@dataclass(frozen=True)
class Format:
    """A file format, and how close its logits must be to the model's."""

    write: Callable[[Path, ExportedProgram, Spec], None]
    load: Callable[[Path], Network]
    tolerance: float
    """A fraction of the largest logit, or of 1 if that is larger."""
    other_kernels: bool
    """Whether it runs on kernels other than PyTorch's, which round differently."""


@dataclass(frozen=True)
class Report:
    """An exported file, and how far its logits are from the model's."""

    path: Path
    differences: dict[tuple[int, int], float]
    """The largest difference, in the unit of `Format.tolerance`, for each image height and width tried."""
    agreement: Agreement | None = None
    """Of a file in int8; the differences are then those of the float32 file that it was made of."""


def export(folder: Path, target: Path, *, format: str, tiles: Path | None = None) -> Report:
    """Export the model in `folder` (artifacts/model.py) to the file `target`, checked to give the same logits.

    The file takes RGB images (N, 3, H, W), float32, 0..255, of any N >= 1 and H, W >= 32, and returns logits
    (N, C, H, W), float32. Batch normalisation is folded. The file also holds the content of model.json: in pt2 as the
    extra file model.json, in ONNX as one metadata property per key, in JSON.

    The file is read back and run on images of an odd size and of the size of the model's tiles. Its logits must equal
    those of the folded model to within 1e-5 (pt2) or 1e-4 (ONNX, in onnxruntime); on tiles, those of ONNX may differ
    from them as much as PyTorch's own do with the memory layout (`_check`). The same model gives the same bytes.

    With `tiles`, an ONNX file is quantised to int8 then: its convolutions compute on 8-bit integers, and its mean IoU
    on the validation tiles may be lower than the model's by 0.01.

    Args:
        folder: As written by the train stage.
        target: The file; an existing one is replaced.
        format: A key of FORMATS.
        tiles: As written by the tile stage, of the model's training; None: the file computes in float32.

    Raises:
        ValueError: `target` is a folder, there is no such format, model or tiles, packages for ONNX are missing, the
            weights exceed what ONNX can hold, or logits or mean IoU are too far from the model's. `target` is then
            unchanged.
    """
    if target.is_dir():
        raise ValueError(f"expected a file to write, got the folder {target}; name a file in it")
    if format not in FORMATS:
        raise ValueError(f"expected a format among {', '.join(FORMATS)}, got {format}")
    if format == "onnx":
        _require_onnx()
    elif tiles is not None:
        raise ValueError(f"expected the format onnx for a file in int8, got {format}; export to onnx")
    spec, folded = _folded(folder)
    validation = quantize.tiles_of(tiles, spec) if tiles is not None else None
    if format == "onnx":
        _require_room(folded)
    kind, tile = FORMATS[format], (spec.tile_height, spec.tile_width)
    with atomic.replacing(target) as temporary:  # first: where it cannot be, the rest would be in vain
        kind.write(temporary, _captured(folded), spec)
        network = kind.load(temporary)
        differences = {_ODD_SIZE: _check(network, folded, _ODD_SIZE, kind.tolerance)}
        differences[tile] = _check(network, folded, tile, kind.tolerance, other_kernels=kind.other_kernels)
        if validation is None:
            return Report(target, differences)
        quantize.write(temporary, temporary, validation)
        return Report(target, differences, quantize.agreement(kind.load(temporary), folded, validation))


def _folded(folder: Path) -> tuple[Spec, nn.Module]:
    spec, model = read_model(folder)
    # Not channels_last: torch 2.13 would require the example's strides, and warn when it saves such weights.
    folded = fold(model).requires_grad_(False)
    return spec, folded.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # missing in its stub


def _captured(model: nn.Module) -> ExportedProgram:
    """Return the network as a graph for images of any size."""
    shapes = ({0: Dim("N", min=1), 2: Dim("H", min=32), 3: Dim("W", min=32)},)
    # Pooling that rounds up and cropping give conditions that hold at every size, but that torch cannot prove, such as
    # 2 * ((H - 1) // 2) < H: they become run-time checks. And no condition may be inferred from the example, such as
    # that cropping removes something: hence backed_size_oblivious, which torch.onnx also sets for its own captures.
    with torch.fx.experimental._config.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
        program = torch.export.export(
            model, (torch.zeros(2, 3, 45, 61),), dynamic_shapes=shapes, prefer_deferred_runtime_asserts_over_guards=True
        )
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # contains paths of this machine
    return program


def _metadata(spec: Spec) -> dict[str, Any]:
    images = "RGB images (N, 3, H, W), float32, 0..255, H and W >= 32"
    return {**asdict(spec), "input": images, "output": "logits (N, C, H, W), float32"}


def _write_pt2(path: Path, program: ExportedProgram, spec: Spec) -> None:
    with path.open("wb") as stream:  # given a path, torch would warn unless it ends in .pt2
        torch.export.save(program, stream, extra_files={"model.json": json.dumps(_metadata(spec))})


def _load_pt2(path: Path) -> Network:
    with path.open("rb") as stream:
        return torch.export.load(stream).module()


def _require_onnx() -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        try:
            import_module(package)
        except ImportError as err:
            raise ValueError(
                f"expected onnx, onnxscript and onnxruntime to export to ONNX, got no {package} ({err}); "
                "run pip install -e '.[onnx]' in the repository's folder, or export to pt2"
            ) from err


def _require_room(model: nn.Module) -> None:
    size = sum(parameter.nbytes for parameter in model.parameters())
    if size > _ONNX_LIMIT:
        raise ValueError(
            f"expected at most {_ONNX_LIMIT:,} bytes of weights, as one ONNX file can hold, got {size:,}; export to pt2"
        )


def _write_onnx(path: Path, program: ExportedProgram, spec: Spec) -> None:
    import onnx

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # silences that torchvision is missing
    with warnings.catch_warnings():
        # torch.onnx 2.13 copies the program with a function that torch 2.13 deprecates.
        warnings.filterwarnings("ignore", "`isinstance.treespec, LeafSpec.` is deprecated", FutureWarning)
        converted = torch.onnx.export(
            program,
            input_names=["image"],
            output_names=["logits"],
            dynamic_shapes=({0: "N", 2: "H", 3: "W"},),  # only the names matter here
            verbose=False,
        )
    assert converted is not None  # noqa: S101  # for mypy: the older exporter returns None
    proto = converted.model_proto
    onnx.helper.set_model_props(proto, {key: json.dumps(value) for key, value in _metadata(spec).items()})
    onnx.save(proto, path)


def _load_onnx(path: Path) -> Network:
    import onnxruntime  # type: ignore[import-untyped]  # has no type annotations

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda x_N3HW: torch.from_numpy(session.run(["logits"], {"image": x_N3HW.numpy()})[0])


FORMATS = {
    "pt2": Format(_write_pt2, _load_pt2, tolerance=1e-5, other_kernels=False),
    "onnx": Format(_write_onnx, _load_onnx, tolerance=1e-4, other_kernels=True),
}


@torch.inference_mode()
def _check(
    network: Network, model: Network, size: tuple[int, int], tolerance: float, *, other_kernels: bool = False
) -> float:
    """Return how far a file's logits are from the model's, on the first of several images where they are close enough.

    Several, since SegNet's logits are not a continuous function of the image: where the two largest values of a pooling
    window differ only by rounding, rounding decides at which pixel the decoder continues. Small images rarely have such
    a window. At 360x480 and width 1 nearly all do: eager PyTorch then differs from itself, for the same image in
    another memory layout, by 0.04 to 0.13 of the largest logit (measured). With `other_kernels`, twice that difference
    is close enough.

    Raises:
        ValueError: they are too far apart on every image.
    """
    differences = []
    for seed in range(_NUM_IMAGES):
        image = torch.randint(256, (1, 3, *size), generator=torch.Generator().manual_seed(seed)).float()
        expected, allowed = model(image), tolerance
        differences.append(_difference(network(image), expected))
        if other_kernels:
            relaid = image.contiguous(memory_format=torch.channels_last)
            allowed = max(allowed, 2 * _difference(model(relaid), expected))
        if differences[-1] <= allowed:
            return differences[-1]
    raise ValueError(
        f"expected an exported model whose logits are within {tolerance:g} of the model's, got {min(differences):.3g} "
        f"at {size[0]} x {size[1]}, the best of {_NUM_IMAGES} images; nothing was written: use another format, or "
        "install the versions of torch, onnx, onnxscript and onnxruntime in requirements.lock"
    )


def _difference(actual: Tensor, expected: Tensor) -> float:
    return ((actual - expected).abs().max() / expected.abs().max().clamp(min=1)).item()
