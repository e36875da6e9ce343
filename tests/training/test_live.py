import re
from dataclasses import replace

import numpy as np
import pytest

from pipeline.files import csv_table
from pipeline.training import checkpoint, live, progress
from pipeline.training.trainer import Job
from tests.support import browser, right_to_left, tiny_data
from tests.support.tiny_data import write_tiles
from tests.support.tiny_training import SETTINGS, TINY, ignore


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    return Job(write_tiles(tmp_path_factory.mktemp("toy")), TINY, SETTINGS, (1.0, 3.0))


def epoch(number, miou):
    scores = {f"val/{name}": miou for name in ("miou", "class_accuracy", "global_accuracy", "loss", "iou/road")}
    return {"epoch": float(number), "train/loss": 1.5, "images_per_second": 2.0, **scores, "val/iou/sky": float("nan")}


def text_of(folder):
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", (folder / "live.html").read_text().partition("<body>")[2]))


def epochs_in(folder):
    return [row["epoch"] for row in csv_table.read(folder / "history.csv")]


def test_the_page_is_there_before_the_workers_are(job, tmp_path, caplog):
    caplog.set_level("INFO", "pipeline")
    with live.watched(tmp_path, job, ignore):
        assert "Running. The workers start." in text_of(tmp_path)
        assert '<meta http-equiv="refresh" content="10">' in (tmp_path / "live.html").read_text()
        assert (tmp_path / "live.html").read_text().count("not yet</div>") == 4
    assert caplog.messages == [f"watch it in a browser: {tmp_path / 'live.html'}"]


def test_page_and_history_grow_with_each_epoch(job, tmp_path):
    logged = []
    with live.watched(tmp_path, job, logged.append) as watched:
        watched.report(epoch(1, 0.25))
        watched.report(epoch(2, 0.5))
        assert epochs_in(tmp_path) == ["1.0", "2.0"]
        shown = text_of(tmp_path)
        assert "2 of 3 epochs;" in shown
        assert "Best epoch so far: 2, with mIoU 50.0% on the validation tiles." in shown
        assert "road 50.0% sky n/a" in shown
        html = (tmp_path / "live.html").read_text()
        assert html.count("<polyline") == 5  # two losses, three scores
        assert "epoch 2: mIoU 50%" in html
    assert repr(logged) == repr([epoch(1, 0.25), epoch(2, 0.5)])  # NaN is not equal to itself


def test_a_resumed_training_appends_and_a_repeated_epoch_is_there_once(job, tmp_path):
    with live.watched(tmp_path, job, ignore) as watched:
        watched.report(epoch(1, 0.25))
        watched.report(epoch(2, 0.25))
    with live.watched(tmp_path, job, ignore) as watched:
        assert "2 of 3 epochs" in text_of(tmp_path)
        watched.report(epoch(2, 0.75))
        assert epochs_in(tmp_path) == ["1.0", "2.0"]
        watched.report(epoch(3, 0.75))
    assert [row["val/miou"] for row in csv_table.read(tmp_path / "history.csv")] == ["0.25", "0.75", "0.75"]


@pytest.mark.parametrize(
    "content",
    [
        *(b"\xff", b"epoch,val/miou\n1.0\n", b"loss\n1.0\n", b"epoch\none\n", b"epoch,loss\n,1.0\n"),
        *(b"epoch\n0.0\n1.0\n", b"epoch\nnan\n", b"epoch\n-1.0\n", b"epoch\n1.5\n", b"epoch\ninf\n"),
    ],
)
def test_a_broken_history_is_reported_and_begun_anew(job, tmp_path, caplog, content):
    (tmp_path / "history.csv").write_bytes(content)
    with live.watched(tmp_path, job, ignore) as watched:
        watched.report(epoch(1, 0.25))
    assert "history.csv: expected the history of this run, got " in caplog.text
    assert epochs_in(tmp_path) == ["1.0"]


def test_predictions_are_laid_over_their_tiles(job, tmp_path):
    with live.watched(tmp_path, job, ignore) as watched:
        watched.pictures([np.zeros((16, 32), np.uint8)] * 4)
        watched.report(epoch(1, 0.25))
        html = (tmp_path / "live.html").read_text()
    assert html.count("not yet</div>") == 0
    assert len(re.findall(r'alt="val/\d+: prediction"', html)) == 4
    assert len(re.findall(r'src="data:image/jpeg', html)) == 12


def test_within_an_epoch_the_page_is_written_every_ten_seconds(job, tmp_path, monkeypatch):
    now = {"epoch": 2.0, "done": 0.25, "train/loss": 0.5, "images_per_second": 4.0, "memory_bytes": 1e9}
    with live.watched(tmp_path, job, ignore) as watched:
        watched.progress(now)
        assert "Running. The workers start." in text_of(tmp_path)
        monkeypatch.setattr(live, "_SECONDS", 0.0)
        watched.progress(now)
        assert "Epoch 2 of 3, 25%; loss 0.500; 4.0 images/s; time left" in text_of(tmp_path)
        assert '<progress value="1.25" max="3"' in (tmp_path / "live.html").read_text()


