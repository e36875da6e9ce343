"""The sections model and train: what contradicts itself, phases, and what a training may start from."""

import pytest

from pipeline import params
from pipeline.params import ParamsError
from tests.params.test_params import TEXT, changed, load, refusal

PHASE = {"share": 0.5, "scale": 0.5, "learning_rate": 0.1, "final_rate": 0.1, "zoom": [0.5, 2]}


def with_phases(*phases, text=TEXT):
    return changed(text, "early_phases: []", f"early_phases: {[{**PHASE, **phase} for phase in phases]}")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("dropout: 0.0", "dropout: 1.0", "model.dropout: expected less than 1, got 1.0; correct the value"),
        (
            "name: segnet\n  width: 0.25\n  dropout: 0.0",
            "name: unet\n  width: 0.25\n  dropout: 0.5",
            "model: expected dropout 0 for unet, got 0.5: only that of segnet and segnet_basic can be chosen; set it",
        ),
        ("optimizer: adamw", "optimizer: lion", "train.optimizer: expected 'sgd', 'nesterov' or 'adamw', got \"lion"),
        (
            "optimizer: adamw\n  learning_rate: 3e-3\n  momentum: 0.9",
            "optimizer: nesterov\n  learning_rate: 3e-3\n  momentum: 0.0",
            "train: expected a momentum above 0 for nesterov, got 0; raise it, or choose sgd",
        ),
        ("final_rate: 0.0", "final_rate: 1.5", "train.final_rate: expected less than or equal to 1, got 1.5; correct"),
        (
            "with_val: false\n  select_by: miou\n  patience_epochs: 0",
            "with_val: true\n  select_by: miou\n  patience_epochs: 3",
            "train: expected patience_epochs 0 with with_val, got 3: nothing is validated that could stop the training",
        ),
        (
            "schedule: cosine",
            "schedule: constant",
            "train: expected final_rate 1, as constant does not fall, got 0; set it to 1",
        ),
        (
            "loss: cross_entropy\n  label_smoothing: 0.0",
            "loss: focal\n  label_smoothing: 0.1",
            "train: expected label_smoothing 0 with focal, got 0.1: only cross_entropy has it; set it to 0",
        ),
        ("label_smoothing: 0.0", "label_smoothing: 1.0", "train.label_smoothing: expected less than 1, got 1.0;"),
        ("image_loss: null", "image_loss: {name: dice, share: 0}", "image_loss.share: expected greater than 0, got 0;"),
        ("image_loss: null", "image_loss: {name: iou, share: 1}", "expected 'lovasz_softmax' or 'dice', got \"iou\";"),
        ("aspect: 1.0", "aspect: 0.5", "train.aspect: expected greater than or equal to 1, got 0.5; correct the value"),
        ("blur: 0.0", "blur: 6.0", "train.blur: expected less than or equal to 5, got 6.0; correct the value"),
        ("noise: 0.0", "noise: 65", "train.noise: expected less than or equal to 64, got 65; correct the value"),
        ("gamma: 1.0", "gamma: 5.0", "train.gamma: expected less than or equal to 4, got 5.0; correct the value"),
        ("rotation: 0.0", "rotation: 200", "train.rotation: expected less than or equal to 180, got 200; correct"),
        ("border: void", "border: grey", "train.border: expected 'void' or 'mirror', got \"grey\"; correct the value"),
        ("rare_class_share: 0.0", "rare_class_share: 2", "train.rare_class_share: expected less than or equal to 1, "),
        (
            "order: table",
            "order: sorted",
            "train.order: expected 'table' or 'keyed', got \"sorted\"; correct the value",
        ),
        ("crop: null", "crop: [16, 32]", "train.crop.0: expected greater than or equal to 32, got 16; correct"),
        ("crop: null", "crop: [96, 129]", "train.crop: expected at most the 96 x 128 pixels of a tile, got 96 x 129;"),
        ("turns: false", "turns: true", "train.turns: expected square tiles or crops, got 96 x 128 pixels; set train."),
        ("schedule: cosine", "schedule: step", "train.schedule: expected 'constant', 'cosine' or 'poly', got \"step\""),
    ],
)
def test_a_wrong_value_is_named(tmp_path, old, new, line):
    assert line in refusal(tmp_path, changed(TEXT, old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("optimizer: adamw", "optimizer: nesterov"),
        ("cosine", "poly"),
        ("cross_entropy", "hard_pixels"),
        ("weights: median_frequency", "weights: enet"),
        ("image_loss: null", "image_loss: {name: lovasz_softmax, share: 0.5}"),
    ],
)
def test_other_choices_are_read(tmp_path, old, new):
    load(tmp_path, changed(TEXT, old, new))


