"""What the section evaluate hands on to predictions."""

from inspect import signature

from pipeline import params
from pipeline.inference import predict
from tests.support import SCENES

EVALUATE = params.load(SCENES).evaluate


def test_every_option_of_a_prediction_is_given_and_no_other():
    options = [name for name in signature(predict.load).parameters if name != "folder"]
    assert sorted(EVALUATE.predicting()) == sorted(options)


def test_a_registered_model_keeps_what_its_masks_depend_on_but_not_how_many_windows_are_predicted_together():
    assert EVALUATE.predicting().keys() - EVALUATE.serving().keys() == {"batch_size"}
    changed = EVALUATE.model_copy(update={"scales": (0.5, 1.0), "flip": True})
    assert (changed.serving()["scales"], changed.serving()["flip"]) == ([0.5, 1.0], True)
