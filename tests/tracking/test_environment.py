import os
import subprocess

import pytest

from pipeline.tracking import environment, origin


def git(folder, *command):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", folder, *identity, *command], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reports").mkdir()
    for name in ("train.py", "dvc.lock", "reports/train.json"):
        (tmp_path / name).write_text("1")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "all")
    return tmp_path


def test_the_commit_is_clean_though_a_run_changes_dvc_lock_and_reports(checkout):
    for name in ("dvc.lock", "reports/train.json", "untracked"):
        (checkout / name).write_text("2")
    head = (checkout / ".git/refs/heads").iterdir().__next__().read_text().strip()
    assert environment.commit() == (head, "false")
    assert environment.changed_files() == ()


def test_the_commit_is_dirty_when_code_differs(checkout):
    (checkout / "train.py").write_text("2")
    assert environment.commit()[1] == "true"
    assert environment.changed_files() == ("train.py",)


def test_outside_a_checkout_the_commit_is_unknown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert environment.commit() == ("unknown", "unknown")


@pytest.mark.parametrize(("changed", "dirty"), [((), "false"), (("params.yaml",), "true")])
def test_in_a_job_the_commit_is_the_submitters(checkout, monkeypatch, changed, dirty):
    (checkout / "train.py").write_text("the checkout itself is not asked")
    origin.write(checkout / "origin.json", origin.Origin("a" * 40, changed, "0" * 64))
    monkeypatch.setenv(origin.VARIABLE, str(checkout / "origin.json"))
    assert environment.commit() == ("a" * 40, dirty)
    assert environment.changed_files() == changed


def test_a_job_without_its_origin_says_so_rather_than_unknown(checkout, monkeypatch):
    monkeypatch.setenv(origin.VARIABLE, str(checkout / "absent.json"))
    with pytest.raises(ValueError, match=r"absent\.json: expected where this job's files came from: .*submit the job"):
        environment.commit()


def test_gpus_are_named_as_nvidia_smi_names_them(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA H200, 143771 MiB, 570.1'\necho 'NVIDIA H200, 143771 MiB, 570.1'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert environment.describe()["gpus"] == ["NVIDIA H200, 143771 MiB, 570.1"] * 2
