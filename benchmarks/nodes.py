"""Download, tile and evaluate of images of 64x64 pixels by one host of a Ray cluster and by several, in turns.

    python benchmarks/nodes.py [--hosts 1 2 3] [--share 0.4] [--help]

It needs root, for hosts are made of namespaces of this machine (tests/support/hosts.py): each has one CPU for tasks,
of which it gets the share of a core that --share says (by cgroups of version 1), and sees no file. The driver's host
has none for tasks, and as much of the machine's cores as is left; it runs the stages whole, as dvc does, but for
evaluate, which scores an untrained network (benchmarks/scale.py, which draws the images). Seconds are a stage's whole
process, joining the cluster and starting a process on each host included; the median of the turns counts, and so does
that of their ratios to the first number of hosts. What is written must be the same bytes for any number of hosts.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import scale
from benchmarks.options import natural, positive
from pipeline.files import atomic, signals
from pipeline.files.digest import content_sha256
from tests.support import ROOT, ray_hosts

COMMANDS = {
    "download": ("-m", "stages.download"),
    "tile": ("-m", "stages.tile"),
    "evaluate": (str(ROOT / "benchmarks" / "scale.py"), "--evaluate"),
}
_GROUPS = Path("/sys/fs/cgroup/cpu")
_PERIOD = 20_000  # microseconds


@dataclass(frozen=True)
class Row:
    """Median seconds of a stage by so many hosts, and the median of their ratios to those by the first number."""

    stage: str
    hosts: int
    seconds: float
    ratio: float


def run(folder: Path, number: int, share: float) -> dict[str, tuple[float, str]]:
    """Return the seconds of each stage on a new cluster of so many hosts, and the digest of what it wrote."""
    done = {}
    with ray_hosts.cluster(folder) as cluster, nodes(cluster, number, share):
        for stage, command in COMMANDS.items():
            began = time.perf_counter()
            ended = cluster.python(*command, folder=folder, timeout=7200, PYTHONPATH=str(ROOT))
            seconds = time.perf_counter() - began
            if ended.returncode or f"{number} node" not in ended.stderr:
                raise SystemExit(f"{stage} by {number} hosts failed:\n{ended.stderr}")
            done[stage] = seconds, content_sha256(folder / scale.OUTPUTS.get(stage, "reports"))
            print(f"{stage}, {number} hosts: {seconds:.1f} s", file=sys.stderr, flush=True)
    return done


@contextmanager
def nodes(cluster: ray_hosts.RayHosts, number: int, share: float) -> Iterator[None]:
    """Add so many hosts to a cluster, each with so much of a core; they end with the context."""
    if share < 1 and not _GROUPS.is_dir():
        raise SystemExit(
            f"expected cgroups of version 1 at {_GROUPS}, got none; use --share 1 and a core for each host"
        )
    groups = {cluster.add(f"node{i + 1}", sees=()): _GROUPS / f"segnet-{os.getpid()}-{i + 1}" for i in range(number)}
    try:
        for node, group in groups.items() if share < 1 else ():
            group.mkdir()
            (group / "cpu.cfs_period_us").write_text(str(_PERIOD))
            (group / "cpu.cfs_quota_us").write_text(str(round(_PERIOD * share)))
            for process in node.processes():  # what they start is in the group, too
                (group / "cgroup.procs").write_text(str(process.pid))
        yield
    finally:
        for node, group in groups.items():
            node.stop()
            if group.is_dir():
                group.rmdir()


def main() -> None:
    """Print the table, and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=natural, nargs="+", default=[1, 2, 3], help="numbers of hosts; default: 1 2 3")
    parser.add_argument("--images", type=natural, default=20_000, help="a tenth is evaluated; default: %(default)s")
    parser.add_argument("--share", type=positive, default=0.4, help="of a core, that a host gets; default: %(default)s")
    parser.add_argument("--turns", type=natural, default=1, help="default: %(default)s")
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "nodes.json")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with TemporaryDirectory() as name:
        folder = Path(name).resolve()
        scale.draw(folder / "own", options.images)
        scale.write_params(folder, files_up_to=0)
        turns = [[run(folder, number, options.share) for number in options.hosts] for _ in range(options.turns)]
    print("| stage | hosts | seconds | ratio |\n| --- | ---: | ---: | ---: |")
    rows = []
    for stage in COMMANDS:
        if len({done[stage][1] for turn in turns for done in turn}) > 1:
            raise SystemExit(f"expected the same output of {stage} by any number of hosts")
        for i, number in enumerate(options.hosts):
            seconds = [turn[i][stage][0] for turn in turns]
            ratio = statistics.median(turn[0][stage][0] / turn[i][stage][0] for turn in turns)
            rows.append(Row(stage, number, statistics.median(seconds), ratio))
            print(f"| {stage} | {number} | {rows[-1].seconds:.1f} | {ratio:.2f} |")
    print(f"{options.images:,} images; {os.cpu_count()} cores, {options.share} of one for each host; load: {load:.1f}")
    atomic.write_json(options.json, {"load": load, "rows": [asdict(row) for row in rows]})


if __name__ == "__main__":
    with signals.terminable():
        main()
