"""The log of who reigns over a registered model, in MLflow, and the aliases that follow it.

MLflow's aliases have no compare-and-set, and keep no history. But the versions of a registered model are numbered by
the store, each number once. So the log of `segnet-x` is the registered model `promotions-of-segnet-x`: an entry is a
version of it, written in one request, and never changed. Whose entry comes first is so decided by the store
(decision_log.py); the aliases are then moved to what the newest entry says, by its author or by whoever comes next.
"""

import getpass
from datetime import UTC, datetime
from itertools import count

from pipeline.registry import decision_log, versions
from pipeline.registry.decision_log import Entry, Log, Reign
from pipeline.registry.versions import Version
from pipeline.tracking import store

_TEXT, _SETTLED = "entry", "settled"


class OutrunError(RuntimeError):
    """Somebody else decided meanwhile; the message says what."""


def name_of(model: str) -> str:
    """Return the name of the registered model whose versions are the log of `model`."""
    return f"promotions-of-{model}"


def read(uri: str, model: str) -> Log:
    """Return the log, as it is.

    Raises:
        ValueError: an entry is not one that this program wrote.
    """
    return decision_log.counting(_entry(version) for version in versions.versions(uri, name_of(model)))


def settled(uri: str, model: str) -> Log:
    """Return the log when it and the aliases agree.

    What an author, killed perhaps, did not live to do is done: the aliases are moved to what the newest entry says.
    Where they were there once and somebody moved them by other means, an entry says so, and the log goes on from there.
    """
    while True:
        log = read(uri, model)
        aliases = reign(uri, model)
        newest = log[-1] if log else None
        if aliases == (newest.reign if newest else Reign(None, None)):
            return log
        if newest is not None and not _is_settled(uri, model, newest):
            settle(uri, model)
            continue
        was = newest.reign.champion if newest else None
        reason = f"the alias champion was moved from {_named(was)} to {_named(aliases.champion)} by other means"
        if newest and was == aliases.champion:
            reason = "the alias previous_champion was moved by other means"
        draft = Entry("found", aliases.champion, aliases, now(), user(), reason, None, {})
        try:
            append(uri, model, draft, log)
        except OutrunError:
            continue


def append(uri: str, model: str, draft: Entry, log: Log) -> Entry:
    """Write `draft` as the entry after the newest of `log`, and move the aliases; return it with its number.

    Raises:
        OutrunError: another entry came first; nothing was changed.
    """
    client, name = store.client(uri), name_of(model)
    versions.create(uri, name, f"Who reigned over {model}, since when and why: segnet history shows it. Keep it.")
    entry = draft.follow(log)
    subject = versions.version(uri, model, entry.version or entry.reign.previous_champion or "1")
    client.create_model_version(
        name, subject.source, tags={_TEXT: entry.text}, description=entry.reason[:1000], model_id=subject.model_id
    )
    after = read(uri, model)
    found = next((each for each in after if each.mark == entry.mark), None)
    if found is None:
        first = next(each for each in after if each.after == entry.after)
        raise OutrunError(
            f"expected entry {entry.after} to be the newest of the log of {model}, got entry {first.number} by "
            f"{first.by} at {first.at}: by it {_named(first.reign.champion)} is champion; nothing was changed; "
            "look at segnet status, and decide again"
        )
    settle(uri, model)
    return found


def settle(uri: str, model: str) -> None:
    """Move the aliases to what the newest entry says.

    They are looked at again after they were moved: a slower process may have moved them by an older entry meanwhile.
    """
    for _ in count():
        newest = read(uri, model)[-1]
        before = reign(uri, model)
        for alias, old, new in (
            (versions.CHAMPION, before.champion, newest.reign.champion),
            (versions.PREVIOUS_CHAMPION, before.previous_champion, newest.reign.previous_champion),
        ):
            if new is not None and old != new:
                versions.set_alias(uri, model, alias, new)
            elif new is None and old is not None:
                versions.remove_alias(uri, model, alias)
        if read(uri, model)[-1] == newest and reign(uri, model) == newest.reign:
            store.client(uri).set_model_version_tag(name_of(model), str(newest.number), _SETTLED, "true")
            return


def reign(uri: str, model: str) -> Reign:
    """Return which versions bear the aliases."""
    bearers = (versions.with_alias(uri, model, alias) for alias in (versions.CHAMPION, versions.PREVIOUS_CHAMPION))
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


def _is_settled(uri: str, model: str, entry: Entry) -> bool:
    return versions.version(uri, name_of(model), str(entry.number)).tags.get(_SETTLED) == "true"


def _named(number: str | None) -> str:
    return "no version" if number is None else f"version {number}"
