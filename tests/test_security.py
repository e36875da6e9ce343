"""Promises of SECURITY.md that no single module's tests cover: nothing unpickles, no shell command from data."""

import ast
import hashlib
import json
import os
import pickle
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

from pipeline.artifacts.model import read_model
from pipeline.training import checkpoint
from tests.support import ROOT
from tests.support.tiny_model import SPEC, write_model

SOURCES = sorted(path for top in ("pipeline", "stages") for path in (ROOT / top).rglob("*.py"))
DANGEROUS = {"eval", "exec", "compile", "os.system", "os.popen", "tempfile.mktemp", "joblib.load"}
DANGEROUS |= {
    f"{module}.{name}" for module in ("pickle", "marshal", "dill", "cloudpickle") for name in ("load", "loads")
}


PRINTING = {"print", "typer.echo", "typer.secho", "click.echo", "rich.print", "sys.stdout.write", "sys.stderr.write"}
# What is printed by these alone is made printable there, or is the program's own text.
PRINTERS = {"pipeline/files/terminal.py", "pipeline/files/signals.py"}


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("owned",)


def dangers(source):
    """Return the calls that can run code from data: a shell, a pickle, an expression."""
    found = []
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        name, options = ast.unparse(call.func), {each.arg: ast.unparse(each.value) for each in call.keywords}
        if (
            name in DANGEROUS
            or options.get("shell", "False") != "False"
            or options.get("allow_pickle", "False") != "False"
            or options.get("typ") == "'unsafe'"
            or (name.startswith("subprocess.") and any(isinstance(each, ast.JoinedStr) for each in call.args))
            or (name == "torch.load" and options.get("weights_only") != "True")
        ):
            found.append(ast.unparse(call))
    return found


@pytest.mark.parametrize(
    "source",
    [
        "eval(text)",
        "os.system(f'rm {name}')",
        "subprocess.run('ls', shell=True)",
        "subprocess.run(f'ls {name}')",
        "pickle.loads(data)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "YAML(typ='unsafe')",
    ],
)
def test_a_dangerous_call_is_found(source):
    assert dangers(source)


def test_no_source_runs_what_data_say():
    assert len(SOURCES) > 100
    assert {str(path): found for path in SOURCES if (found := dangers(path.read_text()))} == {}


@pytest.fixture
def bombs(tmp_path, monkeypatch):
    """Return files whose unpickling creates the folder `owned` in the current one."""
    monkeypatch.chdir(tmp_path)
    torch.save({"a": Malicious()}, "zip")
    torch.save({"a": Malicious()}, "legacy", _use_new_zipfile_serialization=False)
    Path("plain").write_bytes(pickle.dumps(Malicious()))
    for name in ("zip", "legacy", "plain"):
        torch.load(name, weights_only=False) if name != "plain" else pickle.loads(Path(name).read_bytes())
        Path("owned").rmdir()  # the attack works
    return ["zip", "legacy", "plain"]


def test_a_model_of_a_pickle_is_refused_and_not_run(bombs):
    write_model(Path("m"), replace(SPEC, network="segnet_basic"))
    for bomb in bombs:
        Path("m/model.safetensors").write_bytes(Path(bomb).read_bytes())
        with pytest.raises(ValueError, match=r"model\.safetensors: expected a complete safetensors file"):
            read_model(Path("m"))
    assert not Path("owned").exists()


def test_a_state_of_a_pickle_is_refused_and_not_run_though_its_digest_is_right(bombs):
    for bomb in bombs:
        checkpoint.write(Path("run"), replace(checkpoint.beginning(), step=7), keep=1)
        (folder,) = Path("run").glob("step-*")
        data = Path(bomb).read_bytes()
        (folder / "optimizer.safetensors").write_bytes(data)
        document = json.loads((folder / "state.json").read_text())
        document["state"]["sha256"]["optimizer"] = hashlib.sha256(data).hexdigest()
        document["sha256"] = hashlib.sha256(json.dumps(document["state"], sort_keys=True).encode()).hexdigest()
        (folder / "state.json").write_text(json.dumps(document))
        found, faults = checkpoint.newest(Path("run"))
        assert found is None
        assert "header" in str(faults)
    assert not Path("owned").exists()


@cache
def calls_in(path):
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]


def test_only_the_module_for_it_prints():
    for path in SOURCES:
        if path.relative_to(ROOT).as_posix() not in PRINTERS:
            names = {ast.unparse(call.func) for call in calls_in(path)}
            exits = {ast.unparse(c.args[0]) for c in calls_in(path) if ast.unparse(c.func) == "sys.exit" and c.args}
            assert not names & PRINTING, path
            assert not exits, path


def test_what_a_rich_console_prints_is_text_or_printable():
    printed = {
        (path.relative_to(ROOT).as_posix(), ast.unparse(call.args[0]))
        for path in SOURCES
        for call in calls_in(path)
        if ast.unparse(call.func).endswith("console.print") and call.args
    }
    ours = {"f'{len(costs)}/{len(subjects)} {name}: forward {cost.forward_ms:.0f} ms'", "text", "table", "''"}
    assert {text for _, text in printed if not text.startswith(("printable(", "Text(error_line("))} <= ours


@pytest.mark.parametrize(
    ("made", "place"), [("jinja2.Environment", "templates"), ("csv.writer", "csv_table"), ("csv.DictWriter", None)]
)
def test_pages_and_tables_are_written_by_the_module_that_escapes(made, place):
    allowed = f"pipeline/files/{place}.py"
    makers = {
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        for call in calls_in(path)
        if ast.unparse(call.func) == made
    }
    assert makers == ({allowed} if place else set())
