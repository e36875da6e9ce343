import time

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE

from pipeline.tracking import delivery, records, runs, store
from pipeline.tracking.outbox import UNSENT, Outbox
from tests.support.absent import as_after_a_restart
from tests.support.recorded import curve, recorded
from tests.support.tiny_run import ALL, assert_recorded_once, record_a_training, waiting


def test_a_training_whose_store_is_unreachable_sends_nothing_and_loses_nothing(switch, project, request, caplog):
    name, switch.on = request.node.name, False
    run = runs.start("tests", name)
    record_a_training(run, project)
    assert Outbox(UNSENT / name).kinds() == ALL
    (away, unsent) = (each for each in caplog.messages if "no git commit" not in each)
    assert away.startswith(f"{run.uri} cannot be reached: the store is away; until it answers, ")
    assert away.endswith(f" wait in {(UNSENT / name).absolute()}")
    assert unsent.startswith("13 records (status 2, tags 1, ")
    assert "`segnet sync` once it answers again" in unsent

    switch.on = True
    before = time.time() * 1000
    (sent,) = delivery.sync(UNSENT, store.address())
    assert (sent.training, sent.sent, sent.left, sent.error) == (name, ALL, {}, None)
    assert not (UNSENT / name).exists()
    assert_recorded_once(run)
    info = recorded(run).info
    assert info.start_time <= info.end_time < before
    (first, *_) = store.client(run.uri).get_metric_history(run.run_id, "val/miou")
    assert info.start_time <= first.timestamp <= info.end_time
    assert list(delivery.sync(UNSENT, store.address())) == []


@pytest.mark.parametrize(
    ("kinds", "text"),
    [
        ({}, "0 records ()"),
        ({"tags": 1}, "1 record (tags 1)"),
        ({"tags": 1, "file": 1}, "2 records (tags 1, file 1)"),
        ({"metrics": 12}, "12 records (metrics 12)"),
    ],
)
def test_records_are_counted_in_words(kinds, text):
    assert delivery.counted(kinds) == text


def test_waiting_records_are_sent_first_when_the_store_answers_again(switch, request, caplog):
    name = request.node.name
    run = runs.start("tests", name)
    runs.log_metrics(run, {"a": 0.1}, 1)
    switch.on = False
    runs.log_metrics(run, {"a": 0.2}, 2)
    runs.log_params(run, {"b": 1})
    assert waiting(name) == ["metrics", "params"]
    switch.on = True
    runs.log_metrics(run, {"a": 0.3}, 3)
    assert curve(run, "a") == [(1, 0.1), (2, 0.2), (3, 0.3)]
    assert recorded(run).data.params == {"b": "1"}
    assert not (UNSENT / name).exists()
    assert [message.partition(":")[0] for message in caplog.messages] == ["sqlite", "sqlite"]
    assert caplog.messages[1].endswith("answers again; the waiting records were sent")


def test_the_next_stage_sends_what_the_previous_one_could_not(switch, request, caplog):
    name, switch.on = request.node.name, False
    with runs.running(runs.start("tests", name)):
        pass
    as_after_a_restart()
    caplog.clear()
    switch.on = True
    run = runs.resume("tests", name)
    assert recorded(run).info.status == "FINISHED"
    assert not caplog.messages  # no warning that the run was unknown


def test_between_two_attempts_records_wait(switch, request, monkeypatch):
    run = runs.start("tests", request.node.name)
    switch.on = False
    runs.log_metrics(run, {"a": 0.1}, 1)
    monkeypatch.setattr(delivery, "_PAUSE_SECONDS", 60)
    runs.log_metrics(run, {"a": 0.2}, 2)
    switch.on = True
    runs.log_metrics(run, {"a": 0.3}, 3)
    assert len(waiting(request.node.name)) == 3
    with runs.running(run):
        assert len(waiting(request.node.name)) == 4
    assert curve(run, "a") == [(1, 0.1), (2, 0.2), (3, 0.3)]  # the last record is sent at once


def test_what_the_store_kept_but_did_not_acknowledge_is_not_duplicated(switch, project, request, monkeypatch):
    run = runs.start("tests", request.node.name)
    write, unacknowledged = records.Writer.write, []

    def write_and_lose_the_answer(writer, record):
        write(writer, record)
        if (record.kind, record.at, record.content) not in unacknowledged:
            unacknowledged.append((record.kind, record.at, record.content))
            raise MlflowException("the connection broke", TEMPORARILY_UNAVAILABLE)

    monkeypatch.setattr(records.Writer, "write", write_and_lose_the_answer)
    record_a_training(run, project)
    while Outbox(UNSENT / request.node.name).kinds():
        runs.start("tests", request.node.name)
    assert len(unacknowledged) == 13
    assert_recorded_once(run)


def test_the_load_of_the_machine_waits_too_and_each_sample_has_its_own_step(switch, request, monkeypatch):
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
    run = runs.start("tests", request.node.name)
    for on in (True, False):
        switch.on = on
        with runs.system_metrics(run):
            time.sleep(0.5)
    waiting_load = Outbox(UNSENT / request.node.name).kinds()["load"]
    switch.on = True
    times = [record.at for record in Outbox(UNSENT / request.node.name).records()]
    sent = [step for step, _ in curve(run, "system/cpu_utilization_percentage")]
    assert sent == list(range(len(sent)))
    assert len(sent) > waiting_load > 2
    points = store.client(run.uri).get_metric_history(run.run_id, "system/cpu_utilization_percentage")
    assert [point.timestamp for point in points][-waiting_load:] == times


def test_run_id_and_tags_need_the_store_and_say_so(switch, request):
    switch.on = False
    run = runs.start("tests", request.node.name)
    with pytest.raises(store.UnreachableError, match=r"sqlite:.* cannot be reached: the store is away"):
        _ = run.run_id
    with pytest.raises(store.UnreachableError, match=r"sqlite:.* cannot be reached: the store is away"):
        runs.tags(run)
