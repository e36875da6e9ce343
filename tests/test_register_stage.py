import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scored as examples
from ruamel.yaml import YAML
from tiny_model import SPEC, write_model

from pipeline.files import checkpoint, scores
from pipeline.tracking import registry, runs, store
from stages import evaluate
from stages import register as stage

PARAMS = Path(__file__).with_name("scenes.yaml")


def scored(spec=SPEC, *, hits=1, test_data="d" * 64):
    """Scores of two images of four pixels each: mIoU 1 with four hits, else hits / 8."""
    counts = np.zeros((2, 11, 11), np.int64)
    counts[:, 0, 0], counts[:, 0, 1] = hits, 4 - hits
    return examples.scores(
        run=spec.run,
        dataset=spec.dataset,
        test_data=test_data,
        names=spec.classes.names,
        counts=counts,
        boundaries=np.zeros((2, 11, 5), np.int64),
    )


@pytest.fixture
def project(tmp_path, mlflow_store, monkeypatch, request):
    """A project folder in which train and evaluate have run, and a registered model of its own."""
    tree = YAML(typ="safe").load(PARAMS)
    tree["tracking"]["experiment"] = request.node.name
    monkeypatch.chdir(tmp_path)
    YAML().dump(tree, Path("params.yaml"))
    return replace(SPEC, dataset=request.node.name.replace("_", "-"))


def registered(spec, *, logged=True, **score):
    """Run the stage after a training and an evaluation with these results; return registration.json."""
    if not stage.MODEL.exists() or checkpoint.read_spec(stage.MODEL) != spec:
        write_model(stage.MODEL, spec)
    scores.write(stage.REPORTS, scored(spec, **score), examples.INTERVALS)
    if logged:
        run = runs.start(spec.dataset.replace("-", "_"), spec.run)
        runs.log_files(run, [stage.REPORTS / name for name in scores.READ])  # as the evaluate stage does
    stage.main()
    return json.loads((stage.REPORTS / "registration.json").read_text())


def version(uri, spec, alias):
    return registry.with_alias(uri, f"segnet-{spec.dataset}", alias)


def test_a_better_model_is_promoted_on_evidence_and_an_equal_one_held(project, mlflow_store, capsys):
    name = f"segnet-{project.dataset}"
    first = registered(project, hits=3)
    reasons = ["test mIoU 0.375000 reaches register.min_miou 0.3", "there is no champion yet"]
    assert (first["model"], first["version"], first["verdict"]) == (name, "1", "PROMOTE")
    assert (first["reasons"], first["difference"], first["test_data"]) == (reasons, {}, "d" * 64)
    assert f"register: PROMOTE {name} version 1: test mIoU 0.375000 reaches" in capsys.readouterr().out
    found = version(mlflow_store, project, "champion")
    assert found == version(mlflow_store, project, "challenger")
    assert (found.tags["test_miou"], found.tags["test_data"]) == ("0.375", "d" * 64)
    assert (found.tags["training_run"], found.tags["git_commit"]) == ("run-a", "unknown")
    assert found.tags["validation_status"] == "approved"
    assert found.run_id == runs.start(project.dataset.replace("-", "_"), "run-a").run_id

    assert registered(project, hits=3)["version"] == "1"  # dvc repro --force
    assert "this very model, test mIoU 0.375000, is champion already" in capsys.readouterr().out

    other = replace(project, run="run-b")
    held = registered(other, hits=3)
    assert (held["version"], held["verdict"]) == ("2", "HOLD")
    assert held["difference"]["miou"] == {"estimate": 0, "low": 0, "high": 0}
    written = (stage.REPORTS / "registration.json").read_bytes()
    assert registered(other, hits=3) == held
    assert (stage.REPORTS / "registration.json").read_bytes() == written
    assert f"register: HOLD {name} version 2: its mIoU differs from" in capsys.readouterr().out
    assert version(mlflow_store, project, "champion").number == "1"
    assert version(mlflow_store, project, "challenger").tags["validation_status"] == "held"
    assert registered(other, hits=4, test_data="e" * 64)["verdict"] == "HOLD"
    assert registered(other, hits=1)["verdict"] == "REJECT"  # below min_miou
    assert version(mlflow_store, project, "challenger").tags["validation_status"] == "rejected"

    better = registered(other, hits=4)
    assert (better["version"], better["verdict"]) == ("2", "PROMOTE")
    assert better["difference"]["miou"] == {"estimate": 0.625, "low": 0.625, "high": 0.625}
    assert better["difference"]["iou/Sky"] == {"estimate": 0.25, "low": 0.25, "high": 0.25}
    assert better["rule"]["max_class_loss"] == 0.05
    champion = version(mlflow_store, project, "champion")
    assert (champion.number, champion.tags["validation_status"]) == ("2", "approved")
    assert version(mlflow_store, project, "previous_champion").number == "1"
    assert (
        "the 95% interval +0.625000 to +0.625000 lies above register.min_gain 0"
        in store.client(mlflow_store).get_model_version(name, "2").description
    )


def test_evaluate_logs_what_a_later_comparison_needs():
    assert set(scores.READ) <= set(evaluate.FILES)


def test_a_champion_whose_counts_were_not_logged_holds_a_better_model_back(project):
    assert registered(project, hits=3, logged=False)["verdict"] == "PROMOTE"
    held = registered(replace(project, run="run-b"), hits=4)
    assert held["verdict"] == "HOLD"
    assert "(run run-a) cannot be compared: its MLflow run does not hold the counts" in held["reasons"][0]
    assert held["difference"] == {}
