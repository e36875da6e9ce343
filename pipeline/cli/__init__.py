"""Predict, export, compare, promote and verify models; `dvc repro` trains and registers them.

Exit codes: 0 done, 1 an error, 2 wrong usage, 3 not promoted.
"""

import sys

import typer

from pipeline.cli import compare, export, leaderboard, predict, promotion, prune, sync, verify

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
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
