"""A part of what `make torture` does: whatever is killed, dvc repro again finishes with the same model."""

import pytest
from kills import Scenario, Torture

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]  # the first test runs the path undisturbed


@pytest.fixture(scope="module")
def torture(tmp_path_factory):
    return Torture(tmp_path_factory.mktemp("torture") / "tree")


@pytest.mark.parametrize(
    ("target", "signal"),
    [("tile", "SIGKILL"), ("register", "SIGKILL"), ("driver", "SIGKILL"), ("dvc in train", "SIGTERM")],
)
def test_a_killed_path_goes_on_as_if_nothing_had_happened(torture, target, signal):
    outcome = torture.run(Scenario(target, signal))
    assert outcome.faults == []
    assert outcome.status != 0
