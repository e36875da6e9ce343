"""A version predicts with the options that it was evaluated with, and has the params of its training."""

from types import SimpleNamespace

import pytest
from ruamel.yaml import YAML

from pipeline import params
from pipeline.params.model import Vgg16
from pipeline.registry import verify_checks
from pipeline.registry.verify_checks import LINKS, BrokenError
from pipeline.tracking import environment, runs
from tests.registry.test_verify_checks import INPUTS, OPTIONS, subject
from tests.support import SCENES

assert subject  # a fixture


def evaluated_with(subject, **changes):
    tree = {**INPUTS, "evaluate": {**OPTIONS, "seed": 1, **changes}}
    YAML().dump(tree, subject.evidence / "params.yaml")


def test_options_that_the_params_have_too_are_compared(subject):
    evaluated_with(subject)
    assert LINKS["weights"](subject).startswith("fingerprint ")
    evaluated_with(subject, flip=True)
    with pytest.raises(BrokenError, match="expected the option flip that the version predicts with to be True, got F"):
        LINKS["weights"](subject)


def test_an_option_that_an_earlier_program_did_not_have_is_not_compared(subject):
    evaluated_with(subject, precision="bfloat16")
    assert LINKS["weights"](subject).startswith("fingerprint ")


def test_the_path_of_weights_may_lie_elsewhere_but_not_be_other_weights(tmp_path, monkeypatch):
    settings = params.load(SCENES)
    there = Vgg16(path="weights/vgg16.safetensors", sha256="0" * 64, trained_on="caffe")
    model = settings.model.model_copy(update={"vgg16": there})
    tree = {"model": model.model_dump(mode="json"), "train": settings.train.model_dump(mode="json")}
    recorded = runs.as_params(tree) | {"model.vgg16.path": "/home/ann/weights/vgg16.safetensors"}
    settings = SimpleNamespace(model=model, train=settings.train)
    monkeypatch.setattr(params, "load_training", lambda path: settings)
    monkeypatch.setattr(environment, "recorded_params", lambda uri, run_id: recorded)
    version = SimpleNamespace(run_id="a", model=SimpleNamespace(uri="a store"))
    subject = SimpleNamespace(evidence=tmp_path, version=version)
    assert verify_checks._params(subject) == f"{len(recorded) - 1} values"
    recorded["model.vgg16.sha256"] = "1" * 64
    message = f"expected the param model.vgg16.sha256 of the training run to be {'0' * 64}, got {'1' * 64}"
    with pytest.raises(BrokenError, match=message):
        verify_checks._params(subject)
