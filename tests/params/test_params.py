"""Every preset is valid, and an invalid file is explained: the key, what was expected, what it got."""

from itertools import pairwise

import pytest

from pipeline import params
from tests.support import ROOT, SCENES

TEXT = SCENES.read_text()
FOLDER = (ROOT / "presets/folder.yaml").read_text()
PRESETS = [ROOT / "params.yaml", SCENES, *sorted((ROOT / "presets").glob("*.yaml"))]
RATIO = "{by: ratio, train: 0.7, val: 0.15, test: 0.15, seed: 1}"


def load(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    return params.load(path)


def refusal(tmp_path, text):
    with pytest.raises(params.ParamsError) as caught:
        load(tmp_path, text)
    return str(caught.value)


def changed(text, old, new):
    assert text.count(old) == 1, f"{old!r} is in the file {text.count(old)} times"
    return text.replace(old, new)


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_every_preset_is_valid(path):
    params.load(path)


def test_numbers_are_read_as_yaml_1_2(tmp_path):
    assert load(tmp_path, changed(TEXT, "learning_rate: 3e-3", "learning_rate: 1e-3")).train.learning_rate == 0.001


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("flip: 0.5", "flop: 0.5", "train.flip: expected a value, got nothing; add the key"),
        ("flip: 0.5", "flip: 0.5\n  flop: 1", "train.flop: expected no such key; correct its name or remove it"),
        ("epochs: 16", "epochs: 16.5", "train.epochs: expected a valid integer, got 16.5; correct the value"),
        ("epochs: 16", 'epochs: "16"', 'train.epochs: expected a valid integer, got "16"; correct the value'),
        ("flip: 0.5", "flip: 1.5", "train.flip: expected less than or equal to 1, got 1.5; correct the value"),
        ("flip: 0.5", "flip: .nan", "train.flip: expected a finite number, got NaN; correct the value"),
        (
            "loss: cross_entropy",
            "loss: dice",
            "train.loss: expected 'cross_entropy', 'focal' or 'hard_pixels', got \"dice\"; correct the value",
        ),
        ("[0.75, 1.5]", "[0.75, 1, 1]", "train.zoom: expected at most 2 items"),
        ("[0.75, 1.5]", "[0.75, 9]", "train.zoom.1: expected less than or equal to 4, got 9; correct the value"),
        (
            "scales: [1.0]",
            "scales: []",
            "evaluate.scales: expected at least 1 item after validation, not 0, got a list;",
        ),
        ("scales: [1.0]", "scales: [1, 5]", "evaluate.scales.1: expected less than or equal to 4, got 5; correct"),
        ("min_gain: 0.0", "min_gain: null", "register.min_gain: expected a valid number, got null; correct the value"),
        ("experiment: segnet", "experiment: ''", 'tracking.experiment: expected at least 1 character, got ""'),
        ("val: 48, ", "", "dataset.images.val: expected a value, got nothing; add the key"),
        ("{train: 240, val: 48, test: 64}", "352", "dataset.images: expected a mapping, got 352; correct the value"),
        ("name: scenes", "name: city", "dataset.name: expected one of 'scenes', 'camvid', 'folder', got 'city'; "),
        ("  name: scenes\n", "", "dataset.name: expected a value, got nothing; add the key"),
        ("num_workers: auto", "num_workers: 0", "expected greater than or equal to 1 or 'auto' or a list, got 0;"),
        (
            "num_workers: auto",
            "num_workers: 3",
            "train: expected a batch_size divisible by num_workers 3 times accumulation 1, got 8",
        ),
        ("num_workers: auto", "num_workers: [2, 1]", "train: expected num_workers [fewest, most], got [2, 1]"),
        ("num_workers: auto", "num_workers: [2, 4]", "a batch_size divisible by num_workers 3 times accumulation 1"),
        ("accumulation: 1", "accumulation: 3", "a batch_size divisible by num_workers 1 times accumulation 3"),
        ("ema_decay: 0.0", "ema_decay: 1.0", "train.ema_decay: expected less than 1, got 1.0; correct the value"),
        (
            "epochs_per_validation: 1",
            "epochs_per_validation: 0",
            "train.epochs_per_validation: expected greater than or equal to 1, got 0; correct",
        ),
        ("keep_states: 2", "keep_states: 0", "train.keep_states: expected greater than or equal to 1, got 0; correct"),
        ("checkpoint_minutes: 1.0", "checkpoint_minutes: 0", "checkpoint_minutes: expected greater than 0, got 0;"),
        (
            "warmup_epochs: 1.0",
            "warmup_epochs: 16",
            "train: expected warmup_epochs < the 16 epochs, got 16; change one",
        ),
        ("stride_y: 96", "stride_y: 97", "tile: expected stride_y <= the tile's side 96, got 97; lower it"),
        ("stride_x: 128", "stride_x: 129", "tile: expected stride_x <= the tile's side 128, got 129"),
        (
            "class_weights: median_frequency",
            "class_weights: published",
            "\n  train.class_weights: expected weights other than published, which only camvid has, got published for "
            "scenes; choose other weights",
        ),
        (
            "class_weights: median_frequency",
            "class_weights: inverse",
            "train.class_weights: expected 'none', 'root_median_frequency', 'median_frequency', 'enet', "
            "'effective_number' or 'published' or a list, got \"inverse\";",
        ),
    ],
)
def test_a_wrong_key_or_value_is_named(tmp_path, old, new, line):
    assert line in refusal(tmp_path, changed(TEXT, old, new))


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("title: fields", "title: My Fields", "dataset.title: expected the pattern '^[a-z0-9][a-z0-9-]*$', got \"My"),
        ("test: 0.15, seed", "test: 0.25, seed", "dataset.splits: expected train + val + test = 1, got 1.1;"),
        ("test: 0.15, seed", "test: null, seed", "dataset.splits: expected train + val + test = 1, got 0.85;"),
        ("by: ratio", "by: luck", "dataset.splits.by: expected one of 'folder', 'list', 'ratio', got 'luck'; correct"),
        (
            "value: 1",
            "value: 256",
            "dataset.classes.1.value: expected less than or equal to 255 or a valid string, got 256; correct",
        ),
        ("value: 1", "value: null", "dataset: expected a value for every class of an index mask, got null; add value:"),
        ("value: 1", "value: 0", "dataset: expected each index once in the class table, got [0, 0, 2, 255]; change"),
    ],
)
def test_a_wrong_key_or_value_of_a_folder_is_named(tmp_path, old, new, line):
    assert line in refusal(tmp_path, changed(FOLDER, old, new))