def test_square_crops_can_be_turned(tmp_path):
    text = changed(changed(TEXT, "turns: false", "turns: true"), "crop: null", "crop: [64, 64]")
    assert load(tmp_path, text).train.crop == (64, 64)
    line = "train.early_phases.0.scale: expected at least 32 x 32 pixels, got 26 x 26 at scale 0.4; raise it"
    assert line in refusal(tmp_path, with_phases({"scale": 0.4}, text=text))


def test_dropout_may_be_chosen_for_both_segnets(tmp_path):
    text = changed(TEXT, "dropout: 0.0", "dropout: 0.3")
    for name in ("segnet", "segnet_basic"):
        assert load(tmp_path, changed(text, "name: segnet", f"name: {name}")).model.dropout == 0.3


def test_phases_are_read_in_their_order(tmp_path):
    first, second = load(tmp_path, with_phases({"share": 0.25}, {"scale": 0.75})).train.early_phases
    assert (first.share, first.scale, first.zoom, second.share, second.scale) == (0.25, 0.5, (0.5, 2.0), 0.5, 0.75)


@pytest.mark.parametrize(
    ("phases", "line"),
    [
        ([{"share": 1}], "train.early_phases.0.share: expected less than 1, got 1; correct the value"),
        ([{"scale": 0.1}], "train.early_phases.0.scale: expected greater than or equal to 0.125, got 0.1; correct"),
        ([{"learning_rate": 0}], "train.early_phases.0.learning_rate: expected greater than 0, got 0; correct"),
        ([{"zoom": [1, 5]}], "train.early_phases.0.zoom.1: expected less than or equal to 4, got 5; correct"),
        ([{}, {"final_rate": 2}], "train.early_phases.1.final_rate: expected less than or equal to 1, got 2; correct"),
        (
            [{"share": 0.05}],
            "train: expected at least one of 16 epochs for early_phases.0, got 0.8; change epochs or the shares of",
        ),
        ([{}, {}], "train: expected at least one of 16 epochs for the last phase, got 0; change epochs or the shares"),
        (
            [{"share": 0.40625}, {"share": 0.06249999}],  # half an epoch is rounded up, and a little less is not
            "train: expected at least one of 16 epochs for early_phases.1, got 1; change epochs or the shares",
        ),
        ([{"share": 0.938}], "train: expected at least one of 16 epochs for the last phase, got 0.992; change epochs"),
        (
            [{"scale": 0.3}],
            "train.early_phases.0.scale: expected at least 32 x 32 pixels, got 29 x 38 at scale 0.3; raise it",
        ),
        ([{"share": 0.0625}], "train: expected warmup_epochs < the 1 epochs of the first phase, got 1; change one"),
        # 1.44 epochs are rounded to one
        ([{"share": 0.09}], "train: expected warmup_epochs < the 1 epochs of the first phase, got 1; change one"),
    ],
)
def test_a_wrong_phase_is_named(tmp_path, phases, line):
    assert line in refusal(tmp_path, with_phases(*phases))


def test_phases_of_a_constant_rate_do_not_fall_either(tmp_path):
    text = changed(changed(TEXT, "schedule: cosine", "schedule: constant"), "final_rate: 0.0", "final_rate: 1.0")
    line = "train: expected early_phases.0.final_rate 1, as constant does not fall, got 0.1; set it to 1"
    assert line in refusal(tmp_path, with_phases({}, text=text))
    load(tmp_path, with_phases({"final_rate": 1}, text=text))


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
