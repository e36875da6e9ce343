"""One file a stage of dvc.yaml, which runs it as `python -m stages.<name>` from the repository root."""

import argparse
import errno
import os
import sys
from collections.abc import Callable

from pipeline.files import signals
from pipeline.files.redact import redact

ORDER = ("download", "validate", "tile", "train", "evaluate", "register")
"""The stages in the order of the path."""
_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}


def execute(main: Callable[[], None]) -> None:
    """Run a stage's main; an error of ours or of the disk ends it with exit status 1 and the message, no traceback.

    SIGTERM and SIGINT end it cleanly, and so does the death of the dvc that started it.
    """
    if "DVC_STAGE" in os.environ:  # one started by hand, under nohup, may outlive its shell
        signals.when_orphaned()
    try:
        with signals.handled():
            main()
    except Exception as err:
        if isinstance(err, OSError) and err.errno in _OF_THE_DISK:
            then = "make room or correct the folder's rights, then dvc repro again: what was whole is as it was"
            sys.exit(f"error: expected to write this stage's files, got {redact(str(err))}; {then}")
        if isinstance(err, ValueError) or type(err).__module__.startswith("pipeline."):
            sys.exit(f"error: {redact(str(err))}")
        raise


def option(name: str) -> bool:
    """Say whether the stage was given its one option; another argument is a usage error."""
    parser = argparse.ArgumentParser(prog="python -m stages.<name>")
    parser.add_argument(name, action="store_true", dest="given")
    return bool(parser.parse_args().given)
