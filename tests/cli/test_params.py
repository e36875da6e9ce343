import json

import jsonschema
import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from pipeline.cli import app, params
from pipeline.files.strict_json import flat
from tests.support import ROOT

SCHEMA = json.loads((ROOT / "params.schema.json").read_text())
PRESETS = [ROOT / "params.yaml", *sorted((ROOT / "presets").glob("*.yaml"))]
each_preset = pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)


def read(path):
    return YAML(typ="safe", pure=True).load(path)


def test_page_and_schema_are_current():
    assert (ROOT / "docs/params.md").read_text() == params.page(), "run: make docs"
    assert params.tree() == SCHEMA, "run: make docs"


def test_the_command_prints_page_and_schema():
    assert CliRunner().invoke(app, ["params"]).stdout == params.page()
    assert json.loads(CliRunner().invoke(app, ["params", "--schema"]).stdout) == SCHEMA


@each_preset
def test_a_preset_names_the_schema_and_keeps_it(path):
    first = path.read_text().splitlines()[0]
    named = path.parent / first.removeprefix("# yaml-language-server: $schema=")
    assert named.resolve() == ROOT / "params.schema.json"
    jsonschema.Draft202012Validator(SCHEMA).validate(read(path))


@each_preset
def test_a_preset_can_be_copied_to_params_yaml_and_still_names_the_schema(path):
    assert path.read_text().startswith("# yaml-language-server: $schema=params.schema.json\n")


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("train", "epochs", 0),
        ("train", "epochs", "20"),
        ("train", "epoch", 20),
        ("train", "zoom", [0.75, 9.0]),
        ("train", "num_workers", "all"),
        ("model", "name", "segnets"),
        ("validate", "severities", {}),
        ("dataset", "name", "scene"),
        ("tile", "scale", 0),
    ],
)
def test_the_schema_refuses_what_the_program_refuses(section, key, value):
    tree = read(ROOT / "params.yaml")
    tree[section][key] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tree, SCHEMA)


@each_preset
def test_every_key_has_a_line_with_its_meaning(path):
    page = (ROOT / "docs/params.md").read_text()
    for key, _ in flat(read(path)):
        if not key.startswith(("dataset.classes", "placement.node_labels")):
            assert f"* `{key}`: " in page, key
    assert "* `dataset.classes[].ignore`: true or false. True: these pixels become void" in page
    assert "whole number from 32 to 20,000" in page
    assert "### dataset.splits, by: list\n" in page
    assert all(len(line) <= 120 for line in page.splitlines())
