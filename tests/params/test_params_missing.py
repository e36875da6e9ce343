"""Where no params.yaml can be opened, the error says what to do."""

import pytest

from pipeline import params


def test_a_file_that_is_missing_is_refused(tmp_path):
    why = r"none\.yaml: expected a readable YAML file: .*No such file"
    with pytest.raises(
        params.ParamsError, match=why + ".*; change to the repository's folder, or write one: segnet init"
    ):
        params.load(tmp_path / "none.yaml")


def test_a_file_that_cannot_be_opened_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(params.ParamsError, match=r"expected a readable YAML file: .*; correct its permissions"):
        params.load(tmp_path / "file" / "params.yaml")
