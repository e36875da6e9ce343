"""What a node says of itself."""

import shutil
from pathlib import Path

import pytest

from pipeline.cluster import node
from tests.support import ROOT


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that can be imported, and its folder."""
    folder = tmp_path / "carried"
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "inner" / "page.html.j2").write_text("<p>")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_code_is_the_same_wherever_it_lies_and_whatever_was_compiled(package, tmp_path, monkeypatch):
    before = node.package_sha256("carried")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "x.cpython-311.pyc").write_bytes(b"compiled")
    assert node.package_sha256("carried") == before
    shutil.move(package, tmp_path / "elsewhere" / "carried")
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    assert node.package_sha256("carried") == before


@pytest.mark.parametrize("changed", ["inner/page.html.j2", "inner/new.py", "__init__.py"])
def test_code_or_a_template_that_changed_is_other_code(package, changed):
    before = node.package_sha256("carried")
    (package / changed).write_text("changed = 1")
    assert node.package_sha256("carried") != before


def test_a_package_that_is_absent_has_no_hash():
    assert node.package_sha256("carried_nowhere") is None


def test_the_hash_covers_every_file_of_this_program_that_is_not_compiled():
    files = [path for path in (ROOT / "pipeline").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {path.suffix for path in files} == node.CODE


def test_folders_differ_by_a_name_a_size_and_by_the_bytes_of_small_files(tmp_path):
    def folder(name, **files):
        (tmp_path / name).mkdir()
        for file, content in files.items():
            (tmp_path / name / file).write_bytes(content)
        return node.contents(tmp_path / name)

    big = b"x" * (node.COMPARED_WHOLE + 1)
    one = folder("one", a=b"1", b=big)
    assert folder("same", a=b"1", b=big) == one
    assert folder("other_bytes", a=b"2", b=big) != one
    assert folder("other_size", a=b"1", b=big + b"x") != one
    assert folder("other_name", a=b"1", c=big) != one
    assert folder("other_bytes_of_a_big_file", a=b"1", b=big[:-1] + b"y") == one


@pytest.mark.parametrize("name", ["absent", "empty", "loop"])
def test_an_absent_path_an_empty_folder_and_what_cannot_be_read_are_nothing(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    assert node.contents(tmp_path / name) == node.NOTHING


def test_facts_of_a_node_that_sees_all_and_of_one_that_sees_nothing(tmp_path):
    (tmp_path / "data").write_bytes(b"1")
    (tmp_path / node.TOKEN).write_text("drawn")
    facts = node.facts("carried_nowhere", [tmp_path / "data"], tmp_path)
    assert facts == {"code": None, "reads": [node.contents(tmp_path / "data")], "folder": "drawn", "writes": ""}
    facts = node.facts("carried_nowhere", [tmp_path / "no"], tmp_path / "no")
    assert facts == {
        "code": None,
        "reads": [node.NOTHING],
        "folder": node.NOTHING,
        "writes": "No such file or directory",
    }
    assert {path.name for path in tmp_path.iterdir()} == {"data", node.TOKEN}


def test_a_folder_that_cannot_be_written_to_is_named_with_the_reason():
    assert node.facts("pipeline", [], Path("/proc"))["writes"]


def test_a_node_that_may_not_look_sees_nothing(monkeypatch):
    def refused(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", refused)
    assert node.contents(Path("/data/tiles")) == node.NOTHING
