"""Score models/segnet on the test images of data/raw: python -m stages.evaluate.

Writes reports/scores.json, reports/confusion.csv and reports/overlays.
"""

from pathlib import Path

from pipeline import evaluate, params, predict
from pipeline.files import manifest, scores
from pipeline.tracking import runs
from stages import execute

RAW = Path("data/raw")
MODEL = Path("models/segnet")
REPORTS = Path("reports")


def main() -> None:
    """Predict every test image, write the scores, and add them to the training's MLflow run."""
    settings = params.load()
    chosen = settings.evaluate
    options = chosen.model_dump(include={"overlap", "batch_size", "flip", "samples", "seed"})
    predictor = predict.load(MODEL, **options)
    overlays = REPORTS / "overlays"
    found = evaluate.run(predictor, manifest.read(RAW), RAW, overlays, num_overlays=chosen.overlays)
    scores.write(REPORTS, found)
    run = runs.resume(settings.tracking.experiment, found.run)
    with runs.running(run):
        runs.log_scores(run, found.metrics)
        runs.log_files(run, [REPORTS / "scores.json", REPORTS / "confusion.csv", overlays])
    shown = ", ".join(f"{name.removeprefix('test/')} {found.metrics[name]:.4f}" for name in scores.HEADLINE)
    print(f"evaluate: {found.images} test images, {shown}")  # noqa: T201


if __name__ == "__main__":
    execute(main)
