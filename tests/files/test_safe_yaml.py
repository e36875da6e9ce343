import pytest

from pipeline.files import safe_yaml


def test_yaml_is_read_as_1_2(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("rate: 1e-3\nname: no\nsizes: [1, 2]\nnothing: null\n")
    assert safe_yaml.read(path) == {"rate": 0.001, "name": "no", "sizes": [1, 2], "nothing": None}


def test_what_a_reader_changes_is_its_own_and_what_was_written_meanwhile_is_read(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("sizes: [1, 2]")
    safe_yaml.read(path)["sizes"].append(3)
    assert safe_yaml.read(path) == {"sizes": [1, 2]}
    path.write_text("sizes: [4, 5]")
    assert safe_yaml.read(path) == {"sizes": [4, 5]}


@pytest.mark.parametrize(
    "text", [b"a: [1", b"\xff\xfe\xff", b"[" * 2000, b"- " * 30 + b"a", b"a: !!python/name:os.system ''"]
)
def test_anything_else_is_refused_with_its_path(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=rf"^{path}: expected a readable YAML file: "):
        safe_yaml.read(path)


def test_a_missing_file_is_refused_with_its_path(tmp_path):
    with pytest.raises(ValueError, match=r"a\.yaml: expected a readable YAML file: .*No such file"):
        safe_yaml.read(tmp_path / "a.yaml")
