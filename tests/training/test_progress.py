import re
import time

import pytest

from pipeline.training import progress
from pipeline.training.progress import TrainingLine

EPOCH = {"epoch": 2.0, "train/loss": 0.5, "val/loss": 0.75, "val/miou": 0.25, "images_per_second": 12.5}
BEGUN = {"epoch": 1.0, "done": 0.5, "train/loss": 1.0, "images_per_second": 1.0, "memory_bytes": 2.5e9}


class Clock:
    """A clock that a test sets."""

    seconds = 0.0

    def monotonic(self):
        return self.seconds


@pytest.fixture
def clock(monkeypatch):
    """The only clock that progress knows."""
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def tell(line, clock, *events):
    """Tell of an epoch in progress at each time, in seconds: how many epochs are done."""
    for clock.seconds, done in events:
        line.progress({**BEGUN, "epoch": done // 1 + 1, "done": done % 1})


def test_a_finished_epoch_is_a_line_with_the_time_left(capsys, clock):
    with TrainingLine(4) as line:
        tell(line, clock, (100, 0.0))
        clock.seconds = 160
        line.report(EPOCH)  # two epochs took 60 s, two are left
    assert capsys.readouterr().out == (
        "first batch after 100 s\nepoch 2/4  loss 0.500  val loss 0.750  val mIoU 0.250  12.5 images/s  60 s left\n"
    )


def test_an_epoch_that_was_not_validated_has_no_scores(capsys):
    with TrainingLine(4) as line:
        line.report({"epoch": 2.0, "train/loss": 0.5, "images_per_second": 12.5})
    assert capsys.readouterr().out == "epoch 2/4  loss 0.500  12.5 images/s  time left: not known yet\n"


def test_before_an_epoch_is_seen_no_time_is_estimated(capsys):
    with TrainingLine(4) as line:
        line.report(EPOCH)
    assert "time left: not known yet" in capsys.readouterr().out


def test_after_the_last_epoch_nothing_is_left():
    assert TrainingLine(4).left(4.0) == "0 s left"


@pytest.mark.parametrize(("done", "left"), [(0.0, "time left: not known yet"), (0.25, "2 min left")])
def test_the_time_left_is_known_once_something_was_done(capsys, monkeypatch, done, left, clock):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    # A quarter of one of three epochs takes 10 s: 11 quarters are left
    with TrainingLine(3) as line:
        tell(line, clock, (0, 0.0), (10, done))
    assert f"epoch 1/3 {done:4.0%}  loss 1.000  1.0 images/s  {left}" in capsys.readouterr().out


def test_the_estimate_is_said_once_and_without_the_slow_first_steps(capsys, clock):
    with TrainingLine(12, checkpoint_bytes=25_000_000) as line:
        # A hundredth of an epoch in 9 s, then half a one in 20 s: 40 s each
        tell(line, clock, (0, 0.0), (9, 0.01), (10, 0.25), (19, 0.5), (30, 0.75), (40, 1.0), (50, 1.25))
        clock.seconds = 60
        line.report({**EPOCH, "epoch": 1.5})
        assert line._newest.endswith("7 min left")  # 10.75 of 12 epochs
    assert capsys.readouterr().out == (
        "first batch after 0 s\n"
        "estimate: 40 s per epoch, 8 min for 12 epochs; memory 2.5 GB per worker, checkpoints 25.0 MB\n"
        "epoch 2/12  loss 0.500  val loss 0.750  val mIoU 0.250  12.5 images/s  7 min left\n"
    )


def test_a_step_that_takes_longer_than_the_first_seconds_is_an_estimate_of_its_own(capsys, clock):
    with TrainingLine(2) as line:
        tell(line, clock, (0, 0.0), (100, 0.125), (120, 0.25))
    assert "estimate: 3 min per epoch, 5 min for 2 epochs" in capsys.readouterr().out  # 160 s, and twice as long


def test_a_training_that_goes_on_is_estimated_for_what_is_left_of_it(capsys, clock):
    with TrainingLine(12) as line:
        tell(line, clock, (0, 8.0), (10, 8.25), (20, 8.5))
    assert "estimate: 40 s per epoch, 3 min for 4 epochs" in capsys.readouterr().out  # 160 s


def test_small_epochs_count_for_what_they_take(capsys, clock):
    # Of eight small epochs and two four times as long, half an epoch took 30 s
    with TrainingLine(10, work=lambda done: min(done, 8) / 4 + max(done - 8, 0)) as line:
        tell(line, clock, (0, 0.0), (10, 0.25), (40, 0.75))
        assert line._newest.endswith("15 min left")  # 3.8125 of 4 epochs at full size, 240 s each
    assert "estimate: 4 min per epoch at full size, 16 min for 10 epochs, of which some are smaller" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize(("seconds", "is_said"), [(50, False), (50.5, True)])  # of an epoch of twelve
def test_beyond_ten_minutes_it_is_said_where_to_look_for_what_is_faster(capsys, seconds, is_said, clock):
    with TrainingLine(12) as line:
        tell(line, clock, (0, 0.0), (10, 0.0), (10 + seconds, 1.0))
    assert ("checkpoints 0.1 MB; segnet plan says what would be faster\n" in capsys.readouterr().out) == is_said


def test_where_the_output_is_no_terminal_an_epoch_in_progress_is_not_shown(capsys):
    with TrainingLine(3) as line:
        line.progress(BEGUN)
        assert not line._live.is_started
    assert capsys.readouterr().out == "first batch after 0 s\n"


def said_in(intervals, monkeypatch, capsys, *events):
    """Return the lines of a training that goes on for so many intervals after its events."""
    monkeypatch.setattr(progress, "EVERY", 0.2)
    with TrainingLine(3) as line:
        for event in events:
            line.progress(event)
        time.sleep(0.2 * intervals + 0.1)
    return capsys.readouterr().out.splitlines()


def test_where_the_output_is_no_terminal_something_is_said_in_each_interval(monkeypatch, capsys):
    now = {**BEGUN, "train/loss": 0.5, "images_per_second": 2.0}
    first, *later = said_in(3, monkeypatch, capsys, now)
    assert first == "first batch after 0 s"
    assert 2 <= len(later) <= 3
    text = "epoch 1/3  50%  loss 0.500  2.0 images/s  time left: not known yet"
    assert all(re.fullmatch(rf"{re.escape(text)}(, \d s ago)?", line) for line in later)
    assert later[-1].endswith(" ago")  # no news since then


def test_before_the_first_batch_it_says_what_it_waits_for(monkeypatch, capsys):
    lines = said_in(2, monkeypatch, capsys)
    assert 1 <= len(lines) <= 2
    assert all(re.fullmatch(r"waiting for the first batch, for \d s", line) for line in lines)


def test_where_epochs_are_said_often_nothing_is_added(monkeypatch, capsys):
    monkeypatch.setattr(progress, "EVERY", 0.8)
    with TrainingLine(3) as line:
        for _ in range(6):
            line.report(EPOCH)
            time.sleep(0.2)
    assert [text.partition("  ")[0] for text in capsys.readouterr().out.splitlines()] == ["epoch 2/3"] * 6


@pytest.mark.parametrize(("seconds", "left"), [(44.5, "89 s left"), (45.0, "2 min left"), (300.0, "10 min left")])
def test_a_minute_and_a_half_or_more_is_given_in_minutes(capsys, seconds, left, clock):
    with TrainingLine(3) as line:
        tell(line, clock, (0, 0.0))
        clock.seconds = seconds
        line.report({**EPOCH, "epoch": 1.0})  # an epoch took so long, two are left
    assert capsys.readouterr().out.endswith(f"images/s  {left}\n")


def test_on_a_terminal_a_line_shows_the_epoch_in_progress(capsys, monkeypatch, clock):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes any output for a terminal then
    monkeypatch.setenv("TERM", "xterm")
    with TrainingLine(4) as line:
        tell(line, clock, (100, 1.0), (160, 1.5))
    shown = capsys.readouterr().out
    assert "epoch 2/4   0%  loss 1.000  1.0 images/s  time left: not known yet" in shown
    assert "epoch 2/4  50%  loss 1.000  1.0 images/s  5 min left" in shown  # half an epoch took 60 s, 2.5 are left
    assert shown.endswith("\x1b[1A\x1b[2K")  # up a line, which is then erased
