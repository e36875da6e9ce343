"""The program's log, as shown to the user of a stage."""

import logging
import sys
from pathlib import Path


def to_stderr() -> None:
    """Write this program's log to stderr, INFO and above; each line begins with the name of the running stage."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(f"{Path(sys.argv[0]).stem}: %(message)s"))
    ours = logging.getLogger("pipeline")
    ours.handlers = [handler]
    ours.setLevel(logging.INFO)
