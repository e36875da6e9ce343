"""A part of `make torture`: whatever is killed, running dvc repro again finishes with the same model."""

from pathlib import Path

import pytest

from tests.support.kills import Scenario, Torture

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]  # the first test runs all undisturbed


@pytest.fixture(scope="module")
def torture(tmp_path_factory):
    return Torture(tmp_path_factory.mktemp("torture") / "tree")


def test_a_killed_path_goes_on_as_if_nothing_had_happened(torture):
    outcome = torture.run(Scenario("register", "SIGKILL"))
    assert outcome.faults == []
    assert outcome.status != 0


def test_a_clock_that_is_set_back_a_day_meanwhile_changes_nothing(torture):
    libraries = list(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not libraries:
        pytest.skip("no libfaketime here, which sets a process's clock back: install Debian's faketime")
    outcome = torture.run(Scenario("dvc in train", "SIGTERM"), LD_PRELOAD=str(libraries[0]), FAKETIME="-1d")
    assert outcome.faults == []
    assert outcome.again_seconds > 5  # there was work left
