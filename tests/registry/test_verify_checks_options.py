"""A version predicts with the options that it was evaluated with."""

import pytest
from ruamel.yaml import YAML

from pipeline.registry.verify_checks import LINKS, BrokenError
from tests.registry.test_verify_checks import INPUTS, OPTIONS, subject

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
