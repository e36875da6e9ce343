import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scored as examples
from ruamel.yaml import YAML
from tiny_model import SPEC, write_model

from pipeline import register
from pipeline.files import checkpoint, scores
from pipeline.register import Standing, Verdict, decide
from pipeline.tracking import registry, runs, store
from stages import register as stage

OPTIONS = {"overlap": 0.5, "flip": False}
CANDIDATE = Standing("f-new", "run-new", "data-1", 0.5)
CHAMPION = Standing("f-old", "run-old", "data-1", 0.4)


def judged(candidate=CANDIDATE, champion=CHAMPION, *, min_miou=0.3, min_gain=0.0):
    return decide(candidate, champion, min_miou=min_miou, min_gain=min_gain)


@pytest.mark.parametrize("min_miou", [0.3, 0.5])
def test_the_first_model_that_scores_enough_becomes_champion(min_miou):
    reasons = (f"test mIoU 0.500000 reaches register.min_miou {min_miou}", "there is no champion yet")
    assert judged(champion=None, min_miou=min_miou) == Verdict(True, reasons)


@pytest.mark.parametrize("champion", [None, CHAMPION])
def test_a_model_below_the_minimum_is_refused(champion):
    verdict = judged(champion=champion, min_miou=0.6)
    assert verdict == Verdict(False, ("test mIoU 0.500000 is below register.min_miou 0.6",))


def test_an_undefined_score_is_refused():
    assert not judged(replace(CANDIDATE, miou=float("nan")), None, min_miou=0.0).promote


def test_a_better_model_on_the_same_test_data_becomes_champion():
    verdict = judged(min_gain=0.09)
    assert verdict.promote
    assert verdict.reasons[1] == (
        "it exceeds the champion's 0.400000 (run run-old) by more than register.min_gain 0.09"
    )


@pytest.mark.parametrize(("champion", "min_gain"), [(0.5, 0.0), (0.6, 0.0), (0.375, 0.125), (0.4, 0.2)])
def test_a_tie_and_too_small_a_gain_are_refused(champion, min_gain):
    verdict = judged(champion=replace(CHAMPION, miou=champion), min_gain=min_gain)
    assert not verdict.promote
    assert verdict.reasons[1] == (
        f"it does not exceed the champion's {champion:.6f} (run run-old) by more than register.min_gain {min_gain:g}"
    )


def test_scores_on_other_test_data_are_not_compared():
    verdict = judged(champion=replace(CHAMPION, test_data="data-2", miou=0.1))
    assert not verdict.promote
    assert "(run run-old) was scored on other test data, data-2, than it, data-1" in verdict.reasons[1]
    assert "run dvc repro at the champion's commit with the new test data, or give" in verdict.reasons[1]


def test_the_champion_stays_whatever_it_scores_now():
    again = replace(CHAMPION, test_data="data-2", miou=0.1)
    reason = "this very model, test mIoU 0.100000, is champion already: it stays"
    assert judged(again, CHAMPION) == Verdict(True, (reason,))


@pytest.mark.parametrize("miou", [0.1 + 0.2, float("nan")])
def test_a_standing_survives_as_tags(miou):
    tags = replace(CANDIDATE, miou=miou).tags()
    assert Standing.from_tags({**tags, "other": "x"}).tags() == tags


@pytest.mark.parametrize("broken", [{"test_data": "d"}, {**CANDIDATE.tags(), "test_miou": "good"}])
def test_a_champion_without_its_tags_is_an_error(broken):
    with pytest.raises(ValueError, match=r"expected a champion with the tags .* got .*; remove its alias champion"):
        Standing.from_tags(broken)


def scored(spec=SPEC, *, hits=1, test_data="d" * 64):
    """Scores of four pixels: mIoU 1 with four hits, else hits / 8."""
    counts = np.zeros((1, 11, 11), np.int64)
    counts[0, 0, 0], counts[0, 0, 1] = hits, 4 - hits
    return examples.scores(
        run=spec.run,
        dataset=spec.dataset,
        test_data=test_data,
        names=spec.classes.names,
        ids=("test/a",),
        sequences=("one",),
        counts=counts,
        boundaries=np.zeros((1, 11, 5), np.int64),
    )


