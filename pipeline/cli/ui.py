"""`segnet ui`."""

import os
import sys
from typing import Annotated

import typer

from pipeline import params
from pipeline.files.terminal import say
from pipeline.tracking import store


def ui(
    *,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 5000,
) -> None:
    """Open MLflow's pages on the store that the pipeline records in: runs, curves, registered models.

    Where MLFLOW_TRACKING_URI names a server, that has its own pages: its address is printed.
    """
    uri = store.address()
    if uri.startswith(("http://", "https://")):
        say(f"open {uri} in a browser: this server has MLflow's pages")
        return
    experiment = store.experiment_id(uri, store.experiment_name(params.load().tracking.experiment))
    # At any other address, MLflow 3.17 opens an experiment on the traces of language models, whatever its kind.
    say(f"open http://127.0.0.1:{port}/#/experiments/{experiment}/runs?workflowType=machine_learning; Ctrl-C ends it")
    command = [sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "MLFLOW_BACKEND_STORE_URI": uri}  # all users see a process's arguments, not a password
    os.execve(sys.executable, command, environment)  # noqa: S606  # our own arguments
