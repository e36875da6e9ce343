"""Register models/segnet with the scores of reports/: python -m stages.register."""

from dataclasses import asdict
from pathlib import Path

from pipeline import params, register
from pipeline.files import checkpoint, scores
from pipeline.tracking import registry, runs
from stages import execute

MODEL = Path("models/segnet")
REPORTS = Path("reports")
OPTIONS = ("overlap", "flip", "samples", "seed")  # of evaluate: the served model predicts as was evaluated


def main() -> None:
    """Make the model a version and challenger, and champion where the gate holds; write and say the verdict."""
    settings, spec = params.load(), checkpoint.read_spec(MODEL)
    options, gate = settings.evaluate.model_dump(include=set(OPTIONS)), settings.registration
    name, candidate = f"segnet-{spec.dataset}", register.standing(MODEL, scores.read(REPORTS), options)
    run = runs.resume(settings.tracking.experiment, spec.run)
    reigning = registry.with_alias(run.uri, name, registry.CHAMPION)
    champion = register.Standing.from_tags(reigning.tags) if reigning else None
    verdict = register.decide(candidate, champion, min_miou=gate.min_miou, min_gain=gate.min_gain)
    reasons = "; ".join(verdict.reasons)
    commit, status = runs.tags(run).get("git_commit", "unknown"), "approved" if verdict.promote else "refused"
    tags = {**candidate.tags(), "dataset": spec.dataset, "git_commit": commit, "validation_status": status}
    with runs.running(run):
        number = registry.register(run, name, MODEL, options, asdict(spec), tags=tags, description=reasons)
        registry.set_alias(run.uri, name, registry.CHALLENGER, number)
        if verdict.promote:
            registry.crown(run.uri, name, number)
    register.write(REPORTS / "registration.json", name, number, verdict)
    rank = "champion" if verdict.promote else "challenger, not champion"
    print(f"register: {name} version {number} is {rank}: {reasons}")  # noqa: T201


if __name__ == "__main__":
    execute(main)