def test_one_class_is_too_few(tmp_path):
    text = FOLDER.replace("name: crop", "name: soil").replace("name: weed", "name: soil")
    assert "dataset: expected 2 to 255 classes that are not ignored; add or merge" in refusal(tmp_path, text)


@pytest.mark.parametrize(
    "splits",
    ["{by: folder, train: a, val: b, test: c}", "{by: list, train: a.txt, val: b.txt, test: c.txt}"],
)
def test_a_folder_can_be_split_in_other_ways(tmp_path, splits):
    assert load(tmp_path, changed(FOLDER, RATIO, splits)).dataset.splits.by in splits


def test_all_faults_are_reported_at_once(tmp_path):
    text = changed(changed(TEXT, "flip: 0.5", "flip: 2"), "resamples: 10000", "resamples: 0")
    assert len(refusal(tmp_path, text).splitlines()) == 3  # the file, and a line for each fault


def test_a_url_of_weights_needs_a_digest(tmp_path):
    vgg16 = "vgg16: {path: 'https://example.org/vgg16.pth', sha256: null, trained_on: torchvision}"
    message = refusal(tmp_path, changed(TEXT, "vgg16: null", vgg16))
    assert "expected the sha256 of https://example.org/vgg16.pth, got null; add the file's SHA-256" in message
    assert load(tmp_path, changed(TEXT, "vgg16: null", vgg16.replace("null", "a" * 64))).model.vgg16 is not None


@pytest.mark.parametrize("path", ["s3://bucket/vgg16.pth", "HTTPS://example.org/vgg16.pth", "file:///data/vgg16.pth"])
def test_weights_come_from_a_file_or_by_http(tmp_path, path):
    vgg16 = f"vgg16: {{path: '{path}', sha256: {'a' * 64}, trained_on: torchvision}}"
    said = f"expected a file, or an address that begins with https:// or http://, got {path}; download it, and name its"
    assert said in refusal(tmp_path, changed(TEXT, "vgg16: null", vgg16))


def test_a_url_of_weights_holds_no_login_since_params_are_recorded(tmp_path):
    vgg16 = f"vgg16: {{path: 'https://me:secret@example.org/vgg16.pth', sha256: {'a' * 64}, trained_on: torchvision}}"
    message = refusal(tmp_path, changed(TEXT, "vgg16: null", vgg16))
    assert "model.vgg16: expected a URL without user and password, got one with an @" in message
    assert "secret" not in message


