"""`segnet status | history`: which version is champion, since when, and every decision that led there."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from pipeline.cli.model import Name, named
from pipeline.files.printable import printable
from pipeline.files.terminal import say, say_json
from pipeline.registry import champion, versions
from pipeline.registry.comparison import level_used
from pipeline.registry.decision_log import Entry, Log, made_champion
from pipeline.registry.versions import Version

_LONGEST_SCORE = 8  # characters
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def status(*, name: Name = None, json: Json = False) -> None:
    """Show which version is champion, since when and by which decision, the newest verdict, and all versions.

    If a promotion was killed halfway, it is completed first.
    """
    model = named(name)
    log, all_versions = champion.settled(model), versions.versions(model)
    aliases = versions.aliases(model)
    by, newest = _reigns_by(log), next((entry for entry in reversed(log) if entry.verdict), None)
    if json:
        tree = {
            "model": model.name,
            "champion": by.to_json() if by else None,
            "newest_verdict": newest.to_json() if newest else None,
            "lost_entries": [entry.to_json() for entry in log if entry.kind == "lost"],
            "versions": [_tree(each, aliases) for each in all_versions],
        }
        say_json(tree)
        return
    if by is None:
        say(f"{model.name}: no champion")
    elif by.kind == "lost":
        say(f"{model.name}: version {by.reign.champion} is champion, by entry {by.number}, which is lost")
    else:
        say(f"{model.name}: version {by.version} is champion since {by.at}, by entry {by.number}, {by.kind} by {by.by}")
        say(f"  {by.reason}")
    for entry in log:
        if entry.kind == "lost":
            say(f"entry {entry.number} of the log is lost: {entry.reason}")
    if newest is not None and newest.verdict is not None:
        level = level_used(newest.verdict.rule)
        say(f"newest verdict: entry {newest.number}, {what(newest)}, on version {newest.version}; {level}")
    heads = ("version", "aliases", "status", "test mIoU", "test data", "training run", "commit", "promoted at")
    say(*_table(heads, [_row(each, aliases) for each in reversed(all_versions)]))


def history(*, name: Name = None, json: Json = False) -> None:
    """List every decision about a registered model, including refusals, oldest first."""
    model = named(name)
    log = champion.read(model)
    if json:
        say_json([entry.to_json() for entry in log])
        return
    heads = ("entry", "at", "by", "what", "version", "champion", "previous", "reason")
    say(*(_table(heads, [_line(entry) for entry in log]) if log else [f"{model.name}: no decision yet"]))


def _reigns_by(log: Log) -> Entry | None:
    """Return the entry since which the champion has been champion without a break, if there is one."""
    number = log[-1].reign.champion if log else None
    return None if number is None else made_champion(log, number)


def _tree(version: Version, aliases: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    return {"version": version.number, "aliases": aliases.get(version.number, ()), "tags": dict(version.tags)}


def _row(version: Version, aliases: Mapping[str, tuple[str, ...]]) -> list[str]:
    tags: Mapping[str, str] = version.tags
    miou = _score(tags.get("test_miou", ""))
    short = [tags.get(key, "")[:length] for key, length in (("test_data", 8), ("training_run", 16), ("git_commit", 8))]
    borne = ", ".join(aliases.get(version.number, ()))
    return [version.number, borne, tags.get("validation_status", ""), miou, *short, tags.get("promoted_at", "")]


def _score(text: str) -> str:
    """Return a score in a tag, rounded; whoever may write to the store may write other text."""
    try:
        return f"{float(text):.4f}"
    except ValueError:
        return text[:_LONGEST_SCORE]


def _line(entry: Entry) -> list[str]:
    reign = entry.reign
    numbers = [number or "-" for number in (entry.version, reign.champion, reign.previous_champion)]
    return [str(entry.number), entry.at, entry.by, what(entry), *numbers, entry.reason]


def what(entry: Entry) -> str:
    """Return what an entry of the log did, in a few words."""
    if entry.kind == "decided" and entry.verdict:
        return entry.verdict.outcome.name
    return f"{entry.kind}, rule: {entry.verdict.outcome.name}" if entry.verdict else entry.kind


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (heads, *rows))
    return [line.rstrip() for line in lines]
