"""Register models/segnet with the scores of reports/: python -m stages.register."""

from dataclasses import asdict
from pathlib import Path

from pipeline import params, register
from pipeline.files import checkpoint, registration, scores
from pipeline.tracking import registry, runs
from stages import execute

MODEL = Path("models/segnet")
REPORTS = Path("reports")
OPTIONS = ("overlap", "flip", "samples", "seed")  # of evaluate: the served model predicts as was evaluated


def main() -> None:
    """Make the model a version and challenger, and champion where the gate holds; write and say the verdict."""
    settings, spec, found = params.load(), checkpoint.read_spec(MODEL), scores.read(REPORTS)
    options = settings.evaluate.model_dump(include=set(OPTIONS))
    name, candidate = f"segnet-{spec.dataset}", register.standing(MODEL, found, options)
    run = runs.resume(settings.tracking.experiment, spec.run)
    champion = None
    if reigning := registry.with_alias(run.uri, name, registry.CHAMPION):
        with registry.run_files(run.uri, reigning, scores.READ) as folder:
            champion = register.Champion.read(reigning.tags, folder)
    verdict = register.decide(candidate, found, champion, gate=settings.registration, evaluation=settings.evaluate)
    commit, status = runs.tags(run).get("git_commit", "unknown"), verdict.outcome.status
    tags = {**candidate.tags(), "dataset": spec.dataset, "git_commit": commit, "validation_status": status}
    reasons = "; ".join(verdict.reasons)
    with runs.running(run):
        number = registry.register(run, name, MODEL, options, asdict(spec), tags=tags, description=reasons)
        registry.set_alias(run.uri, name, registry.CHALLENGER, number)
        if verdict.outcome is registration.Outcome.PROMOTE:
            registry.crown(run.uri, name, number)
    registration.write(REPORTS / "registration.json", name, number, verdict)
    print(f"register: {verdict.outcome.name} {name} version {number}: {reasons}")  # noqa: T201


if __name__ == "__main__":
    execute(main)
