"""What `segnet crossvalidate` says of each fold."""

from dataclasses import replace

import pytest

from pipeline.cli import crossvalidate as command
from tests.cli.test_crossvalidate import FOLDS, OUTCOME

LONG = "drive_" + "x" * 60


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ("a, b, c", "a, b, c"),
        (", ".join(f"drive_{i:02}" for i in range(6)), "drive_00, drive_01, drive_02, drive_03, drive_04, drive_05"),
        (", ".join(["x" * 29, "y" * 29]), f"{'x' * 29}, {'y' * 29}"),  # 60 characters
        (", ".join(["x" * 29, "y" * 29, "z"]), f"{'x' * 29}, {'y' * 29} and 1 more"),
        (", ".join(["x" * 29, "y" * 30, "z"]), f"{'x' * 29} and 2 more"),
        (f"{LONG}, b", f"{LONG} and 1 more"),
        (f"{LONG}, part 1 of 2", f"{LONG}, part 1 of 2"),
    ],
)
def test_of_many_sequences_the_first_are_named_whole_and_the_others_counted(capsys, held, said):
    command._show(replace(OUTCOME, folds=(replace(FOLDS[0], fold=held),)))
    assert capsys.readouterr().out.startswith(f"fold 1, {said}: mIoU 0.2500 on 2 images held out; 4 learnt from")
