import json

import pytest

from pipeline.artifacts.verdict import Outcome, Verdict, write_verdict
from pipeline.core.bootstrap import Difference


def test_a_verdict_is_written_with_its_numbers_and_rule(tmp_path):
    nothing = float("nan")
    gains = {"miou": Difference(0.5, 0.25, 0.75, 1.0), "iou/car": Difference(nothing, nothing, nothing, nothing)}
    verdict = Verdict(Outcome.HOLD, ("one", "two"), "d" * 64, {"min_gain": 0.5, "max_calibration_error": None}, gains)
    path = tmp_path / "registration.json"
    write_verdict(path, "segnet-toy", "3", verdict)
    assert json.loads(path.read_text()) == {
        "model": "segnet-toy",
        "version": "3",
        "verdict": "HOLD",
        "reasons": ["one", "two"],
        "test_data": "d" * 64,
        "rule": {"min_gain": 0.5, "max_calibration_error": None},
        "difference": {
            "miou": {"estimate": 0.5, "low": 0.25, "high": 0.75, "better": 1.0},
            "iou/car": {"estimate": None, "low": None, "high": None, "better": None},
        },
    }


def test_a_verdict_survives_as_json():
    nothing = float("nan")
    gains = {"miou": Difference(0.5, 0.25, 0.75, 1.0), "iou/car": Difference(nothing, nothing, nothing, nothing)}
    verdict = Verdict(Outcome.REJECT, ("one",), "d" * 64, {"min_gain": 0.5}, gains)
    again = Verdict.from_json(json.loads(json.dumps(verdict.to_json())))
    assert (again.to_json(), again.outcome, again.reasons) == (verdict.to_json(), Outcome.REJECT, ("one",))


@pytest.mark.parametrize(("outcome", "status"), [("PROMOTE", "approved"), ("HOLD", "held"), ("REJECT", "rejected")])
def test_an_outcome_is_a_validation_status(outcome, status):
    assert Outcome[outcome].status == status
