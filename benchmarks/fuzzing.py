"""Run every reader of the pipeline on thousands of broken inputs.

    python benchmarks/fuzzing.py [RESULT.json] [--cases 1500] [--seed 1]

A case is a file, folder, archive or request with faults (tests/support/mutations.py). It fails if a reader neither
returns a correct result nor raises one of the pipeline's own errors (tests/support/readers.py), if it takes over ten
seconds, or if the process grows by over 512 MB during the reader's cases. Exits with 1 if a case failed.
"""

import argparse
import importlib
import os
import platform
import resource
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.options import natural
from pipeline.files import atomic, decoding
from pipeline.inference import served_model
from pipeline.tracking import store

ROOT = Path(__file__).parents[1]
SECONDS = 10  # per case
MEGABYTES = 512  # by which the process may grow in a reader's cases
FEWER = {"params.yaml": 0.5, "data sets": 0.5, "layouts": 0.5}  # about 50, 20 and 10 per second


class HangError(BaseException):
    """A case took too long; no reader can catch it."""


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raise HangError if the block takes longer."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise HangError

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


@contextmanager
def silent() -> Iterator[None]:
    """Discard what C libraries write to standard error, such as libtiff's complaints about broken images."""
    stderr, devnull = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(devnull)


def peak() -> float:
    """Return the peak memory of the process so far, 1e6 bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def fuzz(reader: Any, cases: int, number: int) -> dict[str, Any]:
    """Return how many of a reader's cases ended in which way, and the texts of the faults."""
    outcome = importlib.import_module("tests.support.readers").outcome
    ends: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    slowest = 0.0

    @seed(number)
    @settings(
        max_examples=cases, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=[*HealthCheck]
    )
    @given(reader.cases)
    def attempt(case: Any) -> None:
        nonlocal slowest
        start = monotonic()
        try:
            with limited(SECONDS):
                ends[outcome(reader, case)] += 1
        except AssertionError as err:
            faults[str(err).splitlines()[0][:200] if str(err) else "a wrong result"] += 1
        except HangError:
            faults[f"over {SECONDS} seconds"] += 1
        slowest = max(slowest, monotonic() - start)

    before, start = peak(), monotonic()
    with silent():
        attempt()
    seconds, grown = monotonic() - start, peak() - before
    if grown > MEGABYTES:
        faults[f"over {MEGABYTES} MB"] += 1
    return {
        "reader": reader.name,
        "cases": ends.total() + faults.total(),
        "refused": ends["refused"],
        "read": ends["read"],
        "failures": faults.total(),
        "seconds": round(seconds, 1),
        "slowest_ms": round(1000 * slowest),
        "megabytes": round(grown),
        "faults": dict(faults.most_common(20)),
    }


def main() -> None:
    """Print the table and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=Path, nargs="?", default=Path(__file__).parent / "results" / "fuzzing.json")
    parser.add_argument("--cases", type=natural, default=1500, help="per reader")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    store.configure()
    kinds = ("input", "data_sets", "images", "files")
    modules = [importlib.import_module(f"tests.support.readers_of_{kind}") for kind in kinds]
    readers = [reader for module in modules for reader in module.READERS]
    decoding.MAX_PIXELS, served_model.MAX_PIXELS = 2**20, 2**16  # bounds the memory of an image
    print(f"{'reader':20}   cases refused    read failures  seconds  slowest ms  MB more")
    rows = []
    for reader in readers:
        row = fuzz(reader, round(options.cases * FEWER.get(reader.name, 1)), options.seed)
        rows.append(row)
        counts = f"{row['cases']:7} {row['refused']:7} {row['read']:7} {row['failures']:8}"
        print(
            f"{reader.name:20} {counts} {row['seconds']:8.1f} {row['slowest_ms']:11} {row['megabytes']:8}", flush=True
        )
        for fault, count in row["faults"].items():
            print(f"    {count} x {fault}")
    totals = {key: sum(row[key] for row in rows) for key in ("cases", "refused", "read", "failures", "seconds")}
    print(f"{'all':20} {totals['cases']:7} {totals['refused']:7} {totals['read']:7} {totals['failures']:8}")
    machine = {"cpus": os.cpu_count(), "processor": platform.machine(), "python": platform.python_version()}
    atomic.write_json(options.result, {"machine": machine, "seed": options.seed, "total": totals, "readers": rows})
    sys.exit(1 if totals["failures"] else 0)


if __name__ == "__main__":
    main()
