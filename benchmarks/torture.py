"""Kill every process of a small path at every moment, by every signal; another dvc repro must give the same model.

    python benchmarks/torture.py [--help]

Each scenario starts from a path that is undisturbed up to that moment. dvc repro is run again as soon as the one that
was struck has ended. Then every file must equal that of an undisturbed path, MLflow must hold one finished run, each
step once, one version and one decision, and no process may remain. The JSON file is written after each scenario, so
that nothing is lost when this is stopped.
"""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1]))

from pipeline.files import atomic, signals
from tests.support.kills import SCENARIOS, Torture


def main() -> None:
    """Print the table and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help='only scenarios whose name contains this, such as "worker, SIGKILL"')
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "torture.json")
    options = parser.parse_args()
    chosen = [scenario for scenario in SCENARIOS if options.only in str(scenario)]
    if not chosen:
        parser.error(f"--only: expected a part of one of {', '.join(map(str, SCENARIOS))}, got {options.only!r}")
    with TemporaryDirectory() as folder:
        torture = Torture(Path(folder) / "tree")
        print("| struck | dvc repro's status | ended after s | its processes gone after s | again s | found |")
        print("| --- | ---: | ---: | ---: | ---: | --- |")
        rows = []
        for scenario in chosen:
            rows.append(row := torture.run(scenario))
            faults = "; ".join(row.faults).replace("\n", " ").replace("|", "/") or "as undisturbed"
            times = f"{row.ended_seconds:.1f} | {row.gone_seconds:.1f} | {row.again_seconds:.0f}"
            print(f"| {row.scenario} | {row.status} | {times} | {faults} |", flush=True)
            atomic.write_json(options.json, {"scenarios": [asdict(row) for row in rows]})
    survived = sum(not row.faults for row in rows)
    print(f"{survived} of {len(rows)} as if nothing had happened")
    sys.exit(survived != len(rows))


if __name__ == "__main__":
    with signals.terminable():
        main()
