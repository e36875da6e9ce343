"""Prints the id of the job that the current folder's files make, for the jobId of docker/kuberay/job/rayjob.yaml.

python docker/job_id.py s3://bucket/prefix [section.key=value ...], with MLFLOW_TRACKING_URI as the job is to have it.
"""

import sys

from pipeline.cluster import submission
from pipeline.files import terminal
from pipeline.files.storage import Storage

if __name__ == "__main__":
    try:
        storage, *overrides = sys.argv[1:]
        terminal.say(submission.prepare((), overrides, Storage(storage).address).order.id)
    except ValueError as err:
        terminal.fail("job_id: ", f"expected job_id.py s3://bucket/prefix [section.key=value ...], got: {err}")
