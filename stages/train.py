"""Train on data/tiles; write models/segnet, reports/train.json and reports/history.csv: python -m stages.train."""

from pathlib import Path

from pipeline import cluster, params, progress, train
from pipeline.files import checkpoint, home, inputs, states
from pipeline.tracking import runs
from stages import execute, option

TILES = Path("data/tiles")
MODEL = Path("models/segnet")
REPORTS = Path("reports")


def main(*, fresh: bool = False) -> None:
    """Train on Ray's workers, recording one MLflow run; the same inputs go on where they were left, unless `fresh`."""
    settings, all_runs = params.load(), home.repository() / "runs"
    job, tiles = train.prepare(TILES, settings.model, settings.train, all_runs)
    made_of = train.inputs(TILES, settings.model, settings.train)
    with inputs.begun(all_runs, made_of, fresh=fresh, say=progress.say) as folder:
        plan = cluster.Plan(folder, settings.train.num_workers, settings.train.max_failures, train.TrainingError)
        run = runs.start(settings.tracking.experiment, folder.name)

        def log(epoch: checkpoint.Metrics) -> None:
            line.report(epoch)
            runs.log_history(run, [epoch])

        with runs.running(run), runs.system_metrics(run), progress.TrainingLine(settings.train.epochs) as line:
            runs.log_environment(run)
            runs.log_params(run, train.record(job, tiles))
            runs.log_dataset(run, tiles.dataset, made_of["data"], source=str(TILES), context="training")
            cluster.run(train.fit, job, plan, on_report=log, on_progress=line.progress, on_say=progress.say)
            found = states.last(folder)
            runs.log_history(run, found.history)  # again: what could not be sent at the time
            train.write_outcome(found, train.spec(job, tiles, folder.name), job, made_of, model=MODEL, reports=REPORTS)
            runs.log_files(run, [REPORTS / "history.csv", REPORTS / "train.json"])


if __name__ == "__main__":
    execute(lambda: main(fresh=option("--fresh")))
