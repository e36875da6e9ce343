import pytest

from pipeline.artifacts import validation
from pipeline.artifacts.validation import Finding, Offender, Split, Validation

OFFENDERS = (Offender("train/a ~ val/b", "2 bits", ("train/a", "val/b")), Offender("sky", "é", ()))
SPLIT = Split("train", 3, 1, {"40 x 32": 3}, {"road": 0.75, "sky": 0.25}, 0.1)


def finding(*, ok, severity):
    return Finding("blank_image", severity, ok, "expected", "observed", () if ok else OFFENDERS)


def report(*findings):
    return Validation("tiny", (SPLIT,), findings)


def test_read_gives_what_write_was_given(tmp_path):
    written = report(finding(ok=False, severity="warning"), finding(ok=True, severity="error"))
    validation.write(written, tmp_path / "validation.json")
    assert validation.read(tmp_path / "validation.json") == written


def test_a_failed_error_is_not_ok_and_a_failed_warning_is():
    error, warning = finding(ok=False, severity="error"), finding(ok=False, severity="warning")
    passed = finding(ok=True, severity="error")
    assert not report(error, warning, passed).ok
    assert report(error, warning, passed).errors == (error,)
    assert report(warning, passed).ok
    assert report(warning, passed).warnings == (warning,)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"dataset": "x", "splits": [{}], "findings": []}'])
def test_another_file_is_refused_by_name(content, tmp_path):
    (tmp_path / "validation.json").write_text(content)
    with pytest.raises(ValueError, match=r"validation\.json: expected the report that the validate stage writes"):
        validation.read(tmp_path / "validation.json")


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"validation\.json: expected the report .* run it again"):
        validation.read(tmp_path / "validation.json")
