import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from pipeline.tracking import environment, runs
from pipeline.tracking.delivery import Delivery
from tests.support.recorded import curve, log_elsewhere, recorded


@pytest.fixture
def run(mlflow_store, request):
    return runs.start("tests", request.node.name)


def test_the_same_training_continues_its_run_and_another_gets_its_own(run):
    assert runs.start("tests", recorded(run).info.run_name) == run
    assert runs.start("tests", "another").run_id != run.run_id


def test_resuming_an_unknown_training_creates_its_run_and_logs_it(mlflow_store, caplog):
    run = runs.resume("tests", "trained-elsewhere")
    assert "no run of the training trained-elsewhere" in caplog.text
    assert "dvc repro --force --single-item train evaluate records them" in caplog.text
    caplog.clear()
    assert runs.resume("tests", "trained-elsewhere") == run
    assert not caplog.text


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED"), (SystemExit, "KILLED")]
)
def test_an_error_fails_the_run_and_an_interrupt_kills_it(run, error, status):
    with pytest.raises(error), runs.running(run):
        raise error
    assert recorded(run).info.status == status


def test_an_interrupt_while_the_last_records_are_sent_is_recorded(run, monkeypatch):
    finish = Delivery.finish

    def interrupted(self, record):
        monkeypatch.setattr(Delivery, "finish", finish)
        raise KeyboardInterrupt

    monkeypatch.setattr(Delivery, "finish", interrupted)
    with pytest.raises(KeyboardInterrupt), runs.running(run):
        assert recorded(run).info.status == "RUNNING"
    assert recorded(run).info.status == "KILLED"


def test_a_continued_run_is_running_again_and_then_finished(run):
    for _ in range(2):
        with runs.running(run):
            assert recorded(run).info.status == "RUNNING"
        assert recorded(run).info.status == "FINISHED"
        assert recorded(run).info.end_time >= recorded(run).info.start_time


def test_nested_params_get_dotted_keys(run):
    runs.log_params(run, {"train": {"learning_rate": 3e-3, "zoom": [0.5, 2.0], "loss": "cross_entropy"}})
    runs.log_params(run, {"train": {"learning_rate": 3e-3}, "model": {"name": "segnet"}})
    assert recorded(run).data.params == {
        "train.learning_rate": "0.003",
        "train.zoom": "[0.5, 2.0]",
        "train.loss": "cross_entropy",
        "model.name": "segnet",
    }


def test_more_params_than_a_request_holds_and_longer_ones_than_a_value_holds_are_recorded(run):
    params = {f"p{i}": i for i in range(250)} | {"long": "x" * 7000}
    runs.log_params(run, params)
    runs.log_params(run, params)
    params = recorded(run).data.params
    assert len(params) == 251
    assert params["long"] == "x" * 5997 + "..."


def test_a_changed_param_is_refused(run):
    runs.log_params(run, {"train": {"epochs": 3}})
    with pytest.raises(ValueError, match=r"expected train.epochs = 3, .* got 4; .* delete the run"):
        runs.log_params(run, {"train": {"epochs": 4}})


def test_a_repeated_step_keeps_its_first_point_even_in_a_new_process(run):
    runs.log_metrics(run, {"val/miou": 0.1}, 0)
    runs.log_metrics(run, {"val/miou": 0.2, "val/loss": 2.0}, 1)
    runs.log_metrics(run, {"val/miou": 0.9}, 1)
    runs._delivery.cache_clear()  # as after a restart
    runs.log_metrics(run, {"val/miou": 0.8, "val/loss": 1.0}, 1)
    runs.log_metrics(run, {"val/miou": 0.3}, 2)
    assert curve(run, "val/miou") == [(0, 0.1), (1, 0.2), (2, 0.3)]
    assert curve(run, "val/loss") == [(1, 2.0)]


def test_undefined_values_are_left_out_and_may_come_later(run):
    runs.log_metrics(run, {"a": float("nan"), "b": float("inf"), "c": 1}, 0)
    runs.log_metrics(run, {"a": 0.5}, 1)
    assert recorded(run).data.metrics == {"c": 1.0, "a": 0.5}


def test_class_names_that_mlflow_refuses_are_recorded_nevertheless(run):
    runs.log_metrics(run, {"val/iou/Sign(Symbol)*": 0.5, "val/iou/Straße 1": 0.25}, 0)
    assert recorded(run).data.metrics == {"val/iou/Sign:28:Symbol:29::2a:": 0.5, "val/iou/Straße 1": 0.25}


def test_a_new_score_replaces_the_old_one(run):
    for miou in (0.5, 0.5, 0.4):
        runs.log_scores(run, {"test/miou": miou, "test/iou/Car": float("nan")})
        time.sleep(0.002)  # MLflow counts milliseconds
    assert recorded(run).data.metrics == {"test/miou": 0.4}
    assert len(curve(run, "test/miou")) == 2


def test_a_data_set_keeps_dvcs_hash(run):
    digest = "0123456789abcdef" * 2 + ".dir"
    for _ in range(2):
        runs.log_dataset(run, "scenes", digest, source="data/tiles", context="training")
    (entry,) = recorded(run).inputs.dataset_inputs
    assert (entry.dataset.name, entry.dataset.digest, entry.dataset.source_type) == ("scenes", digest, "local")
    assert json.loads(entry.dataset.source) == {"uri": "data/tiles"}
    assert [(tag.key, tag.value) for tag in entry.tags] == [("mlflow.data.context", "training")]


