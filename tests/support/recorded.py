"""What an MLflow run holds, and writing to it from elsewhere."""

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
    """Log as a Ray controller does: another process, in another folder, with the handle that it was sent."""
    code = "import json, pickle, sys; from pipeline.tracking import runs; "
    code += "runs.log_metrics(pickle.load(sys.stdin.buffer), json.loads(sys.argv[1]), int(sys.argv[2]))"
    command = [sys.executable, "-c", code, json.dumps(metrics), str(step)]
    subprocess.run(command, input=pickle.dumps(run), check=True, cwd="/")
