"""A copy of the repository with params for a short pipeline."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT

TINY = {
    r"height: 96": "height: 32",
    r"width: 128": "width: 48",
    r"stride_y: 96": "stride_y: 32",
    r"stride_x: 128": "stride_x: 48",
    r"images: \{.*\}": "images: {train: 24, val: 8, test: 8}",
    r"width: 0\.25": "width: 0.0625",
    r"\n  epochs: \d+": "\n  epochs: 2",
    r"min_miou: .*": "min_miou: 0.0",
    r"checkpoint_minutes: .*": "checkpoint_minutes: null",  # after each epoch, which takes a second
    # Eight small images may lack a class, or a split may.
    r"class_without_training_pixels: error": "class_without_training_pixels: warning",
}


class Repository:
    """A copy of the repository's files under git, in which dvc runs as in a user's shell."""

    def __init__(self, folder):
        self.folder = folder
        for top in ("pipeline", "stages", ".dvc", "dvc.yaml", "params.yaml", ".gitignore", ".dvcignore"):
            if (ROOT / top).is_dir():
                shutil.copytree(ROOT / top, folder / top, ignore=shutil.ignore_patterns("__pycache__", "cache", "tmp"))
            else:
                shutil.copy(ROOT / top, folder / top)
        for top in ("data", "models", "reports"):
            (folder / top).mkdir()
            shutil.copy(ROOT / top / ".gitignore", folder / top)
        text = (folder / "params.yaml").read_text()
        for old, new in TINY.items():
            text, count = re.subn(old, new, text)
            assert count, f"params.yaml has no {old}"
        (folder / "params.yaml").write_text(text)
        self.run("git", "init", "-q")
        self.run("git", "add", ".")
        self.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "all")

    def environment(self, **settings):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        own = {"PATH": path, "PYTHONPATH": str(self.folder), "DVC_NO_ANALYTICS": "1"}
        return {**os.environ, **own, **settings}

    def run(self, *command, merged=False, **settings):
        """Return the stdout of a command, followed by its stderr if `merged`."""
        environment = self.environment(**settings)
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + merged * done.stderr

    def stages_run(self, output):
        return re.findall(r"Running stage '(\w+)'", output)

    def status(self):
        """Return the stages that dvc would run, and later ones that may follow."""
        return list(json.loads(self.run("dvc", "status", "--json")))
