"""DVC as a command: the one that is installed beside this Python, or else the one of PATH."""

import os
import subprocess
import sys
from pathlib import Path


def run(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run DVC to its end, and return what it printed and its exit status.

    Args:
        arguments: of the command.
        folder: the folder to run it in; None: the current one.

    Raises:
        OSError: there is no command dvc.
    """
    return subprocess.run(  # noqa: S603  no shell
        ("dvc", *arguments),  # noqa: S607  found by the PATH of environment
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def environment() -> dict[str, str]:
    """Return the environment variables that DVC runs with: a PATH that finds it, and no word to its makers."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {**os.environ, "DVC_NO_ANALYTICS": "1", "PATH": path}
