"""Evaluation of this repository's test images by one host of a Ray cluster and by several, in turns.

    python benchmarks/nodes.py [--hosts 1 2] [--help]

It needs what `dvc repro evaluate` needs (at least a hundred test images) and root, for hosts are made of namespaces of
this machine (tests/support/hosts.py): each has one CPU, and sees neither data nor model. The driver's host has none; it
reads, sends, receives, and makes the page's pictures, as the stage does. Seconds are those from the call to the last
image, with joining the cluster and starting a process on each host; the median of the turns counts, and so does that of
their ratios to the first number of hosts.
"""

import argparse
import json
import os
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from pipeline import params
from pipeline.artifacts import manifest
from pipeline.evaluation import evaluate
from pipeline.evaluation.report import gallery
from pipeline.files import atomic
from pipeline.inference import predict
from stages.evaluate import MODEL, OPTIONS, RAW
from tests.support import ROOT, ray_hosts


@dataclass(frozen=True)
class Row:
    """Median seconds by so many hosts, and the median of their ratios to the first row's."""

    hosts: int
    images: int
    seconds: float
    ratio: float


def time_this() -> None:
    """Evaluate as the stage does, but for what it writes; print the number of images, seconds and scores."""
    settings, source = params.load(), manifest.read(RAW)
    number = len(evaluate.scored_images(source))
    images = gallery.Gallery(source.classes, max_characters=gallery.budget(number))
    predictor = predict.load(MODEL, **settings.evaluate.model_dump(include=set(OPTIONS)))
    began = time.perf_counter()
    result = evaluate.run(predictor, source, RAW, on_image=images.add, placement=settings.placement)
    seconds = time.perf_counter() - began
    print(json.dumps({"images": number, "seconds": seconds, "scores": evaluate.recorded(result)}))


def by_hosts(number: int) -> dict[str, Any]:
    """Return what `time_this` prints on a new cluster of so many hosts."""
    with TemporaryDirectory() as folder, ray_hosts.cluster(Path(folder) / "logs") as cluster:
        for i in range(number):
            cluster.add(f"node{i + 1}", sees=())
        done = cluster.python(str(Path(__file__).resolve()), "--evaluate", folder=ROOT, timeout=3600)
    if done.returncode:
        raise SystemExit(done.stderr)
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def main() -> None:
    """Print the table, and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, nargs="+", default=[1, 2], help="numbers of hosts; default: 1 2")
    parser.add_argument("--turns", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "nodes.json")
    parser.add_argument("--evaluate", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.evaluate:
        return time_this()
    load = os.getloadavg()[0]
    turns = [[by_hosts(number) for number in options.hosts] for _ in range(options.turns)]
    if len({json.dumps(each["scores"]) for turn in turns for each in turn}) > 1:
        raise SystemExit("expected the same scores by any number of hosts")
    print("| hosts | images | seconds | ratio |\n| ---: | ---: | ---: | ---: |")
    rows = []
    for hosts, *done in zip(options.hosts, *turns, strict=True):
        seconds = [each["seconds"] for each in done]
        first = [turn[0]["seconds"] for turn in turns]
        ratio = statistics.median(a / b for a, b in zip(seconds, first, strict=True))
        rows.append(Row(hosts, done[0]["images"], statistics.median(seconds), ratio))
        print(f"| {hosts} | {rows[-1].images:,} | {rows[-1].seconds:.1f} | {ratio:.2f} |")
    print(f"{os.cpu_count()} cores; the machine's load before: {load:.1f}")
    atomic.write_json(options.json, {"load": load, "rows": [asdict(row) for row in rows]})
    return None


if __name__ == "__main__":
    main()
