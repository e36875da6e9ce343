"""`segnet init`."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.files import atomic
from pipeline.files.terminal import say, say_json
from pipeline.params import PATH
from pipeline.planning import params_file, proposal, sizes


def init(
    folder: Annotated[Path, typer.Argument(help="Folder of images and masks.")],
    *,
    masks: Annotated[
        str | None, typer.Option(help="Glob of the masks or annotations, or their folder, if they are not recognised.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a params.yaml with changes; it is kept.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Look at a folder of images and masks, and write params.yaml for it, with a reason for each choice.

    It says what it found, and what it could not decide as questions with a default. It changes and sends no data.
    """
    earlier = params_file.check(PATH, force=force)
    proposed = proposal.propose(folder, _as_path(folder), sizes.this_machine(), masks)
    if str(kept := params_file.kept(PATH)) in earlier:
        PATH.replace(kept)
    atomic.write_text(PATH, proposed.text)
    if json:
        say_json({"params": str(PATH), "found": proposed.facts, "questions": proposed.questions, "earlier": earlier})
        return
    say(*proposed.facts)
    for question in proposed.questions:
        say(f"? {question}")
    say(f"wrote {PATH}" + (f"; {earlier}" if earlier else ""), "next: segnet plan, then dvc repro")


def _as_path(folder: Path) -> str:
    """Return a folder as dataset.path names it: relative to the repository if it lies there."""
    place, here = folder.absolute(), Path.cwd()
    return place.relative_to(here).as_posix() if place.is_relative_to(here) else place.as_posix()
