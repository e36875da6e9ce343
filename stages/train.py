"""Train on data/tiles; write models/segnet, reports/train.json and reports/history.csv: python -m stages.train."""

from pathlib import Path

from pipeline import cluster, params, train
from pipeline.files import checkpoint, digest
from pipeline.progress import TrainingLine
from pipeline.tracking import runs
from stages import execute

TILES = Path("data/tiles")
MODEL = Path("models/segnet")
REPORTS = Path("reports")


def main() -> None:
    """Train on Ray's workers, recording one MLflow run; a run of the same inputs goes on where it was left."""
    settings = params.load()
    job, tiles = train.prepare(TILES, settings.model, settings.train, Path("runs"))
    data = digest.directory_md5(TILES)
    name = train.run_name(data, settings.model, settings.train, digest.code_sha256())
    plan = cluster.Plan(name, Path("runs"), settings.train.num_workers, settings.train.max_failures)
    run = runs.start(settings.tracking.experiment, name)

    def log(epoch: checkpoint.Metrics) -> None:
        line.report(epoch)
        runs.log_history(run, [epoch])

    with runs.running(run), runs.system_metrics(run), TrainingLine(settings.train.epochs) as line:
        runs.log_environment(run)
        runs.log_params(run, train.record(job, tiles))
        runs.log_dataset(run, tiles.dataset, data, source=str(TILES), context="training")
        outcome = checkpoint.read_state(cluster.run(train.fit, job, plan, on_report=log, on_progress=line.progress))
        runs.log_history(run, outcome.history)  # again: what could not be sent at the time
        train.write_outcome(outcome, train.spec(job, tiles, name), job, data=data, model=MODEL, reports=REPORTS)
        runs.log_files(run, [REPORTS / "history.csv", REPORTS / "train.json"])


if __name__ == "__main__":
    execute(main)
