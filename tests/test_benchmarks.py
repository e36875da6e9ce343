"""Benchmarks compare with the baselines that they claim, and document how to run them."""

import json
import runpy
import subprocess
import sys
import warnings
from argparse import ArgumentTypeError
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks.options import natural, one_of, positive
from pipeline.core.models import MODELS
from tests.support import ROOT

BENCHMARKS = ROOT / "benchmarks"


def test_the_usual_segnet_is_segnet():
    usual = runpy.run_path(str(BENCHMARKS / "models.py"))["UsualSegNet"](11, 0.125).eval()
    ours = MODELS["segnet"](11, 0.125).eval()
    values = list(ours.state_dict().values())
    usual.load_state_dict(dict(zip(usual.state_dict(), values, strict=True)))
    x = torch.rand(1, 3, 45, 61, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(usual(x), ours(x))


SCRIPTS = [path for path in sorted(BENCHMARKS.glob("*.py")) if "__main__" in path.read_text()]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_benchmark_says_how_to_run_it(script):
    assert f"python benchmarks/{script.name}" in (runpy.run_path(str(script))["__doc__"] or "")


@pytest.mark.parametrize(
    ("type_", "text", "result"),
    [
        (natural, "7", 7),
        *((natural, text, "a whole number of at least 1") for text in ("0", "-1", "1.5", "x", "")),
        (positive, "0.25", 0.25),
        *((positive, text, "a number above 0") for text in ("0", "-1", "nan", "inf", "x")),
        (one_of({"core": 1, "data": 2}), "data", "data"),
        (one_of({"core": 1, "data": 2}), "dat", "one of core, data"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(type_, text, result):
    if str(result) == text:
        assert type_(text) == result
    else:
        with pytest.raises(ArgumentTypeError, match=f"^expected {result}, got '{text}'$"):
            type_(text)


def test_a_torture_of_no_scenario_is_refused():
    command = [sys.executable, str(BENCHMARKS / "torture.py"), "--only", "nosuch"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "torture.py: error: --only: expected a part of one of driver, SIGKILL, " in done.stderr
    assert done.stderr.endswith(", got 'nosuch'\n")


def test_the_roofline_counts_what_hand_counting_gives():
    roofline = runpy.run_path(str(BENCHMARKS / "roofline.py"))
    level = roofline["levels"]()[360]
    # 3 -> 64 without the gradient of its input, 64 -> 64 twice, and 64 -> 11.
    pixels = 360 * 480
    assert level.flop == 2 * 9 * pixels * (2 * 3 * 64 + 3 * 2 * 64 * 64 + 3 * 64 * 11)
    assert level.conv_bytes == 2 * pixels * (2 * (3 + 64) + 3 * 2 * (64 + 64) + 3 * (64 + 11))
    assert (level.unit_bytes, level.map_bytes) == (3 * 2 * 64 * pixels, 2 * 64 * pixels)
    # Two bits for each of a quarter of the values, read or written by pool, unpool and both gradients.
    arithmetic, traffic, between = level.milliseconds("ours", 1e12, 1e12)
    assert (arithmetic, traffic) == (level.flop / 1e9, level.conv_bytes / 1e9)
    assert between == (13 * 3 + 4 * (1 + 0.25 + 0.25 / 8)) * 2 * 64 * pixels / 1e9
    assert sum(level.flop for level in roofline["levels"]().values()) / 1e9 == pytest.approx(3 * 2 * 106.7, rel=0.005)


WITHOUT = """
import runpy, sys

MISSING = {"ray", "mlflow", "dvc", "great_expectations", "typer", "psutil", "obstore", "pooch"}

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in MISSING:
            raise ImportError(f"{name} is not there")

sys.meta_path.insert(0, Missing())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.slow
def test_all_phases_for_a_gpu_run_dry_with_the_packages_of_a_bare_machine(tmp_path):
    path = tmp_path / "gpu.json"
    command = [sys.executable, "-c", WITHOUT, str(BENCHMARKS / "gpu.py"), "--dry", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    found = json.loads(path.read_text())
    phases = ("probe", "pooling", "steps-4", "steps-16", "steps-32", "inference")
    assert [len(found[name]) for name in phases] == [3, 1, 9, 9, 9, 6]
    assert found["pooling"][0]["same bits"]
    assert found["pooling"][0]["channels_last kept"]
    assert "## steps-4\n| step | batch | ms | images/s | TFLOP/s | MB an image, weights included |\n" in done.stdout


def test_only_lines_that_wait_for_the_device_are_counted():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn("Synchronization debug mode is a prototype feature", stacklevel=1)
        warnings.warn("called a synchronizing CUDA operation (Triggered internally at x.cpp:7)", stacklevel=1)
    (place,) = runpy.run_path(str(BENCHMARKS / "gpu.py"))["waiting"](caught)
    assert place.startswith(f"{__file__}:")


@pytest.mark.slow
@pytest.mark.parametrize(("files_up_to", "files"), [("60", 2 * 60), ("59", 1)])  # of images and masks, or a shard
def test_every_stage_of_a_data_set_drawn_for_scale_is_measured(tmp_path, files_up_to, files):
    path = tmp_path / "scale.json"
    command = [sys.executable, str(BENCHMARKS / "scale.py"), "--counts", "60", "--json", str(path)]
    command += ["--files-up-to", files_up_to]
    done = subprocess.run([*command, "--folder", str(tmp_path)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    rows = {row["stage"]: row for row in json.loads(path.read_text())["rows"]}
    assert list(rows) == ["download", "validate", "tile", "evaluate"]
    # The manifest, dataset.json and the licence; one shard of tiles for each split, and two files of the tile set.
    assert (rows["download"]["files"], rows["tile"]["files"]) == (files + 3, 3 + 2)
    assert all(row["peak_bytes"] > 50e6 and row["seconds"] > 0 for row in rows.values())
    assert done.stdout.count("| 60 | ") == 4


def test_images_drawn_for_scale_differ(tmp_path):
    runpy.run_path(str(BENCHMARKS / "scale.py"))["draw"](tmp_path, 1001)
    images = [path.read_bytes() for path in (tmp_path / "images").rglob("*.png")]
    assert len(images) == len(set(images)) == 1001
    assert sorted(path.name for path in (tmp_path / "masks" / "00001").iterdir()) == ["00000100_0.png"]


def test_the_pictures_of_the_results_are_of_six_images_from_the_worst_to_the_best():
    chosen = runpy.run_path(str(BENCHMARKS / "figures.py"))["chosen"]
    wrong = np.array([3, 0, 10, 7, 1, 4, 2, 5, 9, 6, 8])  # pixels of class 0 that are taken for class 1
    counts = np.array([[[10 - number, number], [0, 10]] for number in wrong])
    assert chosen(SimpleNamespace(counts=counts, ids=tuple("dakhbecfjgi"))) == ["k", "i", "g", "e", "c", "a"]
