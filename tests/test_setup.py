"""`make setup` in a folder of its own, with programs that only note how they are called."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.support import ROOT

PYTHON = """#!/bin/sh
[ "$1" = -c ] && exit 0
mkdir -p .venv/bin
cat > .venv/bin/python <<'END'
#!/bin/sh
echo "python $*" >> calls
case "$*" in *uv==*) exit {pip};; esac
END
cat > .venv/bin/uv <<'END'
#!/bin/sh
echo "uv $*" >> calls
exit {uv}
END
chmod +x .venv/bin/*
"""
PIP = "python -m pip install --quiet --disable-pip-version-check"
UV = "uv pip install --quiet --python .venv/bin/python --torch-backend=auto --requirement requirements.lock"
EDITABLE = f"{PIP} --no-build-isolation --no-deps --editable ."


@pytest.fixture
def setup(tmp_path):
    """Return a function that sets up where installing uv, and uv itself, end with these statuses."""
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)

    def setup(*, pip=0, uv=0):
        (tmp_path / "stub").write_text(PYTHON.format(pip=pip, uv=uv))
        (tmp_path / "stub").chmod(0o755)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
        command = ["make", "-s", "setup", "PYTHON=./stub"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        calls = (tmp_path / "calls").read_text().splitlines() if (tmp_path / "calls").exists() else []
        return done.stdout.splitlines(), [call for call in calls if "uv==" not in call]

    return setup


@pytest.mark.parametrize("options", [[], ["--clear", "--copies"], ["--prompt", "my own"]])
@pytest.mark.parametrize("folder", ["else where", 'of "$HOME" \'and `id`'])
def test_a_virtual_environment_of_another_path_is_left_as_it_is(setup, tmp_path, options, folder):
    elsewhere = tmp_path / folder
    elsewhere.mkdir()
    subprocess.run([sys.executable, "-m", "venv", *options, "--without-pip", ".venv"], cwd=elsewhere, check=True)
    (elsewhere / ".venv").rename(tmp_path / ".venv")
    (tmp_path / ".venv/ready").touch()
    with pytest.raises(subprocess.CalledProcessError) as err:
        setup()
    assert err.value.stderr.splitlines()[0] == (
        f"expected .venv made in {tmp_path}, got {elsewhere}/.venv, which works there alone; if nothing uses it there, "
        "remove .venv and run make again"
    )
    assert not (tmp_path / "calls").exists()
    assert (tmp_path / ".venv/bin/python").exists()


def test_a_virtual_environment_that_was_made_here_or_is_linked_is_used(setup, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", ".venv"], cwd=tmp_path, check=True)
    (tmp_path / ".venv/ready").touch()
    assert setup() == ([], [])
    shared = tmp_path / "shared"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", shared], check=True)
    (shared / "ready").touch()
    shutil.rmtree(tmp_path / ".venv")
    (tmp_path / ".venv").symlink_to(shared)
    assert setup() == ([], [])


@pytest.mark.parametrize("options", [["--prompt", "segnet"], ["--prompt", "my own /one", "--copies"], []])
def test_a_virtual_environment_with_a_prompt_or_made_through_a_link_to_its_folder_is_used(setup, tmp_path, options):
    made_in = tmp_path if options else tmp_path.with_name(f"{tmp_path.name} link")
    if not options:
        made_in.symlink_to(tmp_path)
    subprocess.run([sys.executable, "-m", "venv", *options, "--without-pip", made_in / ".venv"], check=True)
    (tmp_path / ".venv/ready").touch()
    assert setup() == ([], [])


def test_set_up_says_what_it_installs_and_uv_takes_the_torch_that_fits(setup):
    said, calls = setup()
    packages = sum("==" in line for line in (ROOT / "requirements.lock").read_text().splitlines())
    expected = f"set-up: {packages} packages into .venv: 2.7 GB with torch for the CPU, more with CUDA; some minutes"
    assert said == [expected]
    assert calls == [UV, EDITABLE]


@pytest.mark.parametrize(("statuses", "tried"), [({"uv": 2}, [UV]), ({"pip": 1}, [])])
def test_where_uv_cannot_install_pip_takes_over_and_says_so(setup, statuses, tried):
    said, calls = setup(**statuses)
    assert said[1:] == [
        "set-up: uv could not install (see .venv/uv.log); pip takes over, with the torch that its index offers"
    ]
    assert calls == [*tried, f"{PIP} --requirement requirements.lock", EDITABLE]
