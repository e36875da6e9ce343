"""Score models/segnet on the test images of data/raw, and write `FILES` into reports/: python -m stages.evaluate."""

from pathlib import Path

from pipeline import params
from pipeline.artifacts import manifest, scores
from pipeline.evaluation import evaluate, report
from pipeline.evaluation.report import contents, gallery
from pipeline.files.terminal import say
from pipeline.inference import predict
from pipeline.tracking import runs
from stages import execute

RAW = Path("data/raw")
MODEL = Path("models/segnet")
REPORTS = Path("reports")
FILES = (*scores.READ, "intervals.json", "classes.csv", "confusion.csv", "evaluation.html")


def main() -> None:
    """Predict all test images, write scores and report page, and add them to the training's MLflow run."""
    settings, source = params.load(), manifest.scan(RAW)
    predictor = predict.load(MODEL, **settings.evaluate.predicting())
    images = gallery.Gallery(source.classes, max_characters=gallery.budget(len(evaluate.scored_images(source))))
    result = evaluate.run(predictor, source, RAW, on_image=images.add, placement=settings.placement)
    intervals = evaluate.intervals(result, settings.evaluate)
    scores.write(REPORTS, result, intervals)
    page = contents.contents(result, intervals, predictor.spec, REPORTS / "history.csv", images)
    report.write(REPORTS / "evaluation.html", page)
    run = runs.resume(settings.tracking.experiment, result.run)
    with runs.running(run):
        runs.log_scores(run, evaluate.recorded(result))
        runs.log_files(run, [REPORTS / name for name in FILES])
    say(f"evaluate: {evaluate.in_words(result)}; see {REPORTS / 'evaluation.html'}")


if __name__ == "__main__":
    execute(main)
