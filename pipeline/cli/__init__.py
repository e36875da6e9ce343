"""Predict, export, compare, promote and verify models; `dvc repro` trains and registers them.

Exit codes: 0 done, 1 an error, 2 wrong usage, 3 not promoted, 130 Ctrl-C, or a job was stopped, 143 SIGTERM.
"""

import ast
import importlib
import sys
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from pipeline.files import log, signals, terminal

COMMANDS = {
    "init": "init",
    "plan": "plan",
    "predict": "predict",
    "export": "export",
    "params": "params",
    "compare": "compare",
    "status": "status",
    "promote": "promotion",
    "rollback": "promotion",
    "history": "status",
    "verify": "verify",
    "trace": "verify",
    "leaderboard": "leaderboard",
    "crossvalidate": "crossvalidate",
    "submit": "jobs",
    "jobs": "jobs",
    "attach": "jobs",
    "fetch": "jobs",
    "stop": "jobs",
    "sync": "sync",
    "ui": "ui",
    "doctor": "doctor",
    "prune": "prune",
}
"""The module of each command, in which a function has the command's name. It is imported when the command is run, since
what the commands use takes seconds to import."""


def imported(name: str) -> Any:
    """Return a command, ready to run."""
    function = getattr(importlib.import_module(f"{__name__}.{COMMANDS[name]}"), name)
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command(name)(function)
    return typer.main.get_command(alone)


class _Listed(TyperCommand):
    """A command's name and, once asked for, its help, parsed from its module; it is imported when it is run."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        del self.help

    @cached_property
    def help(self) -> str | None:  # type: ignore[override]  # click sets it when a command is made
        """The docstring of the command's function."""
        tree = ast.parse((Path(__file__).parent / f"{COMMANDS[str(self.name)]}.py").read_bytes())
        functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        return ast.get_docstring(functions[str(self.name)])

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        with signals.importing():
            command = imported(str(self.name))
        return command.make_context(info_name, args, parent, **extra)


class _Commands(TyperGroup):
    """The commands; what a usage error quotes, such as names that a shell found for `*`, is one line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands.update({name: _Listed(name) for name in COMMANDS})

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


def main() -> None:
    """Run the command; an error that the user can fix is reported in one line, with exit code 1.

    SIGTERM ends it as an interrupt does, so that no temporary file stays.
    """
    log.to_stderr()
    try:
        with signals.terminable():
            app()
    except Exception as err:
        if not isinstance(err, OSError) and not terminal.is_told(err):
            raise
        terminal.fail("segnet: ", _explained(err))


def _explained(err: Exception) -> Exception:
    """Return an error of MLflow's store in our words; MLflow is there by then, and is not imported for others."""
    if "mlflow" not in sys.modules:
        return err
    from pipeline.tracking import reached

    return reached.explained(err)
