"""Containers by podman, for the duration of a test: storage, settings and networks of its own, images made here.

No registry is asked: the base image is Debian, made by mmdebstrap from this machine's own sources.
"""

import ast
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from tests.support import ROOT

STANDINS = ROOT / "tests/support/standins"
BASE, IMAGE, STANDIN = "localhost/base", "localhost/segnet", "localhost/standins"
_SETTINGS = """
[containers]
default_ulimits = ["nofile=10000:10000", "nproc=10000:10000"]
pids_limit = 0
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
"""


@cache
def why_not():
    """Return why containers cannot be tried on this machine, or an empty string."""
    for program in ("podman", "runc", "mmdebstrap"):
        if shutil.which(program) is None:
            return f"{program} is not installed: a test cannot make containers (podman, runc, netavark, mmdebstrap)"
    if os.geteuid() != 0:
        return "a test makes containers as root only"
    return "" if Path("/etc/apt").is_dir() else "a test makes its images from Debian's archive: this is no Debian"


needed = pytest.mark.skipif(bool(why_not()), reason=why_not())
"""Skips a test, with the reason, where containers cannot be tried."""


class Podman:
    """Podman with its state in a folder."""

    def __init__(self, folder):
        """Write the settings."""
        self.folder = folder
        for name in ("tmp", "networks", "bin"):
            (folder / name).mkdir()
        (folder / "containers.conf").write_text(_SETTINGS.format(folder=folder))
        driver = "overlay" if _has_overlay(folder) else "vfs"
        storage = f'[storage]\ndriver = "{driver}"\ngraphroot = "{folder}/root"\nrunroot = "{folder}/run"\n'
        (folder / "storage.conf").write_text(storage)
        shutil.copy(STANDINS / "podman.sh", folder / "bin/podman")
        (folder / "bin/podman").chmod(0o755)
        self.environment = {
            **os.environ,
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            "TMPDIR": str(folder / "tmp"),
            "PODMAN": shutil.which("podman"),
            "PATH": f"{folder / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }

    def run(self, *command, fails=False, **settings):
        """Run a command with this podman on its PATH; return its output."""
        environment = self.environment | settings
        done = subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True, timeout=900)
        assert fails or done.returncode == 0, (
            f"{' '.join(map(str, command))}\n{done.stdout[-3000:]}{done.stderr[-6000:]}"
        )
        return done

    def __call__(self, *words, **options):
        """Run podman; return its stdout."""
        return self.run("podman", *words, **options).stdout.strip()

    def build(self, context, image, *options):
        """Build an image whose layers are one, with this machine's settings of pip."""
        text, mounts = _pip()
        (self.folder / "pip.conf").write_text(text)
        given = ("--secret", f"id=pip.conf,src={self.folder / 'pip.conf'}", "--build-arg", f"BASE={BASE}", *mounts)
        self(
            "build", "--format=docker", "--layers=false", "--network=host", *given, *options, f"--tag={image}", context
        )

    def stop(self):
        """Remove all containers, volumes and networks."""
        self("rm", "--force", "--all", "--time=0", fails=True)
        self("volume", "rm", "--force", "--all", fails=True)
        self("network", "prune", "--force", fails=True)
        self("rmi", "--force", "--all", fails=True)


@contextmanager
def podman():
    """Yield a Podman with the image BASE; all that it made is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="podman-", ignore_cleanup_errors=True) as name:  # short: for sockets
        made = Podman(Path(name))
        try:
            _base(made)
            tried = subprocess.run(["podman", "run", "--rm", BASE, "true"], env=made.environment, capture_output=True)
            if tried.returncode:
                pytest.skip(f"podman cannot run a container here: {tried.stderr.decode()[-500:]}")
            yield made
        finally:
            made.stop()
            _unmount(made.folder)


def images(podman, commit):
    """Build IMAGE, of the working tree, and STANDIN."""
    podman.build(ROOT, IMAGE, f"--file={ROOT / 'docker/Dockerfile'}", "--build-arg", f"COMMIT={commit}")
    context = shutil.copytree(STANDINS, podman.folder / "standins")
    shutil.copy(ROOT / "requirements.lock", context)
    podman.build(context, STANDIN)


def _base(podman):
    """Make the image BASE: this machine's release of Debian with Python, from its own sources."""
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    sources = [*Path("/etc/apt/sources.list.d").glob("*.sources"), *Path("/etc/apt/sources.list.d").glob("*.list")]
    sources = [path for path in [Path("/etc/apt/sources.list"), *sources] if path.exists() and path.read_text().strip()]
    packages = "--include=python3-venv,ca-certificates"
    # Of all that is installed in it later too: nothing is forced to the disk, and no manual is unpacked.
    faster = ("force-unsafe-io", *(f"path-exclude=/usr/share/{name}/*" for name in ("doc", "locale", "man")))
    options = ("--variant=minbase", packages, *(f"--dpkgopt={each}" for each in faster))
    podman.run("mmdebstrap", *options, release, podman.folder / "base.tar", *sources)
    podman("import", "--quiet", podman.folder / "base.tar", BASE)
    (podman.folder / "base.tar").unlink()


def _unmount(folder):
    """Unmount what an interrupted mmdebstrap or podman left below a folder, which is removed, and not what it saw."""
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for place in sorted((each for each in mounted if each.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", place], check=False)


def _has_overlay(folder):
    """Return whether the folder's file system can be below an overlay, which vfs would copy for each container."""
    for name in ("lower", "upper", "work", "merged"):
        (folder / name).mkdir()
    places = f"lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work"
    mount = ["mount", "-t", "overlay", "overlay", "-o", places, folder / "merged"]
    if subprocess.run(mount, capture_output=True).returncode:
        return False
    subprocess.run(["umount", folder / "merged"], check=True)
    return True


def _pip():
    """Return pip's settings on this machine as a pip.conf for a container, and options that mount what they name."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    lines = [line.partition("=") for line in listed.stdout.splitlines()]
    values = {key.rpartition(".")[2]: ast.literal_eval(value) for key, _, value in lines}
    text = "\n".join(["[global]", *(f"{key} = {value}" for key, value in values.items())])
    mounts = []
    for number, path in enumerate(sorted(set(re.findall(r"(?<![\w:/])(?:file://)?(/[^\s]+)", text)), reverse=True)):
        if Path(path).exists():
            whole = Path(path).parent if f"file://{path}" in text else Path(path)  # an index links to files beside it
            text = text.replace(str(path), f"/machine/{number}{str(path)[len(str(whole)) :]}")
            mounts.append(f"--volume={whole}:/machine/{number}:ro")
    return text + "\n", mounts
