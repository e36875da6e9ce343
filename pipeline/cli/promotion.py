"""`segnet promote | rollback`: making another version champion."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from pipeline import params
from pipeline.cli import completion
from pipeline.cli.model import Name, named
from pipeline.cli.status import Json, what
from pipeline.files.terminal import complain, say, say_json
from pipeline.registry import champion, promote as step, versions
from pipeline.registry.decision_log import Entry
from pipeline.registry.judge import Rule

NOT_PROMOTED = 3
"""Exit code of promote if the rule does not say PROMOTE, and of promote and rollback if somebody else was faster."""
RAW = Path("data/raw")


def promote(
    version: Annotated[str, typer.Argument(help="Version number.", autocompletion=completion.version_numbers)],
    *,
    name: Name = None,
    force: Annotated[
        str | None, typer.Option(metavar="REASON", help="Promote whatever the rule says; the reason is logged.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a version champion if the rule in params.yaml, which the register stage follows too, says PROMOTE.

    If it is not promoted, the reasons are printed and the exit code is 3.
    """
    settings, model = params.load(), named(name)
    rule = Rule(settings.registration, settings.evaluate, RAW, settings.placement)
    candidate = versions.version(model, version)
    try:
        if force is None:
            entry, _ = step.consider(candidate, rule)
        else:
            entry = step.force(candidate, force, rule)
    except champion.OutrunError as err:
        _stop(str(err))
    _say(model.name, entry, json=json)
    if entry.reign.champion != candidate.number:
        raise typer.Exit(NOT_PROMOTED)


def rollback(*, name: Name = None, json: Json = False) -> None:
    """Make the previous champion champion again; a second rollback undoes the first."""
    model = named(name)
    try:
        entry = step.roll_back(model)
    except champion.OutrunError as err:
        _stop(str(err))
    _say(model.name, entry, json=json)


def _say(model: str, entry: Entry, *, json: bool) -> None:
    if json:
        say_json({"model": model, **entry.to_json()})
        return
    say(f"{model}: champion is {_named(entry.reign.champion)}; entry {entry.number}, {what(entry)}")
    reasons: Sequence[str] = [entry.reason] if entry.kind != "decided" else []
    for reason in (*reasons, *(entry.verdict.reasons if entry.verdict else ())):
        say(f"  {reason}")


def _stop(message: str) -> NoReturn:
    complain(f"segnet: {message}")
    raise typer.Exit(NOT_PROMOTED)


def _named(number: str | None) -> str:
    return "no version" if number is None else f"version {number}"
