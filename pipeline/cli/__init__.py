"""Predict, export, compare, promote and verify models; `dvc repro` trains and registers them.

Exit codes: 0 done, 1 an error, 2 wrong usage, 3 not promoted, 130 a job was stopped.
"""

from importlib import metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pipeline.cli import compare, doctor, export, jobs, leaderboard, predict, promotion, prune, sync, verify
from pipeline.files import log, terminal


class _Commands(TyperGroup):
    """The commands; what a usage error quotes, such as names that a shell found for `*`, is one line."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # typer's own, whose module is private
        """Run the command that was given."""
        try:
            return super().invoke(ctx)
        except typer.TyperException as err:
            if hasattr(err, "message"):
                err.message = terminal.error_line(err.message)
            raise


app = typer.Typer(cls=_Commands, no_args_is_help=True, pretty_exceptions_enable=False)


def _print_version(*, wanted: bool) -> None:
    if wanted:
        terminal.say(f"segnet {metadata.version('segnet-pipeline')}")
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
    jobs.submit,
    jobs.jobs,
    jobs.attach,
    jobs.fetch,
    jobs.stop,
    sync.sync,
    doctor.doctor,
    prune.prune,
):
    app.command()(command)

_EXPECTED = ("pipeline.", "mlflow.", "requests.", "botocore.")  # among others, a server that does not answer


def main() -> None:
    """Run the command; an error that the user can fix is reported in one line, with exit code 1."""
    log.to_stderr()
    try:
        app()
    except Exception as err:
        if not isinstance(err, ValueError) and not type(err).__module__.startswith(_EXPECTED):
            raise
        terminal.fail("segnet: ", err)
