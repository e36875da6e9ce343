import re

import grimp
import pytest

from pipeline.files.source_code import imported_files
from tests.support import ROOT


@pytest.mark.parametrize(
    "module", ["pipeline.core.losses", "pipeline.training.train", "pipeline.inference.served_model", "pipeline.cli"]
)
def test_the_files_are_those_that_grimp_finds(module):
    graph = grimp.build_graph("pipeline", exclude_type_checking_imports=True, cache_dir=None)
    modules, new = set(), {module}
    while new:
        modules |= new
        packages = {name.rpartition(".")[0] for name in modules if "." in name}
        imported = {name for each in modules for name in graph.find_modules_directly_imported_by(each)}
        new = (packages | imported) - modules
    assert set(imported_files(module)) == modules


def test_imports_in_functions_count_and_those_for_type_checkers_do_not(tmp_path):
    texts = {
        "program/__init__.py": "",
        "program/room/__init__.py": "from program import of_the_package",
        "program/room/start.py": "from typing import TYPE_CHECKING\nimport other\n"
        "if TYPE_CHECKING:\n    from program import types\ndef f():\n    from program.room import inner",
        **{f"program/{name}.py": "" for name in ("of_the_package", "by_name", "types", "unused")},
        "program/room/inner.py": "import program.room.start, program.by_name as other",
        "other.py": "",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    files = imported_files("program.room.start", root=tmp_path)
    names = ["program", "program.by_name", "program.of_the_package", "program.room"]
    names += ["program.room.inner", "program.room.start"]
    assert list(files) == names
    assert files["program.room"] == tmp_path / "program/room/__init__.py"


def test_a_missing_module_is_named(tmp_path):
    message = f"expected modules below {tmp_path}, got program.missing; correct the name"
    with pytest.raises(ValueError, match=re.escape(message)):
        imported_files("program.missing", root=tmp_path)
    assert "pipeline.core.losses" in imported_files("pipeline.core.losses", root=ROOT)
