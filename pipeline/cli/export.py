"""`segnet export`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.cli import model as models
from pipeline.files.terminal import say
from pipeline.inference import export as step
from pipeline.registry.model_files import located


def export(
    target: Annotated[Path, typer.Argument(help="The file to write.")],
    *,
    format: Annotated[Literal["pt2", "onnx"], typer.Option(help="PyTorch's pt2, or ONNX.")],
    model: models.Address = "models/segnet",
    int8: Annotated[bool, typer.Option("--int8", help="Convolutions in 8-bit integers, for ONNX on a CPU.")] = False,
    tiles: Annotated[Path, typer.Option(help="With --int8: the tiles of the model's training.")] = Path("data/tiles"),
) -> None:
    """Write a model as a single file that runs without this program, and check that it gives the same logits.

    With --int8 the ranges of values come from validation tiles, and the file's mean IoU on them may be lower than the
    model's by 0.01 at most.
    """
    with located(model) as (folder, _):
        report = step.export(folder, target, format=format, tiles=tiles if int8 else None)
    for (height, width), difference in report.differences.items():
        say(f"{width}x{height}: logits differ by at most {difference:.1e} of the largest")
    if (agreement := report.agreement) is not None:
        say(
            f"int8, {agreement.tiles} validation tiles: mIoU {agreement.miou:.4f}, the model's "
            f"{agreement.of_the_model:.4f}; the same class at {agreement.equal:.1%} of the pixels"
        )
    say(f"{report.path}: {report.path.stat().st_size / 1e6:.1f} MB")
