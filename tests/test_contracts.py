"""The import contracts in pyproject.toml: each is broken by what it forbids."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support import ROOT

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
VIOLATIONS = {
    "A room imports from the floors below": ("pipeline/core/classes.py", "import pipeline.files.atomic"),
    "The pipeline does not know its stages": ("pipeline/files/atomic.py", "import stages"),
    "Stages do not know each other": ("stages/tile.py", "import stages.train"),
    "Steps, the gate and the command line read params": ("pipeline/files/atomic.py", "import pipeline.params"),
    "Only evaluation, planning, the registry, the command line and notebooks predict": (
        "pipeline/data/tile.py",
        "import pipeline.inference.predict",
    ),
    "Core and the drawing of scenes are pure": ("pipeline/core/classes.py", "import os"),
    "Object stores are known to storage alone": ("pipeline/files/blobs.py", "import obstore"),
    "Ray is known to cluster alone": ("pipeline/training/train.py", "import ray.train"),
    "MLflow is known to tracking and the registry": ("pipeline/registry/gate.py", "import mlflow"),
    "Great Expectations is known to validation alone": ("pipeline/data/tile.py", "import great_expectations"),
    "DVC is a command, not a library": ("stages/register.py", "import dvc.api"),
}


def broken_contracts(folder):
    command = [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"]
    output = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout
    assert "Contracts: " in output, output
    return set(re.findall(r"^(.+) BROKEN$", output, re.MULTILINE))


@pytest.fixture
def copy(tmp_path):
    for top in ("pipeline", "stages"):
        shutil.copytree(ROOT / top, tmp_path / top, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_each_contract_has_a_violation_that_proves_it():
    assert set(VIOLATIONS) == {contract["name"] for contract in CONTRACTS}


@pytest.mark.parametrize(
    "contract", [next(iter(VIOLATIONS)), *(pytest.param(each, marks=pytest.mark.slow) for each in list(VIOLATIONS)[1:])]
)
def test_a_violation_breaks_its_contract(copy, contract):
    path, line = VIOLATIONS[contract]
    with (copy / path).open("a") as file:
        file.write(f"\n{line}\n")
    assert contract in broken_contracts(copy)


@pytest.mark.parametrize("path", ["pipeline/unplaced.py", "stages/unplaced.py"])
def test_a_module_that_nobody_placed_breaks_a_contract(copy, path):
    (copy / path).write_text("")
    assert broken_contracts(copy)
