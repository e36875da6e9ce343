"""What `verify` compares of a decision log."""

from pipeline.registry import champion, decision_log
from pipeline.registry.verify_errors import BrokenError, agree
from pipeline.registry.versions import RegisteredModel


def check(model: RegisteredModel) -> str:
    """Return how many entries the log has, each of which is bound to the one before it.

    Raises:
        BrokenError: an entry was changed or removed, or the aliases are not those of the newest one.
    """
    log = champion.read(model)
    if (entry := decision_log.broken(log)) is not None:
        if entry.kind == "lost":
            raise BrokenError(f"expected entry {entry.number} of the log, got none: {entry.reason}")
        raise BrokenError(f"expected entry {entry.number} of the log as the next one recorded it, got a changed text")
    aliases = champion.reign(model)
    if log and aliases != log[-1].reign and not champion.is_settled(model, log[-1]):
        raise BrokenError(
            f"expected the aliases that entry {log[-1].number} gives, got those before it: a decision was interrupted; "
            "run segnet status, which completes it"
        )
    if log:
        agree("the aliases", log[-1].reign, aliases)
    return "1 entry" if len(log) == 1 else f"{len(log)} entries"
