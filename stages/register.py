"""Register models/segnet with the scores in reports/ and decide on the champion: python -m stages.register."""

from pathlib import Path

from pipeline import params
from pipeline.artifacts import scores
from pipeline.artifacts.verdict import write_verdict
from pipeline.files.terminal import say
from pipeline.registry import advice, register, standing
from pipeline.registry.judge import Rule
from pipeline.tracking import runs
from stages import execute

RAW = Path("data/raw")
MODEL = Path("models/segnet")
REPORTS = Path("reports")


def main() -> None:
    """Register the model as a version and challenger, as champion if the gate allows; write and print the verdict."""
    settings = params.load()
    (REPORTS / "registration.json").unlink(missing_ok=True)  # DVC leaves it: what is refused before, loses no verdict
    result = scores.read(REPORTS)
    options = settings.evaluate.serving()
    scored = standing.of(MODEL, result, options)
    rule = Rule(settings.registration, settings.evaluate, RAW, settings.placement)
    run = runs.resume(settings.tracking.experiment, scored.run)
    with runs.running(run):
        version, verdict = register.run(run, MODEL, scored, options, rule)
    name, reasons = version.model.name, "; ".join(verdict.reasons)
    write_verdict(REPORTS / "registration.json", name, version.number, verdict)
    say(f"register: {verdict.outcome.name} {name} version {version.number}: {reasons}")
    say(*advice.advice(version, verdict, result, "reports/evaluation.html"))


if __name__ == "__main__":
    execute(main)
