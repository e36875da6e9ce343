"""Reading an MLflow run, and writing to it from another process."""

import json
import pickle
import subprocess
import sys

from pipeline.tracking import store


def recorded(run):
    return store.client(run.uri).get_run(run.run_id)


def curve(run, key):
    return [(point.step, point.value) for point in store.client(run.uri).get_metric_history(run.run_id, key)]


def log_elsewhere(run, metrics, step):
    """Log metrics from another process in another folder, with a pickled handle, as a Ray controller does."""
    code = "import json, pickle, sys; from pipeline.tracking import runs; "
    code += "runs.log_metrics(pickle.load(sys.stdin.buffer), json.loads(sys.argv[1]), int(sys.argv[2]))"
    command = [sys.executable, "-c", code, json.dumps(metrics), str(step)]
    subprocess.run(command, input=pickle.dumps(run), check=True, cwd="/")
