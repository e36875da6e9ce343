"""`segnet plan`."""

from dataclasses import asdict
from typing import Annotated

import typer

from pipeline import params
from pipeline.files.terminal import say, say_json
from pipeline.planning import costs


def plan(*, json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False) -> None:
    """Time a few images and training steps on this machine, and say what dvc repro will take with params.yaml.

    Seconds per epoch, minutes for each stage, memory and disk. It refuses nothing, and what it writes does not stay.
    """
    measured = costs.measure(params.load())
    if json:
        say_json(asdict(measured))
    else:
        say(*costs.in_words(measured))
