"""Kill every process of a small path at every moment, by every signal; dvc repro again must give the same model.

    python benchmarks/torture.py [--help]

Each scenario begins with a path that is undisturbed up to there. dvc repro is run again as soon as the one that was
struck has ended. Then every file must be that of an undisturbed path, MLflow must hold one finished run, each step
once, one version and one decision, and no process may be left. The JSON file is written after each scenario: what has
run is kept when this is stopped.
"""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1]))

from pipeline.files import atomic
from tests.support.kills import SCENARIOS, Torture


def main() -> None:
    """Print the table and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help='what the scenario\'s name must contain, such as "worker, SIGKILL"')
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "torture.json")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        torture = Torture(Path(folder) / "tree")
        print("| struck | dvc repro's status | ended after s | its processes gone after s | again s | found |")
        print("| --- | ---: | ---: | ---: | ---: | --- |")
        rows = []
        for scenario in SCENARIOS:
            if given.only not in str(scenario):
                continue
            rows.append(row := torture.run(scenario))
            found = "; ".join(row.faults).replace("\n", " ").replace("|", "/") or "as undisturbed"
            times = f"{row.ended_seconds:.1f} | {row.gone_seconds:.1f} | {row.again_seconds:.0f}"
            print(f"| {row.scenario} | {row.status} | {times} | {found} |", flush=True)
            atomic.write_json(given.json, {"scenarios": [asdict(row) for row in rows]})
    survived = sum(not row.faults for row in rows)
    print(f"{survived} of {len(rows)} as if nothing had happened")
    sys.exit(survived != len(rows))


if __name__ == "__main__":
    main()
