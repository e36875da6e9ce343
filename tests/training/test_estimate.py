from pipeline.training import estimate


def test_a_training_is_as_many_times_an_epoch():
    assert estimate.in_words(42.4, 1272, 30) == "42 s an epoch, 21 min for 30 epochs"
    assert estimate.in_words(0.25, 0.5, 2) == "0.2 s an epoch, 0.5 s for 2 epochs"
