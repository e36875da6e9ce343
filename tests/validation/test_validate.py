import dataclasses
import socket
import tempfile

import pytest

from pipeline.artifacts import manifest as manifests, validation
from pipeline.artifacts.validation import Finding, Offender
from pipeline.params.steps import Severities, Validate
from pipeline.validation import validate
from stages import validate as stage
from tests.support.tiny_dataset import change, drop, flip, make, value

CHECKS = tuple(Severities.model_fields)


def settings(**severities):
    return Validate(
        severities=Severities(**{**dict.fromkeys(CHECKS, "error"), **severities}),
        near_duplicate_bits=8,
        max_class_share_ratio=4.0,
        min_contrast=4.0,
        max_void_share=0.25,
    )


@pytest.fixture
def manifest(tmp_path):
    return make(tmp_path)


UNREADABLE = {"problem": "image: broken", "height": 0, "width": 0, "contrast": 0.0, "phash": ""}
WITHOUT_MASK = {"mask": "", "mask_height": 0, "mask_width": 0, "pixels": [0, 0, 0]}
# For each check: how its defect is planted, and the name that must be reported.
PLANTED = {
    "unreadable_image": (lambda m: change(m, ["val/1"], **UNREADABLE), "val/1"),
    "missing_pair": (lambda m: change(m, ["train/1"], **WITHOUT_MASK), "train/1"),
    "size_mismatch": (lambda m: change(m, ["val/2"], mask_width=20), "val/2"),
    "orientation_mismatch": (lambda m: change(m, ["train/2"], orientation=3), "train/2"),
    "label_outside_table": (lambda m: change(m, ["test/0"], outside=7, labels_outside="9 (7 px)"), "test/0"),
    "duplicate_across_splits": (
        lambda m: change(m, ["test/2"], sha256=value(m, "train/0", "sha256"), phash=value(m, "train/0", "phash")),
        "train/0 = test/2",
    ),
    "class_without_training_pixels": (lambda m: change(m, ["train/"], pixels=[1152, 0, 128]), "sky"),
    "empty_split": (lambda m: drop(m, "val"), "val"),
    "all_void_mask": (lambda m: change(m, ["test/1"], pixels=[0, 0, 1280]), "test/1"),
    "near_duplicate_across_splits": (
        lambda m: change(m, ["val/0"], phash=flip(value(m, "train/2", "phash"), 8)),
        "train/2 ~ val/0",
    ),
    "shared_sequence_across_splits": (lambda m: change(m, ["val/0"], sequence="train street"), "train street"),
    "class_share_shift": (lambda m: change(m, ["val/"], pixels=[1025, 127, 128]), "sky"),
    "blank_image": (lambda m: change(m, ["train/2"], contrast=3.9), "train/2"),
    "void_share": (lambda m: change(m, ["test/"], pixels=[530, 429, 321]), "test"),
}
# Defects that fail other checks too.
ALSO = {"class_without_training_pixels": ["class_share_shift"], "all_void_mask": ["void_share"]}


def plant(manifest, check):
    """Return the manifest with the defect of `check`, and the name that must be reported."""
    change_it, name = PLANTED[check]
    return change_it(manifest), name


def test_a_clean_data_set_passes_every_check_in_the_order_of_params(manifest):
    validation = validate.run(manifest, settings())
    assert [finding.check for finding in validation.findings] == list(CHECKS)
    assert all(finding.ok and finding.offenders == () for finding in validation.findings)
    assert validation.ok


@pytest.mark.parametrize("check", CHECKS)
def test_a_defect_fails_its_check_and_is_named(check, manifest):
    planted, name = plant(manifest, check)

    validation = validate.run(planted, settings())

    failed = {finding.check: [offender.name for offender in finding.offenders] for finding in validation.errors}
    assert failed.pop(check) == [name]
    assert list(failed) == ALSO.get(check, [])


