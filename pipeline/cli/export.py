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
) -> None:
    """Write a model as a single file that runs without this program, and check that it gives the same logits."""
    with located(model) as (folder, _):
        report = step.export(folder, target, format=format)
    for (height, width), difference in report.differences.items():
        say(f"{width}x{height}: logits differ by at most {difference:.1e} of the largest")
    say(f"{report.path}: {report.path.stat().st_size / 1e6:.1f} MB")
