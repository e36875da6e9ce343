from pipeline.training.progress import TrainingLine

EPOCH = {"epoch": 2.0, "train/loss": 0.5, "val/loss": 0.75, "val/miou": 0.25, "images_per_second": 12.5}


def test_a_finished_epoch_is_a_line_with_the_time_left(capsys):
    times = iter([100.0, 160.0])
    with TrainingLine(4, clock=lambda: next(times)) as line:
        line.progress({"epoch": 1.0, "done": 0.0, "train/loss": 1.0, "images_per_second": 1.0})
        line.report(EPOCH)  # two epochs took 60 s, two are left
    assert capsys.readouterr().out == (
        "epoch 2/4  loss 0.500  val loss 0.750  val mIoU 0.250  12.5 images/s  60 s left\n"
    )


def test_before_an_epoch_is_seen_no_time_is_estimated(capsys):
    with TrainingLine(4) as line:
        line.report(EPOCH)
    assert "time left: not known yet" in capsys.readouterr().out
