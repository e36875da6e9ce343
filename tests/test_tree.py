"""The source tree, dvc.yaml, params and imports are consistent."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import grimp
import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from ruamel.yaml import YAML

from pipeline.files import repository
from pipeline.registry import model_files
from stages import ORDER
from tests.support import ROOT

DVC = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")["stages"]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PYTHON_FILES = sorted(
    p for top in ("pipeline", "stages", "docker", "tests", "benchmarks") for p in (ROOT / top).rglob("*.py")
)
TEMPLATES = {".j2", ".css", ".js"}
# Where workers run and find files changes no result: what a cluster trained is up to date on a laptop.
NO_REASON_TO_RERUN = {"placement", "storage"}
# Attributes of Params whose names in params.yaml are taken by pydantic's own methods.
SECTIONS = {"validation": "validate", "registration": "register"}


def stated(stage, *kinds):
    """Return a stage's entries under deps, outs, metrics or plots in dvc.yaml, each with its options."""
    entries = [entry for kind in kinds for entry in DVC[stage].get(kind, [])]
    return {k: v for entry in entries for k, v in (entry if isinstance(entry, dict) else {entry: {}}).items()}


def outs(stage):
    return stated(stage, "outs", "metrics", "plots")


def test_the_folders_that_stages_write_are_known():
    folders = {path for stage in ORDER for path in outs(stage)}
    assert all(any(covers(written, path) for written in repository.WRITTEN) for path in folders)
    assert all(any(covers(written, path) for path in folders) for written in repository.WRITTEN)


def is_ours(path):
    return path.startswith(("pipeline/", "stages/"))


def data(stage):
    return {path for path in stated(stage, "deps") if not is_ours(path)}


def short(path):
    return path.relative_to(ROOT).as_posix()


def strings(path):
    """Return the string constants of a Python file."""
    constants = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
    return {value for value in constants if isinstance(value, str)}


# The pipeline -----------------------------------------------------------------------------------------------------


def test_dvc_runs_the_stages_in_order():
    assert {name: stage["cmd"] for name, stage in DVC.items()} == {name: f"python -m stages.{name}" for name in ORDER}
    assert tuple(DVC) == ORDER


def test_a_stage_has_a_file():
    assert {path.stem for path in (ROOT / "stages").glob("*.py")} == {"__init__", *ORDER}


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("pipeline", "stages", exclude_type_checking_imports=True, cache_dir=None)


def closure(graph, module):
    """Return our own files that running `module` reads: those it imports, and templates that these name.

    A package's __init__.py counts if it contains more than a docstring.
    """
    found, new = set(), {module}
    while new:
        found |= new
        parents = {name.rpartition(".")[0] for name in found if "." in name}
        new = (parents | {name for m in found for name in graph.find_modules_directly_imported_by(m)}) - found
    folders = {name for name in found if (ROOT / name.replace(".", "/")).is_dir()}
    files = {ROOT / name.replace(".", "/") / "__init__.py" for name in folders}
    files = {path for path in files if len(ast.parse(path.read_text()).body) > 1}
    files |= {ROOT / (name.replace(".", "/") + ".py") for name in found - folders}
    templates = {path.name: path for path in (ROOT / "pipeline").rglob("*") if path.suffix in TEMPLATES}
    return files | {templates[text] for file in files for text in strings(file) if text in templates}


def covers(dep, path):
    return path == dep or path.startswith(f"{dep}/")


@pytest.mark.parametrize("stage", ORDER)
def test_a_stage_depends_on_the_code_that_it_imports(graph, stage):
    files = sorted(short(path) for path in closure(graph, f"stages.{stage}"))
    deps = [path for path in stated(stage, "deps") if is_ours(path)]
    missing = [path for path in files if not any(covers(dep, path) for dep in deps)]
    assert not missing, f"dvc.yaml, {stage}: deps must have these files, or their folders: {missing}"
    served = model_files.served_code() if stage == "register" else {}  # verify compares it with the hashes of the deps
    assert all(any(covers(dep, path) for dep in deps) for path in served)
    unused = [dep for dep in deps if not any(covers(dep, path) for path in [*files, *served])]
    assert not unused, f"dvc.yaml, {stage}: it imports nothing of {unused}"
    assert deps == sorted(deps)


@pytest.mark.parametrize("stage", ["download", "validate", "tile"])
def test_data_is_independent_of_models_losses_and_training(stage):
    deps = [path for path in stated(stage, "deps") if is_ours(path)]
    rooms = ("pipeline/training", "pipeline/core/models", "pipeline/inference")
    trained_with = [path.relative_to(ROOT).as_posix() for room in rooms for path in ROOT.glob(f"{room}/**/*.py")]
    losses = ["pipeline/core/losses.py", "pipeline/core/image_losses.py", "pipeline/core/optim.py"]
    assert [(dep, path) for path in [*trained_with, *losses] for dep in deps if covers(dep, path)] == []


def test_dvc_yaml_is_read_in_one_look():
    assert (ROOT / "dvc.yaml").read_text().count("\n") < 180


