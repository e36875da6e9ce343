"""The command `segnet`: what one does with networks and models beside `dvc repro`."""

import sys

import typer

from pipeline.cli import compare, export, predict

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
app.command()(compare.compare)
app.command()(export.export)
app.command()(predict.predict)


def main() -> None:
    """Run the command; an error that the user can mend is one line, and the exit code is 1."""
    try:
        app()
    except ValueError as err:
        sys.exit(f"segnet: {err}")
