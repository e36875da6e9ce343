"""The champion of a registered model: the decision log in MLflow, and the aliases that follow it.

MLflow's aliases have no compare-and-set and keep no history. But the store numbers the versions of a registered model,
each number once. So the log of `segnet-x` is the registered model `promotions-of-segnet-x`: an entry is a version of
it, written in one request and never changed. The store thereby decides whose entry comes first (decision_log.py); the
aliases are then moved to what the newest entry says, by its author or by whoever comes next.
"""

import getpass
from datetime import UTC, datetime
from itertools import count

from pipeline.registry import decision_log, versions
from pipeline.registry.decision_log import Entry, Log, Reign
from pipeline.registry.versions import RegisteredModel, Version
from pipeline.tracking import store

_TEXT, _SETTLED = "entry", "settled"


class OutrunError(RuntimeError):
    """Somebody else decided in the meantime; the message says what."""


def log_of(model: RegisteredModel) -> RegisteredModel:
    """Return the registered model whose versions are the log of `model`."""
    return RegisteredModel(model.uri, f"promotions-of-{model.name}")


def read(model: RegisteredModel) -> Log:
    """Return the log as it is.

    Raises:
        ValueError: an entry is not one that this program wrote.
    """
    return decision_log.counting(_entry(version) for version in versions.versions(log_of(model)))


def settled(model: RegisteredModel) -> Log:
    """Return the log once it and the aliases agree.

    What an author who was killed left undone is done: the aliases are moved to what the newest entry says. Where they
    had been moved there, and somebody moved them on by other means, an entry records that, and the log continues from
    there.
    """
    while True:
        log = read(model)
        aliases = reign(model)
        newest = log[-1] if log else None
        if aliases == (newest.reign if newest else Reign(None, None)):
            return log
        if newest is not None and not _is_settled(model, newest):
            settle(model)
            continue
        was = newest.reign.champion if newest else None
        reason = f"the alias champion was moved from {_named(was)} to {_named(aliases.champion)} by other means"
        if newest and was == aliases.champion:
            reason = "the alias previous_champion was moved by other means"
        draft = Entry("found", aliases.champion, aliases, now(), user(), reason, None, {})
        try:
            append(model, draft, log)
        except OutrunError:
            continue


def append(model: RegisteredModel, draft: Entry, log: Log) -> Entry:
    """Write `draft` as the entry after the newest of `log`, and move the aliases; return it with its number.

    Raises:
        OutrunError: another entry came first; nothing was changed.
    """
    entries = log_of(model)
    versions.create(entries, f"The decisions about {model.name}, and why: segnet history shows them. Keep it.")
    entry = draft.follow(log)
    subject = versions.version(model, entry.version or entry.reign.previous_champion or "1")
    store.client(model.uri).create_model_version(
        entries.name,
        subject.source,
        tags={_TEXT: entry.text},
        description=entry.reason[:1000],
        model_id=subject.model_id,
    )
    after = read(model)
    stored = next((each for each in after if each.mark == entry.mark), None)
    if stored is None:
        first = next(each for each in after if each.after == entry.after)
        raise OutrunError(
            f"expected entry {entry.after} to be the newest of the log of {model.name}, got entry {first.number} by "
            f"{first.by} at {first.at}: by it {_named(first.reign.champion)} is champion; nothing was changed; "
            "look at segnet status, and decide again"
        )
    settle(model)
    return stored


def settle(model: RegisteredModel) -> None:
    """Move the aliases to what the newest entry says.

    They are checked again afterwards: a slower process may have moved them by an older entry in the meantime.
    """
    for _ in count():
        newest = read(model)[-1]
        before = reign(model)
        for alias, old, new in (
            (versions.CHAMPION, before.champion, newest.reign.champion),
            (versions.PREVIOUS_CHAMPION, before.previous_champion, newest.reign.previous_champion),
        ):
            if new is not None and old != new:
                versions.set_alias(model, alias, new)
            elif new is None and old is not None:
                versions.remove_alias(model, alias)
        if read(model)[-1] == newest and reign(model) == newest.reign:
            versions.describe(versions.version(log_of(model), str(newest.number)), {_SETTLED: "true"})
            return


def reign(model: RegisteredModel) -> Reign:
    """Return which versions bear the aliases."""
    bearers = (versions.with_alias(model, alias) for alias in (versions.CHAMPION, versions.PREVIOUS_CHAMPION))
    return Reign(*(bearer.number if bearer else None for bearer in bearers))


def now() -> str:
    """Return the time as an entry's `at`."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def user() -> str:
    """Return who decides."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have a number only
        return "unknown"


def _entry(version: Version) -> Entry:
    return Entry.from_text(int(version.number), version.tags.get(_TEXT, ""))


def _is_settled(model: RegisteredModel, entry: Entry) -> bool:
    return versions.version(log_of(model), str(entry.number)).tags.get(_SETTLED) == "true"


def _named(number: str | None) -> str:
    return "no version" if number is None else f"version {number}"
