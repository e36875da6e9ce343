"""The champion of a registered model: the decision log in MLflow, and the aliases that follow it.

MLflow's aliases have neither compare-and-set nor a history, but the store assigns each version number of a registered
model only once. So the log of `segnet-x` is the registered model `promotions-of-segnet-x`: each of its versions is an
entry, written in one request and never changed. The store thus decides whose entry comes first (decision_log.py); its
author, or whoever comes next, then moves the aliases to what the newest entry says.
"""

import getpass
import re
from collections.abc import Iterable
from dataclasses import astuple
from datetime import UTC, datetime
from itertools import count

from pipeline.registry import decision_log, versions
from pipeline.registry.decision_log import Entry, Log, Reign
from pipeline.registry.versions import RegisteredModel
from pipeline.tracking import store

_TEXT, _SETTLED, _NEWEST = "entry", "settled", "newest"
_SOURCE = "segnet:/decision-log"  # MLflow requires one; the files of a version could be gone


class OutrunError(RuntimeError):
    """Another decision was logged in the meantime; the message says which."""


def log_of(model: RegisteredModel) -> RegisteredModel:
    """Return the registered model whose versions are the decision log of `model`."""
    return RegisteredModel(model.uri, f"promotions-of-{model.name}")


def read(model: RegisteredModel) -> Log:
    """Return the log as it is stored; entries that were deleted, or that are none, are in it as lost."""
    entries, unreadable = list[Entry](), dict[int, str]()
    for version in versions.versions(log_of(model)):
        try:
            entries.append(Entry.from_text(int(version.number), version.tags.get(_TEXT, "")))
        except ValueError as err:
            unreadable[int(version.number)] = str(err)
    newest = _numbers([versions.model_tags(log_of(model)).get(_NEWEST, "")])
    if not entries and not unreadable:
        decided = _numbers(each.tags.get("decision", "") for each in versions.versions(model))
        if decided > newest:
            unreadable[decided] = (
                f"the log {log_of(model).name} has no entry, although versions bear the decisions of up to entry "
                f"{decided}; if the model was renamed, its earlier log is promotions-of-<its old name>"
            )
    return decision_log.counting(entries, unreadable, newest)


def _numbers(texts: Iterable[str]) -> int:
    """Return the highest of numbers in tags, 0 if there is none; whoever may write to the store may write others."""
    return max((int(text) for text in texts if re.fullmatch("[0-9]{1,9}", text)), default=0)


def settled(model: RegisteredModel) -> Log:
    """Return the log once the aliases agree with it.

    A promotion that was killed halfway is completed: the aliases are moved to what the newest entry says. If they had
    already been moved there and were changed outside segnet since, an entry records that, and the log continues from
    it.
    """
    while True:
        log = read(model)
        aliases = reign(model)
        newest = log[-1] if log else None
        if newest is not None and newest.kind != "lost" and not is_settled(model, newest):
            settle(model)
            continue
        if aliases == (newest.reign if newest else Reign(None, None)):
            return log
        reason = _what_happened(model, newest, aliases)
        draft = Entry("found", aliases.champion, aliases, now(), user(), reason, None, {})
        try:
            append(model, draft, log)
        except OutrunError:
            continue


def append(model: RegisteredModel, draft: Entry, log: Log) -> Entry:
    """Write `draft` as the entry after the newest of `log`, and move the aliases; return the numbered entry.

    Raises:
        OutrunError: another entry came first; nothing was changed.
    """
    log_model = log_of(model)
    versions.create(log_model, f"The decision log of {model.name}, shown by segnet history. Do not delete it.")
    entry = draft.follow(log)
    store.client(model.uri).create_model_version(
        log_model.name,
        _SOURCE,
        tags={_TEXT: entry.text},
        description=entry.reason[:1000],
    )
    new_log = read(model)
    stored = next((other for other in new_log if other.mark == entry.mark), None)
    if stored is None:
        numbers = [other.number for other in new_log]
        place = numbers.index(entry.after) + 1 if entry.after in numbers else 0
        first = new_log[min(place, len(new_log) - 1)]
        which = f"by {first.by} at {first.at}, after which {_named(first.reign.champion)} is champion"
        raise OutrunError(
            f"expected entry {entry.after} to be the newest in the log of {model.name}, got entry {first.number} "
            f"{f'that is lost, {first.reason}' if first.kind == 'lost' else which}; nothing was changed; check segnet "
            "status and decide again"
        )
    settle(model)
    return stored


def settle(model: RegisteredModel) -> None:
    """Move the aliases to what the newest entry says; that of a version which was deleted is removed.

    Log and aliases are checked again afterwards: a slower process may have moved the aliases to an older entry.
    """
    for _ in count():
        newest = read(model)[-1]
        numbers = {version.number for version in versions.versions(model)}
        wanted = Reign(*(number if number in numbers else None for number in astuple(newest.reign)))
        before = reign(model)
        for alias, old, new in (
            (versions.CHAMPION, before.champion, wanted.champion),
            (versions.PREVIOUS_CHAMPION, before.previous_champion, wanted.previous_champion),
        ):
            if new is not None and old != new:
                versions.set_alias(model, alias, new)
            elif new is None and old is not None:
                versions.remove_alias(model, alias)
        if read(model)[-1] == newest and reign(model) == wanted:
            versions.describe_model(log_of(model), {_NEWEST: str(newest.number)})
            versions.describe(versions.version(log_of(model), str(newest.number)), {_SETTLED: "true"})
            return


def reign(model: RegisteredModel) -> Reign:
    """Return which versions have the aliases."""
    holders = (versions.with_alias(model, alias) for alias in (versions.CHAMPION, versions.PREVIOUS_CHAMPION))
    return Reign(*(holder.number if holder else None for holder in holders))


def now() -> str:
    """Return the current time in the format of an entry's `at`."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def user() -> str:
    """Return the name of the user who decides, or unknown."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have only a number
        return "unknown"


def _what_happened(model: RegisteredModel, newest: Entry | None, aliases: Reign) -> str:
    """Return why the aliases are not those of the newest entry, in a sentence."""
    if newest is not None and newest.kind == "lost":
        return f"{newest.reason}; the aliases are taken as they are"
    logged, alias = newest.reign if newest else Reign(None, None), versions.CHAMPION
    before, now = logged.champion, aliases.champion
    if before == now:
        alias, before, now = versions.PREVIOUS_CHAMPION, logged.previous_champion, aliases.previous_champion
    if before is not None and before not in {version.number for version in versions.versions(model)}:
        return f"{_named(before)}, which had the alias {alias}, was deleted outside segnet"
    return f"the alias {alias} was moved from {_named(before)} to {_named(now)} outside segnet"


def is_settled(model: RegisteredModel, entry: Entry) -> bool:
    """Return whether the aliases were moved to what an entry says, whatever became of them since."""
    return versions.version(log_of(model), str(entry.number)).tags.get(_SETTLED) == "true"


def _named(number: str | None) -> str:
    return "no version" if number is None else f"version {number}"
