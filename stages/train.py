"""Train on data/tiles; write models/segnet, reports/train.json and reports/history.csv: python -m stages.train."""

from pathlib import Path

from pipeline import params
from pipeline.cluster.run import Plan, run_on_workers
from pipeline.tracking import runs
from pipeline.training import checkpoint, progress, run, train
from stages import execute, option

TILES = Path("data/tiles")
MODEL = Path("models/segnet")
REPORTS = Path("reports")


def main(*, fresh: bool = False) -> None:
    """Train on Ray's workers and record one MLflow run; the same inputs resume where they stopped, unless `fresh`."""
    settings, all_runs = params.load(), run.all_runs()
    job, tiles, made_of = train.prepare(TILES, settings.model, settings.train, all_runs)
    with run.begun(all_runs, made_of, fresh=fresh) as folder:
        plan = Plan(folder, train.reads(job), job.settings.num_workers, job.settings.max_failures, train.TrainingError)
        tracked = runs.start(settings.tracking.experiment, folder.name)
        with runs.running(tracked), runs.system_metrics(tracked), progress.TrainingLine(settings.train.epochs) as line:

            def log(epoch: dict[str, float]) -> None:
                line.report(epoch)
                runs.log_history(tracked, [epoch])

            runs.log_environment(tracked)
            runs.log_params(tracked, train.mlflow_params(job, tiles))
            runs.log_dataset(tracked, tiles.dataset, made_of["data"], source=str(TILES), context="training")
            run_on_workers(train.fit, job, plan, on_report=log, on_progress=line.progress)
            result = checkpoint.last(folder)
            runs.log_history(tracked, result.history)  # again, for epochs that could not be sent at the time
            train.write_outcome(result, train.spec(job, tiles, folder.name), job, made_of, model=MODEL, reports=REPORTS)
            runs.log_files(tracked, [REPORTS / "history.csv", REPORTS / "train.json"])


if __name__ == "__main__":
    execute(lambda: main(fresh=option("--fresh")))
