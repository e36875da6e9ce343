"""`segnet sync`."""

import json as json_text
from dataclasses import asdict
from typing import Annotated

import typer

from pipeline.tracking import delivery, store
from pipeline.tracking.outbox import UNSENT


def sync(*, json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False) -> None:
    """Send what trainings could not send while MLflow's store did not answer; each record arrives once.

    The records wait in runs/unsent, and are removed once sent. If any are left, the exit code is 1.
    """
    done = []
    for each in delivery.sync(UNSENT, store.address()):
        done.append(each)
        if not json and each.sent:
            typer.echo(f"{each.training}: sent {delivery.counted(each.sent)}")
        if each.error:
            left = f"{delivery.counted(each.left)} left: " if each.left else ""
            typer.echo(f"segnet: {each.training}: {left}{each.error}", err=True)
    if json:
        typer.echo(json_text.dumps([asdict(each) for each in done], indent=2))
    elif not done:
        typer.echo(f"nothing waits in {UNSENT}")
    if any(each.error for each in done):
        raise typer.Exit(1)
