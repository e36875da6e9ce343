"""Train on data/tiles; write models/segnet, reports/{train.json,history.csv,batches.html}: python -m stages.train."""

from pathlib import Path

from pipeline import params
from pipeline.cluster.run import Place, Plan, workers
from pipeline.tracking import registered, runs, store
from pipeline.training import batches, live, remote, run, train
from stages import execute, option

TILES = Path("data/tiles")
MODEL = Path("models/segnet")
REPORTS = Path("reports")


def main(*, fresh: bool = False) -> None:
    """Train on Ray's workers and record one MLflow run; the same inputs resume where they stopped, unless `fresh`."""
    settings, _ = params.load(), store.run_address()  # which refuses a file, on a cluster, before Ray starts
    job, tiles, made_of = train.prepare(TILES, settings.model, settings.train, run.all_runs(), registered.fetch)
    with remote.begun(settings.storage, made_of, fresh=fresh) as begun:
        job = begun.publish(job)
        own, place = job.settings, Place(begun.folder, train.reads(job), is_shared=begun.lease is None)
        plan = Plan(place, own.num_workers, own.max_failures, train.TrainingError, settings.placement, own.shared_tiles)
        with workers(train.fit, job, plan) as started:  # they start while MLflow does
            tracked = runs.start(settings.tracking.experiment, begun.folder.name)
            batches.write_page(REPORTS / "batches.html", job)
            watching = live.watched(begun.folder, job, lambda epoch: runs.log_history(tracked, [epoch]))
            with runs.running(tracked), runs.system_metrics(tracked), watching as watched:
                runs.log_environment(tracked)
                runs.log_params(tracked, train.mlflow_params(job, tiles, made_of))
                runs.log_dataset(tracked, tiles.dataset, made_of["data"], source=str(TILES), context="training")
                started.run(**watched.listeners)
                result, spec = begun.result(), train.spec(job, tiles, begun.folder.name)
                watched.finish(result)
                runs.log_history(tracked, result.history)  # again, for epochs that could not be sent at the time
                runs.log_files(tracked, train.write_outcome(result, spec, job, made_of, model=MODEL, reports=REPORTS))


if __name__ == "__main__":
    execute(lambda: main(fresh=option("--fresh")))
