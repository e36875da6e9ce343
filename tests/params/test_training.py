"""What a training may start from, as model.start_from names it."""

import pytest

from pipeline import params
from pipeline.params import ParamsError
from tests.support import SCENES

TEXT = SCENES.read_text()


def load(tmp_path, text):
    (tmp_path / "params.yaml").write_text(text)
    return params.load(tmp_path / "params.yaml")


def refusal(tmp_path, text):
    with pytest.raises(ParamsError) as caught:
        load(tmp_path, text)
    return str(caught.value)


def changed(text, before, after):
    assert text.count(before) == 1
    return text.replace(before, after)


@pytest.mark.parametrize("address", ["models:/segnet-scenes@champion", "models:/segnet-scenes/3", "kept/first", "/a/b"])
def test_a_training_may_start_from_a_version_or_a_folder(tmp_path, address):
    assert load(tmp_path, changed(TEXT, "start_from: null", f"start_from: {address}")).model.start_from == address


@pytest.mark.parametrize("address", ["models:/segnet-scenes", "models:/a/latest", "runs:/a/b", "s3://bucket/model"])
def test_another_address_to_start_from_is_refused(tmp_path, address):
    message = refusal(tmp_path, changed(TEXT, "start_from: null", f"start_from: {address}"))
    expected = "model: expected start_from to be a folder, models:/NAME@ALIAS or models:/NAME/NUMBER, got "
    assert f"{expected}{address}; correct it" in message


@pytest.mark.parametrize("path", ["models/segnet", "./models/../models/segnet", "reports/old"])
def test_a_model_where_a_stage_writes_is_not_what_training_starts_from(tmp_path, path):
    message = refusal(tmp_path, changed(TEXT, "start_from: null", f"start_from: {path}"))
    assert "model: expected start_from to be a folder outside " in message
    assert f"whose content this pipeline replaces, got {path}; copy the model to another folder, or name" in message


def test_a_training_starts_from_one_place(tmp_path):
    vgg16 = "vgg16: {path: a.pth, sha256: null, trained_on: caffe}"
    both = changed(changed(TEXT, "vgg16: null", vgg16), "start_from: null", "start_from: kept/first")
    message = refusal(tmp_path, both)
    assert "model: expected vgg16 or start_from, got both, the latter kept/first; set one of them to null" in message


def test_params_of_a_program_before_this_one_start_from_no_model(tmp_path):
    (tmp_path / "params.yaml").write_text(changed(TEXT, "  start_from: null\n", ""))
    assert params.load_training(tmp_path / "params.yaml").model.start_from is None
    with pytest.raises(ParamsError, match=r"model\.start_from: expected a value, got nothing; add the key"):
        params.load(tmp_path / "params.yaml")
