import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.artifacts import scores
from pipeline.artifacts.spec import read_spec
from pipeline.files import digest
from pipeline.registry import champion as champions, judge, model_files, versions
from pipeline.registry.versions import RegisteredModel
from pipeline.tracking import store
from stages import register as stage
from tests.support import project as tree


@pytest.fixture
def spec(tmp_path, mlflow_store, monkeypatch, request):
    """The spec of the model in a working tree as left by the earlier stages; each test has its own registered model."""
    monkeypatch.chdir(tmp_path)
    return tree.make(request.node.name[:60].replace("_", "-"))


def holder(uri, spec, alias):
    return versions.with_alias(RegisteredModel(uri, f"segnet-{spec.dataset}"), alias)


def log(uri, spec):
    entries = champions.read(RegisteredModel(uri, f"segnet-{spec.dataset}"))
    return [(entry.kind, entry.version, entry.reign.champion, entry.reign.previous_champion) for entry in entries]


def test_a_better_model_is_promoted_on_evidence_and_an_equal_one_held(spec, mlflow_store, capsys):
    name = f"segnet-{spec.dataset}"
    first = tree.registered(spec, hits=3)
    reasons = ["test mIoU 0.375000 reaches register.min_miou 0.3", "there is no champion yet"]
    assert (first["model"], first["version"], first["verdict"]) == (name, "1", "PROMOTE")
    assert (first["reasons"], first["difference"], first["test_data"]) == (reasons, {}, tree.test_data())
    assert f"register: PROMOTE {name} version 1: test mIoU 0.375000 reaches" in capsys.readouterr().out
    champion = holder(mlflow_store, spec, "champion")
    assert champion == holder(mlflow_store, spec, "challenger")
    assert (champion.tags["test_miou"], champion.tags["validation_status"]) == ("0.375", "approved")
    assert (champion.tags["training_run"], champion.tags["git_commit"]) == ("run-a", "unknown")
    assert champion.tags["data_md5"] == digest.directory_md5(stage.RAW)
    assert champion.tags["promoted_at"].endswith("Z")

    assert tree.registered(spec, hits=3) == first  # dvc repro --force
    assert log(mlflow_store, spec) == [("decided", "1", "1", None)]

    other = replace(spec, run="run-b")
    held = tree.registered(other, hits=3)
    assert (held["version"], held["verdict"]) == ("2", "HOLD")
    assert held["difference"]["miou"] == {"estimate": 0, "low": 0, "high": 0, "better": 0}
    assert tree.registered(other, hits=3) == held
    assert log(mlflow_store, spec) == [("decided", "1", "1", None), ("decided", "2", "1", None)]
    assert f"register: HOLD {name} version 2: its mIoU differs from" in capsys.readouterr().out
    assert holder(mlflow_store, spec, "champion").number == "1"
    assert holder(mlflow_store, spec, "challenger").tags["validation_status"] == "held"
    assert tree.registered(other, hits=1)["verdict"] == "REJECT"  # below min_miou
    assert holder(mlflow_store, spec, "challenger").tags["validation_status"] == "rejected"

    better = tree.registered(other, hits=4)
    assert (better["version"], better["verdict"]) == ("2", "PROMOTE")
    assert better["difference"]["miou"] == {"estimate": 0.625, "low": 0.625, "high": 0.625, "better": 1}
    assert better["difference"]["iou/road"] == {"estimate": 0.25, "low": 0.25, "high": 0.25, "better": 1}
    assert better["rule"]["max_class_loss"] == 0.05
    assert (holder(mlflow_store, spec, "champion").number, log(mlflow_store, spec)[-1]) == (
        "2",
        ("decided", "2", "2", "1"),
    )
    assert holder(mlflow_store, spec, "previous_champion").number == "1"
    client = store.client(mlflow_store)
    introduced = client.get_registered_model(name).description
    assert introduced.startswith(
        f"Semantic segmentation of the data set {spec.dataset}: encoded images in, index masks"
    )
    assert f"models:/{name}@champion is the one to use" in introduced
    described = client.get_model_version(name, "2").description
    page = f"#/experiments/{client.get_run(holder(mlflow_store, spec, 'champion').run_id).info.experiment_id}/models/m-"
    assert described.startswith(f"Model card: [decisions/000004/card.html]({page}")
    assert "the 97.5% interval for challenger 1 on these test images +0.625000 to +0.625000 lies above" in described


