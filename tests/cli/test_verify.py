import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.artifacts.spec import read_spec
from pipeline.cli import app
from pipeline.files import digest, safe_yaml
from pipeline.registry import evidence, versions
from pipeline.registry.versions import RegisteredModel
from stages import register as stage
from tests.support import project as tree
from tests.support.verified import MODEL, ORDER, changed, flipped, git, honest, stored


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    with honest(tmp_path_factory.mktemp("verified")) as uri:
        yield uri


def command(*arguments, code=0):
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == code, (done.output, done.exception)
    return done.output


def test_the_command_prints_each_link_and_whether_all_hold(uri):
    lines = command("verify", "1").splitlines()
    assert [line.split(":")[0].split(maxsplit=1)[1] for line in lines] == ORDER
    with flipped(stored(uri) / "artifacts/segnet/model.safetensors"):
        assert command("verify", "1", code=1).splitlines()[-1] == f"segnet: {MODEL} version 1 is broken at: weights"
        result = json.loads(command("verify", "1", "--json", code=1).partition("\nsegnet:")[0])
        assert (result["whole"], result["links"][-1]["name"]) == (False, "weights")


def test_trace_prints_the_commands_that_reproduce_it(uri):
    head = git("rev-parse", "HEAD").decode().strip()
    lines = command("trace", "1").splitlines()
    assert lines[0] == f"git worktree add --detach ../{MODEL}-1 {head}"
    assert "dvc repro evaluate" in lines
    md5 = digest.directory_md5(stored(uri) / "artifacts/segnet")
    run = versions.version(RegisteredModel(uri, MODEL), "1").tags["training_run"]
    assert lines[-1] == f"# Expected result: training run {run}, models/segnet {md5}, test mIoU 0.375"
    assert command("trace", "1", "--params") == Path("params.yaml").read_text()


@pytest.mark.parametrize(
    ("version", "todo"), [("models:/segnet-a/3", "set model.start_from to models:/segnet-a/3"), (None, "from a folder")]
)
def test_trace_names_the_model_that_it_started_from_since_an_alias_may_move(uri, monkeypatch, version, todo):
    read = evidence.read_lineage
    source = {"version": version, "run": "0123", "sha256": "ab", "classes": ["road"]}
    monkeypatch.setattr(evidence, "read_lineage", lambda folder: replace(read(folder), start_from=source))
    assert f"# It started from the model of training 0123, SHA-256 ab: {todo}" in command("trace", "1")


@pytest.mark.parametrize(
    ("section", "key", "value", "linked"),
    [
        ("dataset", "path", "data/my fields", "data/my fields"),
        ("dataset", "path", "pipeline", None),  # git has it
        *(("dataset", "path", each, None) for each in ("../own", "~/own", "/own", "s3://bucket/own", None)),
        ("model", "start_from", "own/model", "own/model"),
        ("model", "start_from", "models:/segnet-a/3", None),
        ("model", "vgg16", {"path": "vgg16.pth", "sha256": None, "trained_on": "caffe"}, "vgg16.pth"),
        ("model", "vgg16", {"path": "https://host/vgg16.pth", "sha256": "ab", "trained_on": "caffe"}, None),
    ],
)
def test_trace_links_what_git_does_not_bring_along(uri, monkeypatch, section, key, value, linked):
    read = safe_yaml.read

    def changed(path):
        tree = read(path)
        return {**tree, section: {**tree[section], key: value}} if path.name == "params.yaml" else tree

    monkeypatch.setattr(safe_yaml, "read", changed)
    lines = command("trace", "1").splitlines()
    commands = [line for line in lines if "ln -s" in line]
    assert len(commands) == (linked is not None)
    if linked is not None:
        place = Path(f"../{MODEL}-1")
        assert lines.index(commands[0]) == lines.index(f"cd {place}") - 1
        place.mkdir()
        try:
            subprocess.run(["bash", "-c", commands[0]], check=True)
            assert (place / linked).readlink() == Path.cwd() / linked
        finally:
            shutil.rmtree(place)


@pytest.mark.parametrize("tree", [None, [], {}, {"dataset": 3, "model": {}}, {"dataset": {"path": 3}, "model": {}}])
def test_trace_of_params_that_say_nothing_links_nothing(uri, monkeypatch, tree):
    monkeypatch.setattr(safe_yaml, "read", lambda path: tree)
    assert "ln -s" not in command("trace", "1")


def test_trace_without_a_commit_prints_no_command_that_needs_one(uri, monkeypatch):
    read = evidence.read_lineage
    monkeypatch.setattr(evidence, "read_lineage", lambda folder: replace(read(folder), commit="unknown"))
    first, second, *_ = command("trace", "1").splitlines()
    assert first == (
        f"# It was registered outside a git checkout: put the code that trained it into ../{MODEL}-1 first."
    )
    assert second == f"segnet trace 1 --name {MODEL} --params > ../{MODEL}-1/params.yaml"
    result = json.loads(command("trace", "1", "--json"))
    assert (result["commands"][0], result["commit"]) == (second, "unknown")


def test_trace_names_what_differed_from_the_commit(uri):
    code = Path("pipeline/inference/predict.py")
    with changed(code, lambda text: text + b"# later\n"):
        tree.score(read_spec(stage.MODEL), hits=4)
        stage.main()
    text = command("trace", "2")
    assert "# pipeline/inference/predict.py differed from the commit, and only its hash is kept: the result may" in text
    assert json.loads(command("trace", "2", "--json"))["changed"] == ["pipeline/inference/predict.py"]
