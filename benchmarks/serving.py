"""Time how long a registered model's server takes to answer one drawn image of 360 x 480.

    python benchmarks/serving.py [--help]

A SegNet with random weights is registered in a temporary store and served by `mlflow models serve`, to which images are
posted one after the other, each over its own connection. A time is from before the post to the answer's last byte; the
work is the server's processor time, over all threads, which varies less when the machine is busy.
"""

import argparse
import base64
import io
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psutil
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.options import natural, positive
from pipeline.artifacts.model import write_model
from pipeline.artifacts.spec import Spec
from pipeline.core.classes import CAMVID
from pipeline.core.models import MODELS
from pipeline.data.scenes import draw
from pipeline.files import atomic, signals
from pipeline.registry import model_files
from pipeline.registry.versions import RegisteredModel
from pipeline.tracking import runs, store

SIZE = (360, 480)
OPTIONS = {"overlap": 0.5, "flip": False, "samples": 0, "seed": 1}
FORMATS = {"PNG": {}, "JPEG": {"quality": 95}}
START_SECONDS = 120


@dataclass(frozen=True)
class Row:
    """One kind of request: seconds of each, their mean work, and the bytes of request and answer."""

    request: str
    seconds: list[float]
    work_seconds: float
    request_bytes: int
    answer_bytes: int


def register(folder: Path, width: float) -> str:
    """Register a SegNet in a store in `folder`; return the version's address."""
    spec = Spec("segnet", width, CAMVID, "none", *SIZE, 1.0, "benchmark")
    torch.manual_seed(1)
    write_model(folder / "segnet", spec, MODELS["segnet"](len(CAMVID), width).state_dict())
    (folder / "evidence").mkdir()
    tags = {"fingerprint": "none", "evidence": "none"}
    run = runs.start("serving", "benchmark")
    options: dict[str, Any] = {"evidence": folder / "evidence", "tags": tags}
    model = RegisteredModel(run.uri, "segnet")
    return model_files.add(run, model, folder / "segnet", OPTIONS, asdict(spec), **options).address


@contextmanager
def served(version: str, folder: Path, threads: int) -> Iterator[tuple[str, psutil.Process]]:
    """Serve the version with so many threads; yield the address that answers requests, and the server's process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", version, "--env-manager", "local"]
    command += ["--host", "127.0.0.1", "--port", port, "--workers", "1"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # it starts uvicorn
    environment = os.environ | {"PATH": path, "OMP_NUM_THREADS": str(threads)}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait(f"http://127.0.0.1:{port}/ping", server, folder / "log")
        yield f"http://127.0.0.1:{port}/invocations", psutil.Process(server.pid)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def _wait(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(address):
                return
        except OSError:
            time.sleep(0.25)
    raise RuntimeError(f"expected a server within {START_SECONDS} s, got:\n{log.read_text()}")


def _work(server: psutil.Process) -> float:
    """Return the processor seconds of a server and the processes that it started."""
    times = [process.cpu_times() for process in (server, *server.children(recursive=True))]
    return float(sum(process_times.user + process_times.system for process_times in times))


def measure(address: str, server: psutil.Process, kind: str, repeats: int, *, probabilities: bool) -> Row:
    """Return the costs of requests with one image in the format `kind`."""
    pixels, _ = draw(7, 0, 0, height=SIZE[0], width=SIZE[1])
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **FORMATS[kind])
    table = {"columns": ["image"], "data": [[base64.b64encode(buffer.getvalue()).decode()]]}
    body = json.dumps({"dataframe_split": table, "params": {"probabilities": probabilities}}).encode()
    _post(address, body)  # warm-up
    work, seconds = _work(server), []
    for _ in range(repeats):
        start = time.perf_counter()
        answer = _post(address, body)
        seconds.append(time.perf_counter() - start)
    work = (_work(server) - work) / repeats
    return Row(kind + " with probabilities" * probabilities, seconds, work, len(body), len(answer))


def _post(address: str, body: bytes) -> bytes:
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return bytes(answer.read())


def main() -> None:
    """Print the table and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=positive, default=0.25, help="of the network")
    parser.add_argument("--threads", type=natural, default=torch.get_num_threads(), help="of the server")
    parser.add_argument("--repeats", type=natural, default=20)
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "serving.json")
    options = parser.parse_args()
    store.configure()
    with TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        version = register(folder, options.width)
        with served(version, folder, options.threads) as (address, server):
            kinds = [("PNG", False), ("JPEG", False), ("PNG", True)]
            rows = [measure(address, server, kind, options.repeats, probabilities=wanted) for kind, wanted in kinds]
    print("| request | median s | 95th percentile s | longest s | work s | request kB | answer kB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        times = (statistics.median(row.seconds), np.percentile(row.seconds, 95), max(row.seconds), row.work_seconds)
        sizes = (row.request_bytes / 1e3, row.answer_bytes / 1e3)
        print(f"| {row.request} | {' | '.join(f'{t:.3f}' for t in times)} | {' | '.join(f'{s:.0f}' for s in sizes)} |")
    machine = {"torch": torch.__version__, "cpu": torch.backends.cpu.get_cpu_capability(), "threads": options.threads}
    setting = {"width": options.width, "size": SIZE, "options": OPTIONS}
    atomic.write_json(options.json, {"machine": machine, "setting": setting, "requests": [asdict(row) for row in rows]})


if __name__ == "__main__":
    with signals.terminable():
        main()
