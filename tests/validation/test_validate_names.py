"""Class names that `segnet init` leaves to be filled in."""

import dataclasses

import pytest

from pipeline.artifacts import manifest as manifests
from stages import validate as stage


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("class_0", "sky"), "class_0 is a name to fill in"),
        (("class_0", "class_255"), "class_0, class_255 are names to fill in"),
        (("colour_ff0080", "class_x"), "colour_ff0080 is a name to fill in"),
    ],
)
def test_names_that_were_not_filled_in_are_said_and_do_not_stop_the_path(project, capsys, names, words):
    manifests.write(dataclasses.replace(project, classes=dataclasses.replace(project.classes, names=names)), stage.RAW)
    stage.main()
    words += ": write what each is in dataset.classes of params.yaml; pages, metrics and the registry have these names"
    assert capsys.readouterr().out.startswith(f"note: {words} otherwise, and other names later are another training\n")
    assert f"<strong>Classes without names.</strong> {words}" in stage.PAGE.read_text()


def test_names_that_were_filled_in_are_not_mentioned(project, capsys):
    manifests.write(project, stage.RAW)
    stage.main()
    assert capsys.readouterr().out == "validate: 14 checks, 0 with a warning; see reports/validation.html\n"
    assert "Classes without names" not in stage.PAGE.read_text()
