"""Each check finds its cause, and names the fix; what is in order passes."""

import json
import subprocess
import sys
from collections import namedtuple
from importlib import metadata
from pathlib import Path

import psutil
import pytest
import torch

from pipeline.cluster import doctor, local
from pipeline.cluster.doctor import CheckError, Result
from pipeline.files.printable import ManyLinesError


def program(folder, name, script):
    """Put a program of that name first on the PATH of a test."""
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path.parent)


def repository(folder):
    for words in (("init", "-q"), ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a", "--allow-empty")):
        subprocess.run(["git", *words], cwd=folder, check=True)


def test_what_a_check_returns_or_raises_is_its_result():
    def fine():
        return "as it should be"

    def bad():
        raise CheckError("a leak", "close the tap")

    def other():
        raise ValueError("expected water from http://me:secret@tap.example, got none; a leak; call a plumber")

    assert list(doctor.examine({"one": fine, "two": bad, "three": other})) == [
        Result("one", ok=True, detail="as it should be", fix=""),
        Result("two", ok=False, detail="a leak", fix="close the tap"),
        Result("three", False, "expected water from http://tap.example, got none; a leak", "call a plumber"),
    ]
    assert str(CheckError("a leak", "close the tap")) == "a leak; close the tap"


def failed(error):
    def check():
        raise error

    (result,) = doctor.examine({"a": check})
    return result.detail, result.fix


def test_each_of_several_faults_is_shown():
    one = ManyLinesError("a is invalid:", "  b: expected 1, got 2; correct the value")
    assert failed(one) == ("a is invalid: b: expected 1, got 2", "correct the value")
    two = ManyLinesError(*one.args, "  c: expected 3, got 4; remove it")
    lines = "a is invalid:\n  b: expected 1, got 2; correct the value\n  c: expected 3, got 4; remove it"
    assert failed(two) == (lines, "correct each, as its line says")


def test_a_last_line_of_its_own_is_the_fix():
    assert failed(ManyLinesError("expected 1, got 2; or 3", "Set it")) == ("expected 1, got 2; or 3", "Set it")


def test_no_fix_is_empty():
    general = "correct what the error names; if that is nothing of yours, report it as a fault of this program"
    assert failed(ValueError("expected 1, got 2")) == ("expected 1, got 2", general)


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (RuntimeError("it is\naway: http://me:secret@host"), "RuntimeError: it is away: http://host"),
        (json.JSONDecodeError("no; value", "", 0), "JSONDecodeError: no; value: line 1 column 1 (char 0)"),
        (PermissionError(13, "Permission denied", "a"), "PermissionError: [Errno 13] Permission denied: 'a'"),
        (KeyError("x" * 500), "KeyError: '" + "x" * 389),
    ],
)
def test_any_error_is_a_result_and_the_next_check_is_still_made(error, found):
    def check():
        raise error

    first, second = doctor.examine({"MLflow": check, "git": lambda: "fine"})
    fix = "correct MLFLOW_TRACKING_URI, or look after the store that it names: its log, or its file"
    assert (first, second) == (Result("MLflow", False, found, fix), Result("git", True, "fine", ""))


def test_a_missing_package_is_to_be_installed():
    missing = "install psycopg beside this program, or choose what needs no such package"
    assert failed(ModuleNotFoundError("No module named 'psycopg'", name="psycopg"))[1] == missing


def test_what_a_check_of_this_machine_lacks_is_said_of_the_storage_from_here_too():
    assert doctor.failed("storage from here", ValueError("x")).fix == doctor.failed("storage", ValueError("x")).fix


def test_an_error_between_results_is_one_more():
    def results():
        yield Result("a", True, "fine", "")
        raise RuntimeError("gone")

    first, second = doctor.unbroken("cluster", results())
    assert (first.name, second.name, second.ok, second.detail) == ("a", "cluster", False, "RuntimeError: gone")


def test_an_interrupt_ends_all_checks():
    def check():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(doctor.examine({"a": check}))


def test_the_installed_packages_are_the_required_ones():
    assert "packages as pyproject.toml requires" in doctor.packages()


def test_a_package_of_another_version_or_none_is_found(monkeypatch):
    lines = [
        "torch>=2.13,<2.14",
        "not-installed>=1",
        "onnx>=1 ; extra == 'onnx'",
        "python-for-others>=1 ; os_name == 'nt'",
    ]
    monkeypatch.setattr(metadata, "requires", lambda name: lines)
    installed = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "2.12.0" if name == "torch" else installed(name))
    with pytest.raises(CheckError) as found:
        doctor.packages()
    assert found.value.fault == "torch 2.12.0 in place of <2.14,>=2.13, not-installed none in place of >=1"
    assert found.value.fix == "install what requirements.lock pins: make setup"


