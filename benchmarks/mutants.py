"""Put small faults into the program, one at a time, and list those that no fast test of their room notices.

    python benchmarks/mutants.py [--help]

The faults are those of tests/support/mutants.py; of each room a seeded sample is tried. The room's fast tests run once
undisturbed, to learn which of them run which line. Then each mutant is put into a copy of the tree, and the tests that
run its line are run, the fastest first, until one fails; a mutant that takes far longer than its tests is killed too.
Processes are forked once torch and MLflow are imported. The JSON file is written after each mutant.
"""

import argparse
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.options import natural, one_of
from pipeline.files import atomic, signals
from tests.support import ROOT
from tests.support.forked import Forked, import_libraries
from tests.support.mutants import mutants

ROOMS = (
    "core",
    "registry",
    "training",
    "tracking",
    "artifacts",
    "crossvalidation",
    "data",
    "evaluation",
    "files",
    "inference",
    "params",
    "planning",
    "validation",
)


@dataclass(frozen=True)
class Case:
    """A mutant of a file, and the tests that may kill it."""

    room: str
    path: str
    """Relative to the tree."""
    text: str
    """Of the file, which may be edited meanwhile where the tree was copied from."""
    mutant: Any
    tests: tuple[str, ...]
    """The fastest first."""
    limit: float
    """Seconds after which it counts as killed."""


def main() -> None:
    """Print each survivor as it is found and the table of the rooms, and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "rooms", nargs="*", type=one_of(ROOMS), default=ROOMS, metavar="ROOM", help=f"some of {', '.join(ROOMS)}"
    )
    parser.add_argument("--sample", type=int, default=30, help="mutants per room (30); 0: all")
    parser.add_argument("--seed", type=int, default=1, help="of the samples (1)")
    parser.add_argument("--file", default="", help="only files whose path contains this, such as registry/promote.py")
    parser.add_argument("--processes", type=natural, default=2, help="mutants at a time (2)")
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "mutants.json")
    options = parser.parse_args()
    import_libraries()
    began, rows = time.monotonic(), list[dict[str, Any]]()
    with TemporaryDirectory() as temporary:
        trees = [copied(Path(temporary) / str(number)) for number in range(options.processes)]
        for room in options.rooms:
            cases = sampled(room, options.file, trees[0], sample=options.sample, seed=options.seed)
            for case, killed in tried(cases, trees):
                rows.append({"room": room, "file": case.path, "mutant": str(case.mutant), "killed": killed})
                if not killed:
                    why = "" if case.tests else " (no test runs it)"
                    print(f"survived: {case.path}, {case.mutant}{why}", flush=True)
                atomic.write_json(options.json, {"seed": options.seed, "sample": options.sample, "mutants": rows})
    print("\n| room | mutants tried | killed | share |\n| --- | ---: | ---: | ---: |")
    for room in options.rooms:
        outcomes = [row["killed"] for row in rows if row["room"] == room]
        print(f"| {room} | {len(outcomes)} | {sum(outcomes)} | {sum(outcomes) / max(1, len(outcomes)):.0%} |")
    print(f"{(time.monotonic() - began) / 60:.0f} minutes, {options.processes} at a time, seed {options.seed}")


def copied(tree: Path) -> Path:
    """Copy the files that git knows, as they are now, into a new folder, and compile them; return it."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name)
    folders = [str(tree / name) for name in ("pipeline", "stages", "tests")]
    subprocess.run([sys.executable, "-m", "compileall", "-q", *folders], check=True)  # each mutant's process reads it
    return tree


def sampled(room: str, part: str, tree: Path, *, sample: int, seed: int) -> list[Case]:
    """Return a random sample of the mutants of a room, after a run of its fast tests in the copy `tree`.

    Raises:
        SystemExit: a test failed though nothing was changed.
    """
    undisturbed = Forked(tree, [f"tests/{room}"], limit=3600, traced=f"pipeline/{room}")
    while not undisturbed.has_ended():
        time.sleep(0.1)
    if undisturbed.killed:
        sys.exit(f"tests/{room}: expected its fast tests to pass without a mutant, got\n{undisturbed.output[-3000:]}")
    seconds, lines = undisturbed.seconds, undisturbed.lines
    paths = [path.relative_to(tree).as_posix() for path in sorted((tree / "pipeline" / room).rglob("*.py"))]
    found = [(path, mutant) for path in paths if part in path for mutant in mutants((tree / path).read_text())]
    if sample and len(found) > sample:
        found = random.Random(seed).sample(found, sample)
    cases = []
    for path, mutant in found:
        by_line = {int(line): set(tests) for line, tests in lines.get(path, {}).items()}
        ours = set[str]().union(*(by_line.get(line, ()) for line in mutant.lines))
        # A module's and a fixture's statements run outside tests: all tests that use the file may notice, and of a
        # module without functions all tests of the room.
        if "" in ours:
            ours = set[str]().union(*by_line.values()) - {""} or set(seconds)
        tests = tuple(sorted(ours, key=lambda test: (seconds[test], test)))
        cases.append(
            Case(
                room,
                path,
                (tree / path).read_text(),
                mutant,
                tests,
                limit=60 + 5 * sum(seconds[test] for test in tests),
            )
        )
    return cases


def tried(cases: list[Case], trees: list[Path]) -> Iterator[tuple[Case, bool]]:
    """Try each case in one of the trees, as many at a time; yield it and whether it was killed."""
    waiting, running = list(reversed(cases)), dict[Path, tuple[Case, Forked]]()
    while waiting or running:
        for tree in trees:
            if tree in running and running[tree][1].has_ended():
                case, process = running.pop(tree)
                (tree / case.path).write_text(case.text)
                yield case, process.killed
            while tree not in running and waiting:
                case = waiting.pop()
                if not case.tests:
                    yield case, False
                    continue
                (tree / case.path).write_text(case.mutant.applied(case.text))
                running[tree] = case, Forked(tree, list(case.tests), limit=case.limit)
        time.sleep(0.02)


if __name__ == "__main__":
    with signals.terminable():
        main()
