"""`segnet sync`."""

from dataclasses import asdict
from typing import Annotated

import typer

from pipeline.files import repository
from pipeline.files.terminal import complain, say, say_json
from pipeline.tracking import delivery, store
from pipeline.tracking.outbox import UNSENT


def sync(*, json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False) -> None:
    """Send what trainings could not send while MLflow's store did not answer; each record arrives once.

    The records wait in runs/unsent, and are removed once sent. If any are left, the exit code is 1.
    """
    done, unsent = [], repository.checked_root() / UNSENT
    for each in delivery.sync(unsent, store.address()):
        done.append(each)
        if not json and each.sent:
            say(f"{each.training}: sent {delivery.counted(each.sent)}")
        if each.error:
            left = f"{delivery.counted(each.left)} left: " if each.left else ""
            complain(f"segnet: {each.training}: {left}{each.error}")
    if json:
        say_json([asdict(each) for each in done])
    elif not done:
        say(f"nothing waits in {unsent}")
    if any(each.error for each in done):
        raise typer.Exit(1)
