"""The register stage alone registers nothing that was not evaluated."""

import re
from pathlib import Path

import pytest

from pipeline.registry import reproduced
from stages import register as stage
from tests.support import project as tree

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
            "expected the section evaluate of params.yaml as the evaluate stage read it, by dvc.lock, got other values",
        ),
        (
            {"params": PARAMS.replace("epochs: 2", "epochs: 3")},
            "expected the section train of params.yaml as the train stage read it, by dvc.lock, got other values",
        ),
    ],
)
def test_what_does_not_belong_together_is_refused(tmp_path, changes, reason):
    with pytest.raises(ValueError, match=f"{re.escape(reason)}; {TODO}"):
        check(tmp_path, **changes)


def test_the_stage_asks_before_it_registers_anything(tmp_path, mlflow_store, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spec = tree.make("asked")
    Path("dvc.lock").write_text(f"stages:\n  evaluate:\n    outs: [{{path: reports/scores.json, md5: {A}}}]\n")
    with pytest.raises(ValueError, match=f"as the evaluate stage wrote it, by dvc.lock with the MD5 {A}, got "):
        tree.registered(spec, hits=3)
    assert not (stage.REPORTS / "registration.json").exists()
