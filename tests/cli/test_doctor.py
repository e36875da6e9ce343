import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.data import archive, camvid
from pipeline.files.storage import Storage
from tests.support import ROOT, stores

NAMES = ["packages", "params", "data set", "git", "dvc", "memory", "shared memory", "disk", "sockets", "GPUs", "MLflow"]


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A project that Git and DVC keep."""
    folder = tmp_path_factory.mktemp("original")
    shutil.copy(ROOT / "params.yaml", folder)
    author = ("-c", "user.name=a", "-c", "user.email=a@b")
    for words in (("init", "-q"), ("add", "."), (*author, "commit", "-qm", "a")):
        subprocess.run(["git", *words], cwd=folder, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=folder, check=True)
    return folder


@pytest.fixture
def project(original, tmp_path, monkeypatch):
    """A project in which every check passes."""
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", stores.sqlite(tmp_path))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(archive.pooch, "os_cache", lambda name: tmp_path / "cache")
    return tmp_path


def doctor(*words, code=0, **environment):
    done = CliRunner().invoke(app, ["doctor", "--megabytes", "1", *words], env=environment)
    assert done.exit_code == code, done.output
    return done


def test_a_machine_in_order_passes_every_check(project):
    lines = doctor().stdout.splitlines()
    assert [line[7:].partition(":")[0] for line in lines] == NAMES
    assert {line[:6] for line in lines} == {"ok    "}
    assert lines[1] == "ok     params: segnet on scenes, 36 epochs"
    assert lines[2] == "ok     data set: scenes, which the program draws"


@pytest.mark.slow
@pytest.mark.parametrize(("words", "environment"), [((), {"RAY_ADDRESS": ""}), (("--address", ""), {})])
def test_an_empty_address_is_this_machine(project, words, environment):
    assert [line[7:].partition(":")[0] for line in doctor(*words, **environment).stdout.splitlines()] == NAMES


def preset(name, **dataset):
    tree = YAML().load(ROOT / "presets" / f"{name}.yaml")
    tree["dataset"] |= dataset
    YAML().dump(tree, Path("params.yaml"))


def test_what_fails_is_named_with_its_fix_and_the_others_are_still_checked(project):
    preset("folder", path="nowhere")
    done = doctor(code=1)
    assert "FAILS  data set: no folder nowhere\n       fix: correct dataset.path in params.yaml\n" in done.stdout
    assert done.stderr == "segnet: 1 of 11 checks fail: data set\n"


@pytest.mark.slow
def test_what_fails_is_in_the_json(project):
    preset("folder", path="nowhere")
    tree = json.loads(doctor("--json", code=1).stdout)
    assert tree["ok"] is False
    assert [check["name"] for check in tree["checks"] if not check["ok"]] == ["data set"]


@pytest.mark.slow
def test_each_fault_of_params_is_told_once(project):
    (project / "params.yaml").write_text("a: 1\nb: 2")
    done = doctor(code=1)
    assert done.stderr == "segnet: 2 of 11 checks fail: params, data set\n"
    assert "FAILS  params: params.yaml is invalid:\n" in done.stdout
    assert done.stdout.count("  a: expected no such key; correct its name or remove it\n") == 1
    assert done.stdout.count("  b: expected no such key; correct its name or remove it\n") == 1
    assert "       fix: correct each, as its line says\n" in done.stdout
    assert "FAILS  data set: not known without params.yaml\n       fix: correct params.yaml first\n" in done.stdout


@pytest.mark.slow
def test_the_images_of_a_folder_are_found(project):
    preset("folder", path="own")
    (project / "own").mkdir()
    assert "ok     data set: in own" in doctor().stdout


@pytest.mark.slow
def test_the_images_of_an_object_store_are_counted(project, bucket):
    preset("folder", path=bucket)
    assert (
        f"FAILS  data set: expected files below {bucket}, got none\n       fix: correct dataset"
        in doctor(code=1).stdout
    )
    Storage(bucket).put("images/1.png", b"x")
    assert f"ok     data set: 1 files in {bucket}" in doctor().stdout


@pytest.mark.slow
def test_a_storage_is_tried_out_where_one_is_set(project, bucket, monkeypatch):
    monkeypatch.setenv("SEGNET_STORAGE", bucket)
    assert doctor().stdout.splitlines()[-1] == f"ok     storage: {bucket}, written, read and removed"
    assert Storage(bucket).names() == []
    monkeypatch.setenv("SEGNET_STORAGE", "s3://no-such-bucket/x")
    done = doctor(code=1)
    assert "FAILS  storage: expected to write s3://no-such-bucket/x/trial-" in done.stdout
    assert "got NoSuchBucket\n       fix: create the bucket or container, or correct the address" in done.stdout
    assert done.stderr == "segnet: 1 of 12 checks fail: storage\n"
    (project / "params.yaml").write_text("a: 1")
    assert doctor(code=1).stderr == "segnet: 2 of 11 checks fail: params, data set\n"


@pytest.mark.slow
def test_camvid_is_looked_for_in_cache_and_mirror(project, monkeypatch):
    preset("camvid_cpu")
    monkeypatch.setattr(camvid, "URL", "http://127.0.0.1:9/nothing.zip")
    monkeypatch.setenv("SEGNET_MIRROR", str(project / "mirror"))
    assert "fix: Check the network, or set SEGNET_MIRROR to a folder" in doctor(code=1).stdout
    (project / "mirror").mkdir()
    (project / "mirror" / camvid.ARCHIVE).touch()
    assert f"ok     data set: {project}/mirror/{camvid.ARCHIVE}" in doctor().stdout
    (project / "cache").mkdir()
    (project / "cache" / camvid.ARCHIVE).touch()
    assert f"ok     data set: {project}/cache/{camvid.ARCHIVE}" in doctor().stdout


def test_a_store_that_does_not_answer_is_found(project, monkeypatch):
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")  # which the program sets, and which is restored after the test
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    done = doctor(code=1)
    assert "FAILS  MLflow: http://127.0.0.1:9 cannot be reached" in done.stdout
    assert "secret" not in done.output
    assert "       fix: start the server, or correct MLFLOW_TRACKING_URI\n" in done.stdout


@pytest.mark.parametrize(
    ("address", "detail", "fix"),
    [
        pytest.param(
            "sqlite:///{here}/params.yaml",
            "DatabaseError: ",
            "correct MLFLOW_TRACKING_URI, or look after the store",
            marks=pytest.mark.slow,
        ),
        ("postgresql+absent://u:secret@127.0.0.1:9/x", "NoSuchModuleError: ", "correct MLFLOW_TRACKING_URI, or look"),
    ],
)
def test_whatever_a_store_is_all_checks_are_told(project, monkeypatch, address, detail, fix):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address.format(here=project))
    monkeypatch.setenv("SEGNET_STORAGE", (project / "shared").as_uri())
    done = doctor("--json", code=1)
    found = json.loads(done.stdout)["checks"]
    assert [check["name"] for check in found] == [*NAMES, "storage"]
    [failed] = [check for check in found if not check["ok"]]
    assert failed["name"] == "MLflow"
    assert failed["detail"].startswith(detail)
    assert failed["fix"].startswith(fix)
    assert "secret" not in done.output
    assert done.stderr.endswith("segnet: 1 of 12 checks fail: MLflow\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "name"),
    [("127.0.0.1:9", "cluster"), ("http://127.0.0.1:9", "jobs")],
)
def test_a_cluster_is_not_asked_with_params_that_are_invalid_and_this_is_told(project, monkeypatch, address, name):
    monkeypatch.setenv("RAY_ADDRESS", "")  # which the program sets, and which is restored after the test
    (project / "params.yaml").write_text("a: 1")
    found = json.loads(doctor("--json", "--address", address, code=1).stdout)["checks"]
    assert [check["name"] for check in found] == [*NAMES, name]
    assert (found[-1]["detail"], found[-1]["fix"]) == ("not known without params.yaml", "correct params.yaml first")