def test_a_longer_hash_is_refused(run):
    with pytest.raises(ValueError, match=r"expected a digest of at most 36 characters, got a{37}; use DVC's"):
        runs.log_dataset(run, "scenes", "a" * 37, source="data/tiles", context="training")


def test_files_and_folders_are_uploaded(run, tmp_path):
    (tmp_path / "plots").mkdir()
    for name in ("history.csv", "plots/a.png"):
        (tmp_path / name).write_text(name)
    runs.log_files(run, [tmp_path / "history.csv", tmp_path / "plots"], "reports")
    runs.log_files(run, [tmp_path / "history.csv"])
    root = Path(recorded(run).info.artifact_uri.removeprefix("file://"))
    files = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert files == {"history.csv", "reports/history.csv", "reports/plots/a.png"}


def test_the_load_of_the_machine_continues_the_curves_of_an_earlier_attempt(run, monkeypatch, capfd):
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
    for _ in range(2):
        with runs.running(run), runs.system_metrics(run):
            time.sleep(0.5)
    steps = [step for step, _ in curve(run, "system/cpu_utilization_percentage")]
    assert len(steps) >= 2
    assert sorted(steps) == list(range(len(steps)))  # none twice
    assert capfd.readouterr().err == ""


class Meter:
    """Measures 0, 1, 2 ...; the mean of what was measured since it was cleared."""

    sampling_interval = 0.01

    def __init__(self, run_name, tracking_uri):
        self.named, self.monitors, self.measured, self.count = (run_name, tracking_uri), [self], [], 0

    def collect_metrics(self):
        self.measured.append(self.count)
        self.count += 1

    def aggregate_metrics(self):
        if self.count == 4:
            raise OSError("the meter broke")
        return {"load": sum(self.measured) / len(self.measured), "power": float("nan")}

    def clear_metrics(self):
        self.measured.clear()


def test_each_sample_of_the_load_is_of_its_own_time_and_a_meter_that_breaks_stops_no_training(run, monkeypatch, caplog):
    monkeypatch.setattr("mlflow.system_metrics.system_metrics_monitor.SystemMetricsMonitor", Meter)
    with runs.system_metrics(run):
        while len(curve(run, "system/load")) < 3:
            time.sleep(0.02)
        time.sleep(0.1)
    assert curve(run, "system/load") == [(0, 0), (1, 1), (2, 2)]
    assert curve(run, "system/power") == []
    assert caplog.messages == ["stopped recording the load of this machine: the meter broke"]


def test_commit_user_versions_and_hardware_are_recorded(run, tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "commit", lambda: ("0123abcd", "true"))
    runs.log_environment(run)
    tags = runs.tags(run)
    assert (tags["git_commit"], tags["mlflow.source.git.commit"], tags["git_dirty"]) == ("0123abcd", "0123abcd", "true")
    assert tags["mlflow.user"]
    root = Path(recorded(run).info.artifact_uri.removeprefix("file://"))
    document = json.loads((root / "environment.json").read_text())
    assert document["cpus"] == os.cpu_count()
    assert document["memory_bytes"] > 2**28
    assert document["packages"]["torch"].startswith("2.")


def test_another_process_writes_to_the_run(run):
    log_elsewhere(run, {"val/miou": 0.25}, 1)
    assert curve(run, "val/miou") == [(1, 0.25)]


def test_any_class_name_makes_a_key_that_mlflow_takes_and_different_names_different_keys(run):
    names = [
        "door;double door",
        "door:double door",
        "car (parked)",
        "a/b",
        "a//b",
        "/",
        "..",
        "",
        "x\ny",
        "x\ty",
        "Straße",
    ]
    names += ["a,b", "a&b", "a_b", "a:2c:b", "long " * 60 + "1", "long " * 60 + "2"]
    keys = [runs.as_key(f"val/iou/{name}") for name in names]
    assert len(set(keys)) == len(names)
    runs.log_metrics(run, {f"val/iou/{name}": i for i, name in enumerate(names)}, step=1)
    runs.log_params(run, {"class_weight": {name: i for i, name in enumerate(names)}})
    data = recorded(run).data
    assert [data.metrics[key] for key in keys] == list(range(len(names)))
    assert len(data.params) == len(names)


@pytest.mark.parametrize(
    ("name", "key"),
    [("a:b", "a:3a:b"), ("a//b", "a/::/b"), ("a/..", "a/:2e2e:"), ("a;b", "a:3b:b"), ("x\ny", "x:a:y"), ("é", "é")],
)
def test_what_mlflow_refuses_becomes_its_code(name, key):
    assert runs.as_key(name) == key


def test_keys_and_values_are_cut_only_beyond_what_mlflow_keeps():
    assert runs.as_key("k" * 250) == "k" * 250
    assert runs.as_key("k" * 251) == f"{'k' * 233}-{hashlib.sha256(b'k' * 251).hexdigest()[:16]}"
    assert len(runs.as_key("k" * 251)) == 250
    assert runs.as_params({"a": "v" * 6000, "b": "v" * 6001}) == {"a": "v" * 6000, "b": "v" * 5997 + "..."}
    assert runs.as_params({"a": {"b": 1, "c": None, "d": "x"}}) == {"a.b": "1", "a.c": "null", "a.d": "x"}


@pytest.mark.parametrize("name", ["val/miou", "train.learning_rate", "test/iou/Road marking", "system/cpu 1-2_b"])
def test_an_ordinary_name_stays_as_it_is(name):
    assert runs.as_key(name) == name
