"""Predict, export, compare, promote and verify models; `dvc repro` trains and registers them.

Exit codes: 0 done, 1 an error, 2 wrong usage, 3 not promoted.
"""

import sys
from importlib import metadata
from typing import Annotated

import typer

from pipeline.cli import compare, export, leaderboard, predict, promotion, prune, sync, verify

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


def _print_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"segnet {metadata.version('segnet-pipeline')}")
        raise typer.Exit


@app.callback(help=__doc__)
def _options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version and exit.",
            callback=lambda wanted: _print_version(wanted=wanted),
            is_eager=True,
        ),
    ] = False,
) -> None:
    del version  # it ends the command before


for command in (
    predict.predict,
    export.export,
    compare.compare,
    promotion.status,
    promotion.promote,
    promotion.rollback,
    promotion.history,
    verify.verify,
    verify.trace,
    leaderboard.leaderboard,
    sync.sync,
    prune.prune,
):
    app.command()(command)

_EXPECTED = ("pipeline.", "mlflow.", "requests.", "botocore.")  # among others, a server that does not answer


def main() -> None:
    """Run the command; an error that the user can fix is reported in one line, with exit code 1."""
    try:
        app()
    except Exception as err:
        if not isinstance(err, ValueError) and not type(err).__module__.startswith(_EXPECTED):
            raise
        sys.exit(f"segnet: {err}")
