import pytest

from pipeline.files import charts


def test_a_curve_runs_over_the_plotted_area():
    rows = [{"epoch": 1.0, "loss": 2.0}, {"epoch": 2.0, "loss": float("inf")}, {"epoch": 3.0, "loss": 0.5}]
    chart = charts.learning(rows, {"loss": "the loss", "absent": "no"}, "{:g}".format)
    assert [curve.name for curve in chart.curves] == ["the loss"]
    # x: 50 to 438; y: 2.0 is the top tick, at 14, and 0 at 236
    assert chart.curves[0].points == "50,14 438,180.5"
    assert chart.curves[0].dots[1].text == "epoch 3: the loss 0.5"
    assert [(tick.place, tick.label) for tick in chart.x_ticks] == [(50, "1"), (244, "2"), (438, "3")]
    assert [tick.label for tick in chart.y_ticks] == ["0", "0.5", "1", "1.5", "2"]


def test_a_single_epoch_stands_in_the_middle():
    chart = charts.learning([{"epoch": 1.0, "loss": 2.0}], {"loss": "loss"}, "{:g}".format)
    assert chart.curves[0].points == "244,14"


@pytest.mark.parametrize(
    ("low", "high", "whole", "expected"),
    [
        (0, 0.83, False, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 0.0031, False, [0, 0.001, 0.002, 0.003, 0.004]),
        (0, 0, False, [0]),
        (1, 80, True, [0, 20, 40, 60, 80]),
        (1, 3, True, [1, 2, 3]),
    ],
)
def test_ticks_are_round_numbers(low, high, whole, expected):
    assert charts.ticks(low, high, whole=whole) == expected


def test_a_loss_far_above_the_others_does_not_flatten_them():
    rows = [{"epoch": n, "train/loss": 1.0, "val/loss": loss} for n, loss in ((1, 785.0), (2, 2.0), (3, 1.0))]
    chart = charts.losses(rows)
    assert [tick.label for tick in chart.y_ticks] == ["0", "0.5", "1", "1.5", "> 2"]
    assert [dot.y for dot in chart.curves[1].dots] == [charts.y(1), charts.y(1), charts.y(0.5)]
    assert chart.curves[1].dots[0].text == "epoch 1: validation loss 785"


def test_losses_of_the_usual_range_are_shown_whole():
    rows = [{"epoch": n, "train/loss": loss, "val/loss": loss} for n, loss in ((1, 4.0), (2, 1.0), (3, 0.5))]
    assert [tick.label for tick in charts.losses(rows).y_ticks] == ["0", "1", "2", "3", "4"]


def test_losses_of_zero_are_a_flat_line():
    chart = charts.losses([{"epoch": 1, "train/loss": 0.0}, {"epoch": 2, "train/loss": 0.0}])
    assert {dot.y for dot in chart.curves[0].dots} == {charts.y(0)}