def test_a_url_of_weights_holds_no_signature_since_params_are_recorded(tmp_path):
    address = "https://example.org/vgg16.pth?download=1&X-Amz-Signature=secret"
    vgg16 = f"vgg16: {{path: '{address}', sha256: {'a' * 64}, trained_on: torchvision}}"
    message = refusal(tmp_path, changed(TEXT, "vgg16: null", vgg16))
    assert "model.vgg16: expected a URL without a signature or token, got one with X-Amz-Signature: it" in message
    assert "=secret" not in message
    harmless = changed(TEXT, "vgg16: null", vgg16.replace("&X-Amz-Signature=secret", ""))
    assert load(tmp_path, harmless).model.vgg16.path == "https://example.org/vgg16.pth?download=1"


@pytest.mark.parametrize("path", ["models/segnet/vgg16.pth", "data/raw/../tiles/vgg16.pth"])
def test_weights_where_a_stage_writes_are_refused(tmp_path, path):
    vgg16 = f"vgg16: {{path: {path}, sha256: null, trained_on: torchvision}}"
    message = refusal(tmp_path, changed(TEXT, "vgg16: null", vgg16))
    assert "whose content this pipeline replaces, got" in message
    assert path in message


def test_a_fault_in_a_section_does_not_print_the_section(tmp_path):
    message = refusal(tmp_path, changed(TEXT, "model:", "modell:"))
    assert "  modell: expected no such key; correct its name or remove it" in message
    assert "0.25" not in message


@pytest.mark.parametrize("text", ["", "- 1", "3"])
def test_a_file_that_is_not_a_mapping_is_refused(tmp_path, text):
    assert "expected a mapping, got " in refusal(tmp_path, text)


@pytest.mark.parametrize("text", ['dataset: "', "a: 1\na: 2", "a: !!python/object:os.system 1"])
def test_a_file_that_is_not_yaml_is_refused(tmp_path, text):
    assert "params.yaml: expected a readable YAML file: " in refusal(tmp_path, text)


def test_the_sections_of_a_training_are_read_whatever_the_others_are(tmp_path):
    path = tmp_path / "params.yaml"
    text = SCENES.read_text().replace("  alpha_spending: true\n", "").replace("  level: 0.95", "  confidence: 0.95")
    path.write_text(text)
    with pytest.raises(params.ParamsError, match=r"alpha_spending: expected a value"):
        params.load(path)
    training, whole = params.load_training(path), params.load(SCENES)
    assert (training.model, training.train) == (whole.model, whole.train)
    path.write_text(text.replace("  epochs_per_validation: 1\n", ""))
    assert params.load_training(path) == training  # of a program that had no such key, and did so
    path.write_text(text.replace("  final_rate: 0.0\n", "").replace("schedule: cosine", "schedule: constant"))
    assert params.load_training(path).train.final_rate == 1
    path.write_text(text.replace("  epochs: ", "  epoch: "))
    with pytest.raises(params.ParamsError, match=r"train\.epoch: expected no such key"):
        params.load_training(path)


def test_a_date_is_refused(tmp_path):
    text = changed(TEXT, "seed: 7", "seed: 2001-01-01")
    assert "expected numbers, text, lists and mappings only" in refusal(tmp_path, text)


def test_params_cannot_be_changed(tmp_path):
    loaded = load(tmp_path, TEXT)
    with pytest.raises(ValueError, match="frozen"):
        loaded.train.epochs = 1


BOMB = "a: &a [1, 1, 1]\n" + "".join(f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}]\n" for a, b in pairwise("abcdefghijk"))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (BOMB, "its aliases expand to more than 100,000 values; write the values out"),
        ("a: &a [*a]", "expected numbers, text, lists and mappings only: Circular reference"),
        ("a: " + "[" * 2_000, "params.yaml: expected a readable YAML file: maximum depth of data structure exceeded"),
        ("a: " + "9" * 5_000, "params.yaml: expected a readable YAML file: Exceeds the limit"),
        ("a: !!float x", "params.yaml: expected a readable YAML file: could not convert"),
        ("#" * 50_001, "params.yaml: expected a readable YAML file: it is larger than 50,000 bytes"),
    ],
    ids=["bomb", "contains itself", "deep", "long number", "not a number", "large"],
)
def test_a_file_that_would_fill_memory_or_stack_is_refused(tmp_path, text, fault):
    assert fault in refusal(tmp_path, text)