def test_a_folder_without_a_commit_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckError, match="no git, or no commit here; install git, and commit: results are traced to a"):
        doctor.git()
    repository(tmp_path)
    assert doctor.git().startswith("commit ")
    (tmp_path / "a").touch()
    subprocess.run(["git", "add", "a"], check=True)
    assert doctor.git().endswith(", from which differ: a")


@pytest.mark.slow
def test_no_dvc_no_repository_and_a_dead_remote_are_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(CheckError, match=r"no command dvc; source .venv/bin/activate, after make setup"):
        doctor.dvc()
    monkeypatch.setenv("PATH", path)
    with pytest.raises(CheckError, match="no DVC repository here; work in a clone of the repository"):
        doctor.dvc()
    repository(tmp_path)
    subprocess.run(["dvc", "init", "-q"], check=True)
    assert doctor.dvc().endswith("no default remote: data and models are on this machine alone")
    subprocess.run(["dvc", "remote", "add", "-q", "-d", "far", "ssh://me:secret@127.0.0.1:9/cache"], check=True)
    (tmp_path / "a").write_text("data")
    subprocess.run(["dvc", "add", "-q", "a"], check=True)
    with pytest.raises(CheckError, match="dvc status --cloud fails for the remote far; run it and see") as found:
        doctor.dvc()
    assert "secret" not in str(found.value)
    (tmp_path / "near").mkdir()
    subprocess.run(["dvc", "remote", "modify", "-q", "far", "url", str(tmp_path / "near")], check=True)
    assert doctor.dvc().endswith(", remote far")


def test_a_cache_that_cannot_be_written_to_is_found(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    commands = f'case "$1" in --version) echo 3;; cache) echo {tmp_path}/file/cache;; esac'
    monkeypatch.setenv("PATH", program(tmp_path, "dvc", commands))
    with pytest.raises(CheckError, match=r"file/cache cannot be written to: Not a directory; correct its owner"):
        doctor.dvc()


def test_too_little_memory_is_found(monkeypatch):
    assert doctor.memory().endswith("GB are free")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: namedtuple("Memory", "available")(1_500_000_000))
    with pytest.raises(CheckError, match=r"1.5 GB of memory are free, 3.5 are needed; end other programs, or use"):
        doctor.memory()


def test_too_little_shared_memory_is_found(tmp_path, monkeypatch):
    assert doctor.shared_memory().endswith("GB are free")
    monkeypatch.setattr(local, "STORE_BYTES", 10**15)
    with pytest.raises(CheckError, match=r"MB are free in /dev/shm, 1000000000 are needed; start the container with"):
        doctor.shared_memory()
    monkeypatch.setattr(doctor, "_SHARED", tmp_path / "nothing")
    assert doctor.shared_memory() == "this system has no /dev/shm"


@pytest.mark.parametrize("bound", ["DISK_BYTES", "TEMPORARY_BYTES"])
def test_too_little_disk_is_found(bound, monkeypatch):
    assert doctor.disk().endswith("GB are free")
    monkeypatch.setattr(doctor, bound, 10**18)
    with pytest.raises(CheckError, match=r"GB are free in /.*, 1e\+09 are needed; make room \(segnet prune"):
        doctor.disk()


def test_no_place_for_rays_sockets_is_found(monkeypatch):
    assert doctor.sockets().startswith("in /")
    monkeypatch.setenv("RAY_TMPDIR", "/" + "x" * 40)

    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(local.tempfile, "mkdtemp", full)
    (result,) = doctor.examine({"sockets": doctor.sockets})
    assert (result.ok, result.fix) == (False, "set RAY_TMPDIR to a shorter path")
    assert result.detail.startswith("expected TMPDIR of at most 30 bytes")


def test_a_gpu_that_torch_cannot_use_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", program(tmp_path, "nvidia-smi", "exit 9"))
    assert doctor.gpus() == "none: training runs on the CPU"
    monkeypatch.setenv("PATH", program(tmp_path, "nvidia-smi", "echo NVIDIA X1, 555.1"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(CheckError, match=r"NVIDIA X1, 555.1, which torch .* cannot use; install a build of torch for"):
        doctor.gpus()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert doctor.gpus() == "1 x NVIDIA X1, 555.1"


def test_a_program_that_hangs_or_fails_gives_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "_SECONDS", 0.2)
    monkeypatch.setenv("PATH", program(tmp_path, "dvc", "exec /bin/sleep 9"))
    with pytest.raises(CheckError, match="no command dvc"):
        doctor.dvc()