def test_a_model_is_known_by_its_files_and_how_it_predicts(tmp_path):
    folder = write_model(tmp_path / "a")
    first = register.standing(folder, scored(), OPTIONS)
    assert (first.run, first.test_data, first.miou) == ("run-a", "d" * 64, 0.125)
    assert register.standing(folder, scored(hits=2), OPTIONS) == replace(first, miou=0.25)
    for changed in ({"overlap": 0.25}, {"flip": True}):
        assert register.standing(folder, scored(), OPTIONS | changed).fingerprint != first.fingerprint
    assert register.standing(write_model(tmp_path / "b", seed=1), scored(), OPTIONS).fingerprint != first.fingerprint


def test_the_scores_of_another_model_are_refused(tmp_path):
    folder = write_model(tmp_path / "a")
    with pytest.raises(ValueError, match=r"scores of .*, run run-a, got those of run run-b; evaluate it again"):
        register.standing(folder, scored(replace(SPEC, run="run-b")), OPTIONS)


@pytest.fixture
def project(tmp_path, mlflow_store, monkeypatch, request):
    """A project folder in which train and evaluate have run, and a registered model of its own."""
    tree = YAML(typ="safe").load(Path("params.yaml"))
    tree["tracking"]["experiment"] = request.node.name
    monkeypatch.chdir(tmp_path)
    YAML().dump(tree, Path("params.yaml"))
    return replace(SPEC, dataset=request.node.name.replace("_", "-"))


def registered(spec, **score):
    """Run the stage after a training and an evaluation with these results; return registration.json."""
    if not stage.MODEL.exists() or checkpoint.read_spec(stage.MODEL) != spec:
        write_model(stage.MODEL, spec)
    scores.write(stage.REPORTS, scored(spec, **score), examples.INTERVALS)
    stage.main()
    return json.loads((stage.REPORTS / "registration.json").read_text())


def version(uri, spec, alias):
    return registry.with_alias(uri, f"segnet-{spec.dataset}", alias)


def test_the_stage_registers_promotes_refuses_and_says_why(project, mlflow_store, capsys):
    experiment, name = project.dataset.replace("-", "_"), f"segnet-{project.dataset}"
    run = runs.start(experiment, project.run)
    reasons = ["test mIoU 0.375000 reaches register.min_miou 0.3", "there is no champion yet"]
    assert registered(project, hits=3) == {"model": name, "version": "1", "verdict": "champion", "reasons": reasons}
    assert f"{name} version 1 is champion: test mIoU 0.375000 reaches" in capsys.readouterr().out
    found = version(mlflow_store, project, "champion")
    assert found == version(mlflow_store, project, "challenger")
    assert (found.tags["test_miou"], found.tags["test_data"]) == ("0.375", "d" * 64)
    assert (found.tags["training_run"], found.tags["git_commit"]) == ("run-a", "unknown")
    assert found.tags["validation_status"] == "approved"
    assert store.client(mlflow_store).get_model_version(name, "1").run_id == run.run_id

    assert registered(project, hits=3)["version"] == "1"  # dvc repro --force
    assert "this very model, test mIoU 0.375000, is champion already" in capsys.readouterr().out

    other = replace(project, run="run-b")
    assert registered(other, hits=3)["verdict"] == "refused"  # a tie
    assert f"{name} version 2 is challenger, not champion: " in capsys.readouterr().out
    assert version(mlflow_store, project, "champion").number == "1"
    assert version(mlflow_store, project, "challenger").tags["validation_status"] == "refused"
    assert registered(other, hits=4, test_data="e" * 64)["verdict"] == "refused"

    assert registered(other, hits=4) == {
        "model": name,
        "version": "2",
        "verdict": "champion",
        "reasons": [
            "test mIoU 1.000000 reaches register.min_miou 0.3",
            "it exceeds the champion's 0.375000 (run run-a) by more than register.min_gain 0",
        ],
    }
    assert version(mlflow_store, project, "champion").tags["test_data"] == "d" * 64
    assert version(mlflow_store, project, "previous_champion").number == "1"