def test_the_end_is_shown_with_all_epochs_and_the_best_is_said(job, tmp_path, caplog):
    caplog.set_level("INFO", "pipeline")
    history = (epoch(1, 0.25), epoch(2, 0.75), epoch(3, 0.5))
    with live.watched(tmp_path, job, ignore) as watched:
        watched.finish(replace(checkpoint.beginning(), history=history, best_epoch=1))
    assert "Finished after 3 of 3 epochs." in text_of(tmp_path)
    assert "refresh" not in (tmp_path / "live.html").read_text()
    assert epochs_in(tmp_path) == ["1.0", "2.0", "3.0"]
    page = tmp_path / "live.html"
    assert caplog.messages[-1] == f"best epoch 2 of 3, val mIoU 0.750; curves and pictures: {page}"


def test_the_page_of_a_finished_training_stays_when_it_is_not_trained_again(job, tmp_path):
    tile = np.zeros((32, 32), np.uint8)
    history = [epoch(number, 0.25) for number in (1, 2, 3)]
    result = replace(checkpoint.beginning(), history=history, best_epoch=0)
    with live.watched(tmp_path, job, ignore) as watched:
        watched.pictures([tile] * 4)
        for row in history:
            watched.report(row)
        watched.finish(result)
    before = (tmp_path / "live.html").read_bytes()
    assert b"not yet</div>" not in before
    with live.watched(tmp_path, job, ignore) as watched:
        watched.finish(result)
    assert (tmp_path / "live.html").read_bytes() == before
    (tmp_path / "live.html").unlink()
    with live.watched(tmp_path, job, ignore) as watched:
        watched.finish(result)
    assert "Finished" in text_of(tmp_path)


def test_a_training_that_ends_early_is_shown_as_stopped(job, tmp_path):
    def interrupt():
        with live.watched(tmp_path, job, ignore) as watched:
            watched.report(epoch(1, 0.25))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert "Stopped after 1 of 3 epochs." in text_of(tmp_path)
    assert "refresh" not in (tmp_path / "live.html").read_text()


def test_the_page_needs_no_network(job, tmp_path):
    with live.watched(tmp_path, job, ignore) as watched:
        watched.report(epoch(1, 0.25))
    html = (tmp_path / "live.html").read_text()
    assert all(target.startswith("data:") for target in re.findall(r'(?:src|href)="([^"]*)"', html))
    assert "<script" not in html


def test_the_terminal_is_written_to_as_well(job, tmp_path, capsys):
    with live.watched(tmp_path, job, ignore) as watched:
        watched.listeners["on_report"](epoch(1, 0.25))
    assert capsys.readouterr().out.startswith("epoch 1/3  loss 1.500")
    assert progress.EVERY == 30.0


@browser.needs_browser
def test_on_a_phone_a_tile_its_mask_and_its_prediction_are_side_by_side(job, tmp_path):
    with live.watched(tmp_path, job, ignore) as watched:
        watched.pictures([np.zeros((16, 32), np.uint8)] * 4)
        watched.report(epoch(1, 0.25))
        with browser.running() as tab:
            tab.window(400)
            tab.open((tmp_path / "live.html").as_uri())
            tops = "[...document.querySelector('.pictures').children].map(each => each.getBoundingClientRect().top)"
            assert len(set(tab.run(tops))) == 1
            assert tab.run("document.documentElement.scrollWidth") <= 400


@pytest.fixture
def named(tmp_path, monkeypatch):
    """A training whose classes are named from right to left, and by a long word."""
    names = (right_to_left.ROAD, "x" * 200)
    monkeypatch.setattr(tiny_data, "CLASSES", replace(tiny_data.CLASSES, names=names))
    job = Job(write_tiles(tmp_path / "named"), TINY, SETTINGS, (1.0, 3.0))
    with live.watched(tmp_path, job, ignore) as watched:
        ious = {f"val/iou/{name}": 0.5 for name in names}
        watched.report(epoch(1, 0.25) | ious)
        yield tmp_path / "live.html"


def test_a_name_from_right_to_left_reorders_nothing(named):
    assert right_to_left.loose(named.read_text()) == []


@browser.needs_browser
def test_a_long_name_breaks_and_a_number_stands_behind_its_name(named):
    number = """(() => {
        const name = document.querySelector('.ious bdi'), range = document.createRange();
        range.selectNodeContents(name.nextSibling);
        const boxes = [...range.getClientRects()];
        return [boxes.length, boxes[0].left >= name.getBoundingClientRect().right - 1];
    })()"""
    with browser.running() as tab:
        for width in (400, 1200):
            tab.window(width)
            tab.open(named.as_uri())
            assert tab.run("document.documentElement.scrollWidth") == width
            assert tab.run(number) == [1, True]
