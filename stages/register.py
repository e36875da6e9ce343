"""Register models/segnet with the scores of reports/ and decide who reigns: python -m stages.register."""

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline import judgement, params, promotion, register
from pipeline.files import checkpoint, evidence, registration, scores
from pipeline.tracking import registry, runs, store, versions
from stages import execute

RAW = Path("data/raw")
MODEL = Path("models/segnet")
REPORTS = Path("reports")
OPTIONS = ("overlap", "flip", "samples", "seed")  # of evaluate: the served model predicts as was evaluated


def main() -> None:
    """Make the model a version and challenger, and champion where the rule says so; write and say the verdict."""
    settings, spec, found = params.load(), checkpoint.read_spec(MODEL), scores.read(REPORTS)
    options = settings.evaluate.model_dump(include=set(OPTIONS))
    name, standing = f"segnet-{spec.dataset}", register.standing(MODEL, found, options)
    run = runs.resume(settings.tracking.experiment, spec.run)
    rule = judgement.Rule(settings.registration, settings.evaluate, RAW)
    with store.reached(run.uri), runs.running(run), TemporaryDirectory() as temporary:
        tags = evidence.gather(Path(), Path(temporary), promotion.origin(run)) | standing.tags()
        version = registry.register(run, name, MODEL, options, asdict(spec), evidence=Path(temporary), tags=tags)
        versions.set_alias(run.uri, name, versions.CHALLENGER, version.number)
        _, verdict = promotion.consider(run.uri, name, version.number, rule)
    registration.write(REPORTS / "registration.json", name, version.number, verdict)
    reasons = "; ".join(verdict.reasons)
    print(f"register: {verdict.outcome.name} {name} version {version.number}: {reasons}")  # noqa: T201


if __name__ == "__main__":
    execute(main)
