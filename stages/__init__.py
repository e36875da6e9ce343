"""One file per stage of dvc.yaml, which runs it as `python -m stages.<name>` from the repository root."""

import argparse
import os
from collections.abc import Callable

from pipeline.files import disk, git, log, repository, signals, stdout, terminal, tracking_address

ORDER = ("download", "validate", "tile", "train", "evaluate", "register")
"""The stages, in the order of the pipeline."""
signals.end_while_starting(repository.AGAIN)  # a stage's other imports take seconds


def execute(main: Callable[[], None]) -> None:
    """Run a stage's main; SIGTERM, SIGINT and the death of the dvc that started it end it cleanly.

    An error of ours, of a store or of the disk ends it with a message, without a traceback, and exit status 1. What
    train could not record, or not record in, is refused by the first stage, before hours of work.
    """
    log.to_stderr()
    signals.when_orphaned()
    try:
        tracking_address.check_tracking_address(os.environ.get(tracking_address.VARIABLE, ""))
        git.check()
        with signals.handled(repository.AGAIN), stdout.outlived():
            main()
    except Exception as err:
        if disk.refuses(err):
            todo = f"make room or correct its permissions, then run {repository.AGAIN} again; no output is half-written"
            terminal.fail("error: ", f"expected to read and write this stage's files, got {err}; {todo}")
        if terminal.is_told(err):
            terminal.fail("error: ", err)
        raise


def option(name: str) -> bool:
    """Return whether the stage was given its one option; any other argument is a usage error."""
    parser = argparse.ArgumentParser(prog="python -m stages.<name>")
    parser.add_argument(name, action="store_true", dest="given")
    return bool(parser.parse_args().given)
