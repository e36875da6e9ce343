"""Time, peak memory and files of download, validate, tile and evaluate for ever more images of 64x64 pixels.

    python benchmarks/scale.py --counts 1000 10000 [--files-up-to 0] [--help]

A data set of each number of images is drawn as a folder: blocks of random colours, so that no two images are alike, in
three classes, ten images to a sequence; 80 % of the sequences are for training, 10 % each for validation and test. Each
stage then runs in a process of its own, as dvc runs it, but for evaluate, which scores an untrained network and sends
nothing to MLflow. With --files-up-to 0, data/raw has shards. Seconds include the start of the process; the peak is the
largest resident memory of the process or of one that it started, mapped files included. The fit is a straight line
through all counts.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.options import natural
from pipeline.files import atomic, safe_yaml, signals
from pipeline.files.images import encode_png

ROOT = Path(__file__).parents[1]
SIDE, BLOCK = 64, 8  # pixels of an image and of a block of one colour
FOLDER, SEQUENCE = 1000, 10  # images
MASKS = 97  # distinct ones
CLASSES = ("ground", "wall", "sky")
STAGES = ("download", "validate", "tile", "evaluate")
OUTPUTS = {"download": "data/raw", "tile": "data/tiles"}


@dataclass(frozen=True)
class Row:
    """What a stage took for a number of images."""

    images: int
    stage: str
    seconds: float
    peak_bytes: int
    files: int
    """In the folder that the stage writes, with their bytes."""
    file_bytes: int


def draw(folder: Path, count: int) -> None:
    """Write images and masks, a thousand to a folder: 00000/00000000_0.png is the first one of the first sequence."""
    generator = np.random.default_rng(1)
    blocks = (SIDE // BLOCK, SIDE // BLOCK)
    masks = [_enlarged(generator.integers(0, len(CLASSES) + (i % 5 == 0), blocks)) for i in range(MASKS)]
    encoded = [encode_png(mask) for mask in masks]
    for i in range(count):
        name = f"{i // FOLDER:05d}/{i // SEQUENCE:08d}_{i % SEQUENCE}.png"
        if i % FOLDER == 0:
            for kind in ("images", "masks"):
                (folder / kind / name).parent.mkdir(parents=True)
        (folder / "images" / name).write_bytes(encode_png(_enlarged(generator.integers(0, 256, (*blocks, 3)))))
        (folder / "masks" / name).write_bytes(encoded[i % MASKS])


def _enlarged(blocks: Any) -> Any:
    return blocks.astype(np.uint8).repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)


def write_params(folder: Path, files_up_to: int) -> None:
    """Write the params.yaml of a data set in <folder>/own: presets/folder.yaml with a tile for each image.

    `files_up_to` is download's param: the number of images above which data/raw has shards.
    """
    tree = safe_yaml.read(ROOT / "presets" / "folder.yaml")
    classes = [
        {"name": name, "value": i, "colour": [80 * i, 90, 200 - 60 * i], "ignore": False}
        for i, name in enumerate(CLASSES)
    ]
    classes.append({"name": "unlabelled", "value": len(CLASSES), "colour": [0, 0, 0], "ignore": True})
    tree["dataset"] |= {"path": str(folder / "own"), "images": "images/*/*.png", "masks": "masks/*/*.png"}
    tree["dataset"] |= {"classes": classes, "sequence": r"([0-9]+)_[0-9]\.png$"}
    tree["dataset"]["splits"] |= {"train": 0.8, "val": 0.1, "test": 0.1}
    tree["download"] |= {"files_up_to": files_up_to}
    tree["tile"] |= {"height": SIDE, "width": SIDE, "stride_y": SIDE, "stride_x": SIDE, "tiles_per_shard": 2048}
    atomic.write_text(folder / "params.yaml", json.dumps(tree))  # JSON is YAML


def evaluate() -> None:
    """Score an untrained network on the test images of the current folder, and write reports/ as the stage does."""
    import torch

    from pipeline import params
    from pipeline.artifacts import manifest, model, scores
    from pipeline.artifacts.spec import Spec
    from pipeline.core.models import MODELS
    from pipeline.evaluation import evaluate, report
    from pipeline.evaluation.report import contents, gallery
    from pipeline.files import log
    from pipeline.inference import predict

    log.to_stderr()
    settings, source, reports = params.load(), manifest.scan(Path("data/raw")), Path("reports")
    spec = Spec("segnet", 0.0625, source.classes, source.dataset, SIDE, SIDE, 1.0, "untrained")
    torch.manual_seed(1)
    model.write_model(Path("model"), spec, MODELS["segnet"](len(source.classes), spec.width).state_dict())
    predictor = predict.load(Path("model"), **predict.PLAIN)
    images = gallery.Gallery(source.classes, max_characters=gallery.budget(len(evaluate.scored_images(source))))
    result = evaluate.run(predictor, source, Path("data/raw"), on_image=images.add, placement=settings.placement)
    intervals = evaluate.intervals(result, settings.evaluate)
    scores.write(reports, result, intervals)
    atomic.write_text(reports / "history.csv", "epoch,train/loss,val/loss,val/miou\n1,1.0,1.0,0.1\n")
    report.write(
        reports / "evaluation.html", contents.contents(result, intervals, spec, reports / "history.csv", images)
    )


def measure(folder: Path, count: int, stage: str) -> Row:
    """Return what a stage takes in a process of its own, in a folder with params.yaml."""
    script = str(Path(__file__).resolve())
    command = [script, "--evaluate"] if stage == "evaluate" else ["-m", f"stages.{stage}"]
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command], cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL
    )
    # Unlike getrusage, it tells one child from another; a child never has less than this process, which is small.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{stage} of {count:,} images failed: see above")
    seconds = time.perf_counter() - began
    written = folder / OUTPUTS.get(stage, "reports")
    sizes = [path.stat().st_size for path in written.rglob("*") if path.is_file()]
    unit = 1 if sys.platform == "darwin" else 1024
    return Row(count, stage, seconds, usage.ru_maxrss * unit, len(sizes), sum(sizes))


def main() -> None:
    """Print the table and the fit, and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=natural, nargs="+", default=[1000, 10_000])
    parser.add_argument(
        "--files-up-to", type=int, default=100_000, help="as download.files_up_to; default: %(default)s"
    )
    parser.add_argument("--folder", type=Path, help="where the data sets are made; default: the system's temporary one")
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "scale.json")
    parser.add_argument("--evaluate", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.evaluate:
        return evaluate()
    load, rows = os.getloadavg()[0], []
    print("| images | stage | seconds | peak MB | files | MB |\n| ---: | --- | ---: | ---: | ---: | ---: |")
    for count in options.counts:
        with TemporaryDirectory(dir=options.folder) as name:
            folder = Path(name).resolve()
            draw(folder / "own", count)
            write_params(folder, options.files_up_to)
            for stage in STAGES:
                row = measure(folder, count, stage)
                rows.append(row)
                figures = f"{row.seconds:.1f} | {row.peak_bytes / 1e6:.0f} | {row.files:,} | {row.file_bytes / 1e6:.1f}"
                print(f"| {count:,} | {stage} | {figures} |", flush=True)
    for stage in STAGES if len(set(options.counts)) > 1 else ():
        of_stage = [row for row in rows if row.stage == stage]
        fit = statistics.linear_regression([row.images for row in of_stage], [row.peak_bytes for row in of_stage])
        print(f"{stage}: {fit.intercept / 1e6:.0f} MB, and {fit.slope:,.0f} bytes for each image")
    print(f"{os.cpu_count()} cores; the machine's load before: {load:.1f}")
    atomic.write_json(options.json, {"load": load, "rows": [asdict(row) for row in rows]})
    return None


if __name__ == "__main__":
    with signals.terminable():
        main()
