import hashlib
import os
import platform
import re
import site
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from pipeline.tracking import environment, origin, records, store


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


def test_all_files_that_differ_are_named_in_order(checkout):
    for name in ("b.py", "a.py"):
        (checkout / name).write_text("1")
    git(checkout, "add", ".")
    for name in ("b.py", "a.py", "train.py", "dvc.lock"):
        (checkout / name).write_text("2")
    assert environment.changed_files() == ("a.py", "b.py", "train.py")


@pytest.mark.parametrize("name", ["größe.py", 'a "b" c.py', " train .py", "two\nlines.py", "写真.py"])
def test_a_file_of_any_name_is_named_as_it_is(checkout, name):
    (checkout / name).write_text("1")
    git(checkout, "add", ".")
    git(checkout, "commit", "-m", "one more")
    assert name in environment.files_at("HEAD")
    (checkout / name).write_text("2")
    assert environment.changed_files() == (name,)
    assert environment.md5_at("HEAD", name) == hashlib.md5(b"1").hexdigest()


def test_a_checkout_without_a_commit_is_unknown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init")
    assert environment.commit() == ("unknown", "unknown")
    assert environment.changed_files() == ()
    assert environment.files_at("HEAD") is None


def test_the_files_of_a_commit_are_those_it_holds_whatever_lies_in_the_folder(checkout):
    (checkout / "train.py").write_text("2")
    (checkout / "untracked").write_text("2")
    assert environment.files_at("HEAD") == {"train.py", "dvc.lock", "reports/train.json"}
    assert environment.md5_at("HEAD", "train.py") == hashlib.md5(b"1").hexdigest()
    assert environment.files_at("c" * 40) is None


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


def test_an_empty_variable_names_no_job(checkout, monkeypatch):
    known = environment.commit()
    monkeypatch.setenv(origin.VARIABLE, "")
    assert environment.commit() == known


def test_this_machine_is_described(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))  # no program is found there
    memory = re.search(r"MemTotal: +(\d+) kB", Path("/proc/meminfo").read_text())
    assert environment.describe() == {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "memory_bytes": 1024 * int(memory[1]),
        "gpus": [],
        "packages": {
            each.name: metadata.version(each.name) for each in metadata.distributions(path=site.getsitepackages())
        },
    }


def test_a_package_has_the_version_that_is_imported_though_setuptools_brings_another(tmp_path):
    (tmp_path / "zipp-0.1.dist-info").mkdir()
    (tmp_path / "zipp-0.1.dist-info/METADATA").write_text("Name: zipp\nVersion: 0.1\n")
    script = """
import setuptools, sys
from importlib import metadata
from pipeline.tracking import environment
bundled = [place for place in sys.path if place.endswith("_vendor")]
assert {"zipp", "backports.tarfile"} <= {each.name for each in metadata.distributions(path=bundled)}
sys.path.append(sys.argv[1])
packages = environment.describe()["packages"]
print(packages["zipp"], "backports.tarfile" in packages)
"""
    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [metadata.version("zipp"), "False"]


def test_a_program_that_fails_tells_nothing(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'no driver'\nexit 9\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert environment.describe()["gpus"] == []


@pytest.fixture
def run_id(mlflow_store, request):
    return records.create(mlflow_store, "tests", request.node.name, "a-clone", at=1000)


def test_what_a_training_recorded_about_itself_is_read(mlflow_store, run_id, request):
    client = store.client(mlflow_store)
    assert environment.recorded(mlflow_store, run_id) == {"run": request.node.name, "workers": []}
    for tag, value in (("git_commit", "c0ffee"), ("git_dirty", "true"), ("other", "x")):
        client.set_tag(run_id, tag, value)
    for epoch, workers in enumerate((2, 4, 2, 1)):
        client.log_metric(run_id, "workers", workers, step=epoch)
    client.log_dict(run_id, {"python": "3.11", "größe": 1}, "environment.json")
    facts = {"run": request.node.name, "commit": "c0ffee", "dirty": "true", "python": "3.11", "größe": 1}
    assert environment.recorded(mlflow_store, run_id) == {**facts, "workers": [1, 2, 4]}


def test_params_are_those_of_the_run_and_none_if_it_was_erased(mlflow_store, run_id, monkeypatch):
    from mlflow import MlflowClient, MlflowException

    store.client(mlflow_store).log_param(run_id, "train.seed", 3)
    assert environment.recorded_params(mlflow_store, run_id) == {"train.seed": "3"}
    assert environment.recorded_params(mlflow_store, "0" * 32) == {}

    def fail(*_):
        raise MlflowException("the disk is full")

    monkeypatch.setattr(MlflowClient, "get_run", fail)
    with pytest.raises(MlflowException, match="the disk is full"):
        environment.recorded_params(mlflow_store, run_id)


def test_gpus_are_named_as_nvidia_smi_names_them(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    asked = "--query-gpu=name,memory.total,driver_version --format=csv,noheader"
    line = "echo 'NVIDIA H200, 143771 MiB, 570.1'"
    program.write_text(f'#!/bin/sh\n[ "$*" = "{asked}" ] || exit 1\n{line}\n{line}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert environment.describe()["gpus"] == ["NVIDIA H200, 143771 MiB, 570.1"] * 2