def sections_read(path):
    """Return the sections of params.yaml that a stage file reads: its attributes of `params.load()`."""
    tree = ast.parse(path.read_text())
    pairs = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            several = isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple)  # a, b = 1, 2
            pairs += zip(*(n.elts if several else [n] for n in (node.targets[0], node.value)), strict=True)
    held = {ast.unparse(target) for target, value in pairs if ast.unparse(value) == "params.load()"}
    taken = [n for n in ast.walk(tree) if isinstance(n, ast.Attribute)]
    sections = {n.attr for n in taken if ast.unparse(n.value) in held | {"params.load()"}}
    return {SECTIONS.get(section, section) for section in sections}


@pytest.mark.parametrize("stage", ORDER)
def test_a_stage_depends_on_the_params_that_it_reads(stage):
    # validate runs before train, whose output DVC removes: params.load() refuses a path that lies in it
    gate = {"model.start_from", "model.vgg16"} if stage == "validate" else set()
    read = sections_read(ROOT / f"stages/{stage}.py") - NO_REASON_TO_RERUN
    assert DVC[stage].get("params", []) == sorted(read | gate)


def test_every_section_of_params_is_read_by_a_stage():
    sections = YAML(typ="safe", pure=True).load(ROOT / "params.yaml").keys() - NO_REASON_TO_RERUN
    assert {name.partition(".")[0] for stage in DVC.values() for name in stage.get("params", [])} == sections


def test_data_comes_from_an_earlier_stage():
    made = set()
    for stage in ORDER:
        assert data(stage) <= made, f"{stage} needs {data(stage) - made}, which no earlier stage makes"
        made |= set(outs(stage))


@pytest.mark.parametrize("stage", ORDER)
def test_a_stage_names_where_its_data_lies(stage):
    """A stage file names each dep and out, or its folder, and no other data."""
    gate = {"reports/validation.json"} if stage == "tile" else set()  # must exist, but is not read
    wanted = (data(stage) - gate) | set(outs(stage))
    named = set(re.findall(r'^[A-Z]+ = Path\("(.+)"\)$', (ROOT / f"stages/{stage}.py").read_text(), re.MULTILINE))
    assert all({path, str(Path(path).parent)} & named for path in wanted)
    assert named - {"runs"} <= {folder for path in wanted for folder in (path, str(Path(path).parent))}


@pytest.mark.parametrize("stage", ORDER)
def test_git_ignores_the_outs_that_dvc_keeps_and_no_others(stage):
    for path, settings in outs(stage).items():
        ignored = subprocess.run(["git", "check-ignore", "-q", "--no-index", path], cwd=ROOT, check=False).returncode
        assert ignored == (0 if settings.get("cache", True) else 1), path


# Files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PYTHON_FILES, ids=short)
def test_a_file_is_short_and_its_name_says_what_it_is(path):
    text = path.read_text()
    length, limit = text.count("\n"), 40 if path.parent.name == "stages" else 250
    assert length <= limit, "is there a second reason to change in it?"
    assert path.stem not in {"utils", "helpers", "common", "misc"}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < 50, node.name


def test_a_folder_of_python_files_is_a_package():
    folders = {path.parent for path in PYTHON_FILES if path.is_relative_to(ROOT / "pipeline")}
    assert [short(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_the_rooms_are_packages_and_all_are_on_the_map():
    """README's map lists every package, and nothing that does not exist."""
    tree = (ROOT / "README.md").read_text().split("## The tree")[1].split("```")[1]
    tops, rooms = (set(re.findall(rf"(?m)^{indent}([a-z_.]+/?)  ", tree)) for indent in ("", "  "))
    assert rooms == {f"{path.name}/" for path in (ROOT / "pipeline").iterdir() if path.is_dir() and path.name[0] != "_"}
    assert [path.name for path in (ROOT / "pipeline").glob("*.py")] == ["__init__.py"]
    assert all((ROOT / name).exists() for name in tops | {"presets/"})


def test_the_tests_have_the_same_rooms():
    """A test file in a package is named after a module of it; the top level is for what belongs to no package."""
    rooms = [
        path for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name not in ("support", "__pycache__")
    ]
    for room in rooms:
        for path in room.rglob("test_*.py"):
            top = ROOT if room.name == "docker" else ROOT / "pipeline"
            home = top / path.relative_to(ROOT / "tests").parent
            modules = {module.stem for module in home.iterdir()}
            name = path.stem.removeprefix("test_")
            assert any(name == module or name.startswith(f"{module}_") for module in {*modules, home.name}), path


def pins():
    lines = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("==") for line in lines)


def test_the_lock_holds_exact_pins_and_nothing_else():
    """No index addresses, platform-specific builds (torch==2.13.0+cpu), editable packages or CUDA packages."""
    for name, version in pins().items():
        assert re.fullmatch(r"[A-Za-z0-9._-]+", name)
        assert re.fullmatch(r"[0-9]+(\.[0-9a-z]+)*", version), name
        assert not re.match(r"nvidia-|cuda-|triton", name), name


def test_the_lock_is_within_the_bounds_of_pyproject():
    pinned = {name.lower().replace("_", "-"): Version(version) for name, version in pins().items()}
    bounds = PYPROJECT["project"]["dependencies"] + PYPROJECT["dependency-groups"]["dev"]
    for requirement in map(Requirement, bounds):
        assert requirement.specifier.contains(pinned[requirement.name]), requirement