def used(registration):
    """The number of the challenger and the level of a registration's gain."""
    return registration["rule"].get("challenger"), registration["rule"].get("gain_level")


def test_each_challenger_on_the_same_images_is_judged_at_a_higher_level_and_one_judged_again_at_its_own(
    registered,
):
    model = registered(3, 3)
    models = {code: tree.named(read_spec(stage.MODEL), code) for code in "abc"}
    assert "challenger" not in champions.read(model)[0].verdict.rule  # there is no champion yet
    assert used(json.loads((stage.REPORTS / "registration.json").read_text())) == (1, 0.975)
    assert used(tree.registered(models["c"], hits=3)) == (2, pytest.approx(1 - 0.05 / 6))
    assert used(tree.registered(models["b"], hits=3)) == (1, 0.975)  # the same verdict, which is not logged again
    log = champions.read(model)
    assert [(entry.kind, entry.version) for entry in log] == [("decided", number) for number in "123"]
    for entry in log[1:]:
        assert judge.judge_again(model, entry, "1").items() <= entry.verdict.to_json().items()
    assert used(tree.registered(models["b"], hits=4)) == (1, 0.975)  # of other scores, it becomes champion
    assert used(tree.registered(models["c"], hits=4)) == (1, 0.975)


def test_the_decision_and_its_evidence_lie_beside_the_version(registered, tmp_path):
    model = registered(3)
    version = versions.with_alias(model, "champion")
    with model_files.evidence(version, version.tags["evidence"]) as folder:
        assert scores.read(folder).run == read_spec(stage.MODEL).run
        assert (folder / "params.yaml").read_bytes() == Path("params.yaml").read_bytes()
        assert json.loads((folder / "lineage.json").read_text())["hashes"]["data/raw"] == version.tags["data_md5"]
    decision = model_files.fetch(version, "decisions/000001", tmp_path / "decision")
    (entry,) = champions.read(model)
    assert json.loads((decision / "verdict.json").read_text()) == entry.to_json()
    assert [json.loads(line) for line in (decision / "promotions.jsonl").read_text().splitlines()] == [entry.to_json()]
    assert "PROMOTE" in (decision / "card.md").read_text()
    assert (decision / "card.html").read_text().startswith("<!doctype html>")


def test_a_champion_scored_on_other_images_is_scored_again_on_these(spec, mlflow_store):
    tree.registered(spec, hits=4, test_data="e" * 64)  # the test images were different then
    second = tree.registered(replace(spec, run="run-b"), hits=3)
    # Random weights on random images: an mIoU far below 0.375.
    assert second["verdict"] == "HOLD"  # the scores set by hand are for 15 images, data/raw has three
    assert "expected the same images, classes and target pixels in the scores of both" in second["reasons"][0]
    champion = holder(mlflow_store, spec, "champion")
    key = f"evidence_on_{tree.test_data()[:16]}"
    with model_files.evidence(champion, champion.tags[key]) as folder:
        rescored = scores.read(folder)
    assert (rescored.run, rescored.test_data, len(rescored.ids)) == ("run-a", tree.test_data(), 3)


def test_a_champion_on_other_images_that_are_not_here_holds(registered):
    registered(3)
    held = tree.registered(tree.named(read_spec(stage.MODEL), "b"), hits=4, test_data="e" * 64)
    assert held["verdict"] == "HOLD"
    assert "was scored on other test data" in held["reasons"][0]
    assert "data/raw does not hold the latter" in held["reasons"][0]
    assert held["difference"] == {}
