"""The register stage alone registers nothing that was not evaluated."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from pipeline.registry import reproduced
from stages import register as stage
from tests.support import ROOT, project as tree

A, B = "a" * 32, "b" * 32
LOCK = f"""
stages:
  train:
    cmd: train
    outs: [{{path: models/segnet, md5: {A}.dir}}, {{path: reports/history.csv, md5: {B}}}]
    params: {{params.yaml: {{train: {{epochs: 2, rates: [1, 0.5]}}}}}}
  evaluate:
    cmd: evaluate
    deps: [{{path: models/segnet, md5: {A}.dir}}, {{path: pipeline/core, md5: {B}.dir}}]
    params: {{params.yaml: {{evaluate: {{flip: false}}}}}}
    outs: [{{path: reports/scores.json, md5: {B}}}]
  register:
    cmd: register
    deps: [{{path: models/segnet, md5: {B}.dir}}]
    params: {{params.yaml: {{register: {{min_miou: 1}}}}}}
    outs: [{{path: reports/registration.json, md5: {A}}}]
"""
PARAMS = "train: {epochs: 2, rates: [1.0, 0.5]}\nevaluate: {flip: false}\nregister: {min_miou: 0.5}\n"
HASHES = {"models/segnet": f"{A}.dir", "reports/scores.json": B, "reports/history.csv": B, "pipeline/core/x.py": A}
TODO = "nothing was registered. Run dvc repro, so that what is registered is what was evaluated; if you ran the stages"


def check(folder, lock=LOCK, params=PARAMS, hashes=HASHES):
    (folder / "dvc.lock").write_text(lock)
    (folder / "params.yaml").write_text(params)
    reproduced.check(folder, hashes)


def test_what_dvc_ran_passes_and_so_does_a_tree_without_dvc_lock(tmp_path):
    reproduced.check(tmp_path, HASHES)
    check(tmp_path)


READ_B = LOCK.replace(f"deps: [{{path: models/segnet, md5: {A}", f"deps: [{{path: models/segnet, md5: {B}")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"hashes": HASHES | {"models/segnet": f"{B}.dir"}},
            f"expected models/segnet as the train stage wrote it, by dvc.lock with the MD5 {A}.dir, got {B}.dir",
        ),
        (
            {"hashes": HASHES | {"reports/scores.json": A}},
            f"expected reports/scores.json as the evaluate stage wrote it, by dvc.lock with the MD5 {B}, got {A}",
        ),
        (
            {"lock": READ_B},
            "expected the evaluate stage to have read models/segnet as the train stage wrote it, by dvc.lock with the "
            f"MD5 {A}.dir, got {B}.dir",
        ),
        (
            {"params": PARAMS.replace("flip: false", "flip: true")},
            "expected evaluate of params.yaml as the evaluate stage read it, by dvc.lock, got another value",
        ),
        (
            {"params": PARAMS.replace("epochs: 2", "epochs: 3")},
            "expected train of params.yaml as the train stage read it, by dvc.lock, got another value",
        ),
    ],
)
def test_what_does_not_belong_together_is_refused(tmp_path, changes, reason):
    with pytest.raises(ValueError, match=f"{re.escape(reason)}; {TODO}"):
        check(tmp_path, **changes)


STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


def test_every_param_that_a_stage_reads_is_found_where_dvc_read_it(tmp_path):
    """DVC writes dvc.lock: what the stages of dvc.yaml read, among it keys within a section, none of them null."""
    keys = {name: stage["params"] for name, stage in STAGES.items() if "params" in stage}
    tree = yaml.safe_load((ROOT / "params.yaml").read_text())
    tree["model"] |= {"start_from": "models:/other@champion", "vgg16": {"path": "vgg16.safetensors", "sha256": None}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree))
    stages = {name: {"cmd": "true", "params": params} for name, params in keys.items()}
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    for command in ("git init --quiet", "dvc init --quiet", "dvc repro --quiet"):
        subprocess.run(command.split(), cwd=tmp_path, check=True)
    reproduced.check(tmp_path, {})
    tree["model"]["start_from"] = "models:/other/2"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree))
    with pytest.raises(
        ValueError, match=r"expected model(\.start_from)? of params\.yaml as the (train|validate) stage"
    ):
        reproduced.check(tmp_path, {})


def test_the_stage_asks_before_it_registers_anything(tmp_path, mlflow_store, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spec = tree.make("asked")
    Path("dvc.lock").write_text(f"stages:\n  evaluate:\n    outs: [{{path: reports/scores.json, md5: {A}}}]\n")
    with pytest.raises(ValueError, match=f"as the evaluate stage wrote it, by dvc.lock with the MD5 {A}, got "):
        tree.registered(spec, hits=3)
    assert not (stage.REPORTS / "registration.json").exists()
