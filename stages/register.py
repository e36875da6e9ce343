"""Register models/segnet with the scores of reports/ and decide who reigns: python -m stages.register."""

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline import params
from pipeline.artifacts import scores
from pipeline.artifacts.model import read_spec
from pipeline.artifacts.verdict import write_verdict
from pipeline.registry import evidence, gate, judge, model_files, promote, versions
from pipeline.tracking import runs, store
from stages import execute

RAW = Path("data/raw")
MODEL = Path("models/segnet")
REPORTS = Path("reports")
OPTIONS = ("overlap", "flip", "samples", "seed")  # of evaluate: the served model predicts as was evaluated


def main() -> None:
    """Make the model a version and challenger, and champion where the rule says so; write and say the verdict."""
    settings, spec, found = params.load(), read_spec(MODEL), scores.read(REPORTS)
    options = settings.evaluate.model_dump(include=set(OPTIONS))
    name, standing = f"segnet-{spec.dataset}", gate.standing(MODEL, found, options)
    run = runs.resume(settings.tracking.experiment, spec.run)
    rule = judge.Rule(settings.registration, settings.evaluate, RAW)
    with store.reached(run.uri), runs.running(run), TemporaryDirectory() as temporary:
        tags = evidence.gather(Path(), Path(temporary), promote.origin(run)) | standing.tags()
        version = model_files.register(run, name, MODEL, options, asdict(spec), evidence=Path(temporary), tags=tags)
        versions.set_alias(run.uri, name, versions.CHALLENGER, version.number)
        _, verdict = promote.consider(run.uri, name, version.number, rule)
    write_verdict(REPORTS / "registration.json", name, version.number, verdict)
    reasons = "; ".join(verdict.reasons)
    print(f"register: {verdict.outcome.name} {name} version {version.number}: {reasons}")  # noqa: T201


if __name__ == "__main__":
    execute(main)