def test_params_decide_the_severity_of_each_check(manifest):
    severities = {check: ("error", "warning")[i % 2] for i, check in enumerate(CHECKS)}
    validation = validate.run(manifest, settings(**severities))
    assert {finding.check: finding.severity for finding in validation.findings} == severities


def test_a_warning_is_told_and_does_not_stop_the_path(manifest):
    planted, name = plant(manifest, "missing_pair")
    validation = validate.run(planted, settings(missing_pair="warning"))
    assert validation.ok
    assert [offender.name for offender in validation.warnings[0].offenders] == [name]


@pytest.mark.parametrize("check", ["unreadable_image", "missing_pair", "size_mismatch"])
def test_a_warning_says_what_is_left_out(manifest, check):
    planted, _ = plant(manifest, check)
    for severity, ends in (("warning", True), ("error", False)):
        (finding,) = (f for f in validate.run(planted, settings(**{check: severity})).findings if f.check == check)
        assert finding.observed.endswith(" fail, and are left out of tiles and scores") is ends


def test_sizes_that_differ_for_the_orientation_say_so(manifest):
    turned = change(manifest, ["val/2"], orientation=6, height=40, width=32)
    (finding,) = validate.run(turned, settings()).errors
    detail = "image 32 x 40, mask 40 x 32 pixels; EXIF orientation 6 of the image, 1 of the mask"
    todo = ": they fit as they are stored; if they match so, remove the tag"
    assert (finding.check, finding.offenders[0].detail) == ("size_mismatch", detail + todo)
    (finding,) = validate.run(change(turned, ["val/2"], width=31), settings()).errors
    assert finding.offenders[0].detail == detail.replace("32 x 40", "31 x 40")


def test_an_orientation_in_doubt_says_what_to_look_at_and_what_to_do(manifest):
    planted, _ = plant(manifest, "orientation_mismatch")
    (finding,) = validate.run(planted, settings()).errors
    assert finding.offenders[0] == Offender(
        "train/2",
        "EXIF orientation 3 of the image, 1 of the mask; if the two do not match as shown on the page, "
        "remove the tag; if they do, make this a warning",
        ("train/2",),
    )


def test_values_on_the_bound_pass(manifest):
    manifest = change(manifest, ["train/0"], contrast=4.0)
    manifest = change(manifest, ["val/"], pixels=[768, 96, 288])  # 3 quarters labelled; sky 1 / 9, in train 4 / 9
    manifest = change(manifest, ["val/0"], phash=flip(value(manifest, "train/2", "phash"), 9))
    assert validate.run(manifest, settings()).ok


def test_a_mask_without_an_image_is_a_missing_pair(manifest):
    alone = {"image": "", "sha256": "", "sequence": "", "phash": "", "height": 0, "width": 0, "contrast": 0.0}
    validation = validate.run(change(manifest, ["val/0"], **alone), settings())
    assert [finding.check for finding in validation.errors] == ["missing_pair"]
    assert validation.errors[0].offenders == (Offender("val/0", "no image", ("val/0",)),)


def test_what_is_expected_and_observed_is_said_in_words(manifest):
    planted, _ = plant(manifest, "blank_image")
    (blank,) = validate.run(planted, settings()).errors
    assert blank.expected == "the grey values of an image have a standard deviation of at least 4"
    assert blank.observed == "1 of 9 images fail; smallest: 3.9"


def test_a_data_set_without_images_has_three_empty_splits(manifest):
    for split in manifests.SPLITS:
        manifest = drop(manifest, split)
    validation = {finding.check: finding for finding in validate.run(manifest, settings()).findings}
    assert [offender.name for offender in validation["empty_split"].offenders] == ["train", "val", "test"]
    assert validation["blank_image"].observed == "0 of 0 images fail"


