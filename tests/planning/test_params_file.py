import pytest

from pipeline.files import safe_yaml
from pipeline.planning import params_file

DATASET = "  name: folder"


@pytest.mark.parametrize(
    "value", ["a: b", "no", "null", "#x", "[a", "ä ö", "a'b\\d", r"([^/]+?)[_-]\d+$", "*.jpg", "1e3", "- a", "", "a\nb"]
)
def test_any_text_comes_back_from_the_file(tmp_path, value):
    (tmp_path / "a.yaml").write_text(params_file.line("key", [value, {"k": value}, None, 0.5, True], "a reason"))
    assert safe_yaml.read(tmp_path / "a.yaml") == {"key": [value, {"k": value}, None, 0.5, True]}


def test_values_replace_those_of_the_preset_and_say_their_reason():
    values = {("tile", "scale"): (0.5, "small\nmachine"), ("validate", "missing_pair"): ("warning", "3 are alone")}
    text = params_file.compose(DATASET, values)
    assert "\n  scale: 0.5 # small machine\n" in text
    assert "\n    missing_pair: warning # 3 are alone\n" in text
    assert text.count("missing_pair") == 1
    assert "dataset:\n  name: folder\n\ndownload:\n" in text


@pytest.mark.parametrize("key", [("tile", "nothing"), ("nothing", "scale")])
def test_a_preset_that_lacks_a_key_is_an_error(key):
    with pytest.raises(ValueError, match=rf"expected {key[0]}.{key[1]} in .*folder.yaml, got none; restore that file"):
        params_file.compose(DATASET, {key: (1, "")})


def test_without_presets_it_says_where_to_run(tmp_path, monkeypatch):
    monkeypatch.setattr(params_file, "PRESETS", tmp_path)
    with pytest.raises(ValueError, match=r"expected the presets beside the program: .*; run it from a clone"):
        params_file.compose(DATASET, {})


def test_an_editor_finds_the_schema_as_in_the_presets():
    preset = (params_file.PRESETS / "folder.yaml").read_text().splitlines()[0]
    first, heading, *_ = params_file.compose(DATASET, {}).splitlines()
    assert first == preset == "# yaml-language-server: $schema=params.schema.json"
    assert heading.startswith("# Proposed by segnet init. What each value means: docs/params.md. Digest")


def test_an_unchanged_proposal_of_this_or_an_earlier_program_is_known(tmp_path):
    path = tmp_path / "params.yaml"
    text = params_file.compose(DATASET, {})
    earlier = text.partition("\n")[2].replace("docs/params.md", "pipeline/params/", 1)
    for proposed in (text, earlier):
        path.write_text(proposed)
        assert params_file.check(path, force=False) == f"the earlier {path} was an unchanged proposal"
        path.write_text(f"{proposed}# mine\n")
        with pytest.raises(ValueError, match="got one with changes of its own; commit it, or give --force"):
            params_file.check(path, force=False)
