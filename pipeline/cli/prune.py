"""`segnet prune`."""

from typing import Annotated

import typer

from pipeline.files import repository
from pipeline.files.terminal import say, say_json
from pipeline.training import prune as step


def prune(
    *,
    keep: Annotated[
        int, typer.Option(min=1, help="Newest runs and cross-validations to keep, besides models/segnet's.")
    ] = 3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be removed.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print what is removed as JSON.")] = False,
) -> None:
    """Remove old runs and cross-validations below runs/, and copied weights that no run that stays began with.

    Temporary files that killed processes left behind over an hour ago are removed too.
    """
    root = repository.checked_root()
    removable = step.find(root, keep)
    if not dry_run:
        removable = [waste for waste in removable if step.remove(root, waste)]
    size = sum(waste.size for waste in removable)
    if json:
        removed = [{"path": str(waste.path), "bytes": waste.size} for waste in removable]
        say_json({"removed": removed, "bytes": size, "dry_run": dry_run})
        return
    for waste in removable:
        say(f"{waste.kind} {waste.path}: {waste.size:,} bytes")
    say(f"{'would remove' if dry_run else 'removed'} {len(removable)}: {size:,} bytes")