def test_judging_calls_nobody_prints_nothing_and_leaves_no_files(manifest, tmp_path, monkeypatch, capfd):
    def refuse(*_):
        raise AssertionError("a connection was opened")

    home, temporary = tmp_path / "home", tmp_path / "temporary"
    for folder in (home, temporary):
        folder.mkdir()
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("HOME", str(home))
    capfd.readouterr()

    validate.run(manifest, settings())

    assert capfd.readouterr() == ("", "")
    assert [*home.iterdir(), *temporary.iterdir()] == []


def test_an_expectation_that_cannot_be_judged_is_an_error(manifest, monkeypatch):
    judge = validate._judge

    def without_contrast(extremes, bounds, settings):
        return judge({**extremes, "blank_image": "grey"}, bounds, settings)

    monkeypatch.setattr(validate, "_judge", without_contrast)
    with pytest.raises(RuntimeError, match="Great Expectations could not judge blank_image"):
        validate.run(manifest, settings())


def test_a_description_names_ten_and_counts_the_rest():
    offenders = tuple(Offender(f"train/{i}", "no mask", ()) for i in range(12))
    text = validate.describe(Finding("missing_pair", "error", False, "", "12 of 40 images fail", offenders))
    assert text.startswith("missing pair: 12 of 40 images fail: train/0 (no mask), train/1 (no mask), ")
    assert text.endswith("train/9 (no mask), and 2 more")
    text = validate.describe(Finding("missing_pair", "error", False, "", "", offenders, unnamed=90_000))
    assert text.endswith("train/9 (no mask), and 90,002 more")


def test_the_first_of_very_many_are_named_and_the_others_counted(manifest, monkeypatch):
    monkeypatch.setattr(validate, "MAX_OFFENDERS", 2)
    without = change(manifest, ["train/", "val/"], **WITHOUT_MASK)
    [finding] = [each for each in validate.run(without, settings()).findings if each.check == "missing_pair"]
    assert [offender.name for offender in finding.offenders] == ["train/0", "train/1"]
    assert (finding.unnamed, finding.failing, finding.observed) == (4, 6, "6 of 9 images fail")


# The stage --------------------------------------------------------------------------------------------------------


def test_the_stage_writes_the_report_and_the_page_and_prints_warnings(project, capsys):
    planted, _ = plant(project, "shared_sequence_across_splits")
    manifests.write(planted, stage.RAW)

    stage.main()

    assert validation.read(stage.REPORT).ok
    assert "Passed with 1 warning" in stage.PAGE.read_text()
    warning, last = capsys.readouterr().out.splitlines()
    assert warning.startswith("warning: shared sequence across splits: 1 of 3 sequences fail")
    assert warning.endswith("train street (train 3, val 1)")
    assert last == "validate: 14 checks, 1 with a warning; see reports/validation.html"


def test_an_error_ends_the_stage_with_the_offenders_and_leaves_the_page(project):
    planted, _ = plant(project, "missing_pair")
    manifests.write(planted, stage.RAW)

    with pytest.raises(SystemExit) as end:
        stage.main()

    message = str(end.value.code)  # text: Python prints it and exits with 1
    assert message.startswith("error: missing pair: 1 of 9 images fail: train/1 (no mask)\n")
    assert "look at reports/validation.html" in message
    assert "Stopped" in stage.PAGE.read_text()
    assert not validation.read(stage.REPORT).ok


def test_the_same_data_gives_the_same_bytes(project):
    planted, _ = plant(project, "near_duplicate_across_splits")
    manifests.write(planted, stage.RAW)
    stage.main()
    before = stage.REPORT.read_bytes(), stage.PAGE.read_bytes()
    stage.main()
    assert (stage.REPORT.read_bytes(), stage.PAGE.read_bytes()) == before


def test_a_split_that_is_not_meant_to_be_is_not_empty(manifest):
    without = dataclasses.replace(drop(manifest, "test"), splits=("train", "val"))
    checks = {finding.check: finding for finding in validate.run(without, settings()).findings}
    assert checks["empty_split"].offenders == ()
    assert [finding.check for finding in validate.run(drop(manifest, "test"), settings()).errors] == ["empty_split"]
