"""Records of stages on MLflow servers as teams run them: with a login, on PostgreSQL, with artifacts on S3."""

import hashlib
import os
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import numpy as np
import psycopg2
import pytest

from pipeline.inference import predict
from pipeline.registry import file_record, model_files, versions
from pipeline.registry.versions import RegisteredModel
from pipeline.tracking import runs, store
from tests.support import stores
from tests.support.tiny_model import SPEC, write_model
from tests.support.tiny_version import OPTIONS, PICTURE

pytestmark = pytest.mark.slow
DIGEST = "0123456789abcdef" * 2 + ".dir"


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    """Yield a folder for logs, a database and a bucket, shared by the servers."""
    folder = tmp_path_factory.mktemp("stores")
    with stores.postgresql() as database, stores.s3(folder) as bucket:
        yield folder, database, bucket


@pytest.fixture(scope="module", params=["proxied", "direct"])
def server(storage, request):
    folder, database, bucket = storage
    proxied = request.param == "proxied"
    with stores.mlflow_server(folder / request.param, database, bucket, proxied=proxied) as server:
        yield server


@pytest.fixture
def uri(server, tmp_path, monkeypatch):
    """Return the address of a server, with its login in the environment, and the bucket's only if clients need it."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "MLFLOW_S3_"))]:
        monkeypatch.delenv(name)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)  # where an outbox would be created
    return server.uri


@pytest.fixture
def name(request):
    """Return a name unique to this test and server."""
    return f"segnet-{request.node.callspec.id}-{request.node.originalname[5:20]}"


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def sent(tmp_path):
    return not (tmp_path / runs.UNSENT).exists()


def run_id_elsewhere(experiment, training):
    code = "import sys; from pipeline.tracking import runs; print(runs.start(*sys.argv[1:]).run_id)"
    command = [sys.executable, "-c", code, experiment, training]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def test_a_training_is_recorded_and_found_again_by_another_process(server, uri, name, tmp_path):
    (tmp_path / "history.csv").write_text("epoch\n1\n")
    run = runs.start(name, "run-a")
    with runs.running(run):
        runs.log_environment(run)
        runs.log_params(run, {"train": {"epochs": 2, "classes": "Straße"}})
        runs.log_dataset(run, "scenes", DIGEST, source="data/tiles", context="training")
        runs.log_history(run, [{"epoch": 1, "val/miou": 0.125}, {"epoch": 2, "val/miou": 0.25}])
        runs.log_history(run, [{"epoch": 2, "val/miou": 0.5}])
        runs.log_scores(run, {"test/miou": 0.375})
        runs.log_files(run, [tmp_path / "history.csv"], "reports")
    assert sent(tmp_path)
    assert run_id_elsewhere(name, "run-a") == run.run_id

    client = store.client(uri)
    recorded = client.get_run(run.run_id)
    assert recorded.info.status == "FINISHED"
    assert recorded.data.params == {"train.epochs": "2", "train.classes": "Straße"}
    assert recorded.data.metrics == {"epoch": 2, "val/miou": 0.25, "test/miou": 0.375}
    assert [point.step for point in client.get_metric_history(run.run_id, "val/miou")] == [1, 2]
    assert [entry.dataset.digest for entry in recorded.inputs.dataset_inputs] == [DIGEST]
    place = f"s3://{stores.BUCKET}/" if "AWS_ACCESS_KEY_ID" in server.environment else "mlflow-artifacts:/"
    assert recorded.info.artifact_uri.startswith(place)
    assert {file.path for file in client.list_artifacts(run.run_id)} == {"environment.json", "reports"}
    (tmp_path / "into").mkdir()
    back = client.download_artifacts(run.run_id, "reports", str(tmp_path / "into"))
    assert contents(Path(back)) == {"history.csv": b"epoch\n1\n"}


def test_a_registered_model_is_downloaded_unchanged_and_predicts_the_same(uri, name, tmp_path, monkeypatch):
    model = write_model(tmp_path / "segnet")
    for folder in ("evidence", "into"):
        (tmp_path / folder).mkdir()
    (tmp_path / "evidence" / "scores.json").write_text('{"miou": 0.5}')
    digest = file_record.evidence_name(tmp_path / "evidence")
    tags = {"fingerprint": "a", "evidence": digest}
    run, ours = runs.start(name, "run-a"), RegisteredModel(uri, name)
    made = [
        model_files.add(run, ours, model, OPTIONS, asdict(SPEC), evidence=tmp_path / "evidence", tags=tags)
        for _ in range(2)
    ]
    assert [version.number for version in made] == ["1", "1"]
    versions.set_alias(ours, versions.CHAMPION, "1")
    assert versions.with_alias(ours, versions.CHAMPION) == versions.with_tag(ours, "fingerprint", "a")
    assert versions.with_alias(ours, versions.CHALLENGER) is None
    with model_files.evidence(made[0], digest) as folder:
        assert contents(folder) == contents(tmp_path / "evidence")

    address = f"models:/{name}@champion"
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    back = model_files.download(uri, address, tmp_path / "into")
    assert contents(back) == contents(model)
    assert model_files.options(uri, address) == OPTIONS
    mask = predict.load(back, **predict.PLAIN | model_files.options(uri, address)).mask(PICTURE)
    assert len(np.unique(mask)) > 1
    assert contents(tmp_path / "temporary") == {}
    np.testing.assert_array_equal(mask, predict.load(model, **predict.PLAIN | OPTIONS).mask(PICTURE))


def sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.fixture
def scratch():
    """Yield a folder for large files, which pytest's own folder would keep."""
    with TemporaryDirectory() as folder:
        yield Path(folder)


def test_two_hundred_megabytes_are_uploaded_and_downloaded_unchanged(uri, name, tmp_path, scratch):
    block = os.urandom(2**20)
    with (scratch / "large.bin").open("wb") as file:
        file.writelines(i.to_bytes(4) + block for i in range(200))  # numbered, to detect lost and duplicated parts
    run = runs.start(name, "run-a")
    began = time.monotonic()
    runs.log_files(run, [scratch / "large.bin"])
    up = time.monotonic() - began
    assert sent(tmp_path)
    (scratch / "into").mkdir()
    back = Path(store.client(uri).download_artifacts(run.run_id, "large.bin", str(scratch / "into")))
    print(f"{name}: 200 MiB up in {up:.1f} s, down in {time.monotonic() - began - up:.1f} s")
    assert back.stat().st_size == 200 * (2**20 + 4)
    assert sha256(back) == sha256(scratch / "large.bin")


@pytest.mark.parametrize("in_the_address", [False, True])
def test_a_wrong_password_is_refused_and_not_repeated(uri, tmp_path, monkeypatch, caplog, in_the_address):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "guessed-in-vain")
    if in_the_address:
        login = f"//{stores.USER}:guessed-in-vain@"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri.replace("//", login))
        monkeypatch.delenv("MLFLOW_TRACKING_PASSWORD")
    with pytest.raises(ValueError, match=rf"{uri}: expected an authorised user, got status 401") as error:
        runs.start("segnet", "run-a")
    assert "guessed-in-vain" not in caplog.text + "".join(traceback.format_exception(error.value))
    assert sent(tmp_path)


def test_an_interrupt_leaves_no_postgresql_behind():
    addresses = []

    def interrupted():
        with stores.postgresql() as database:
            addresses.append(urlsplit(database)._replace(scheme="postgresql").geturl())
            psycopg2.connect(addresses[0]).close()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with pytest.raises(psycopg2.OperationalError, match="Connection refused"):
        psycopg2.connect(addresses[0])


def test_without_postgresql_a_test_is_skipped(monkeypatch):
    monkeypatch.setattr(stores.shutil, "which", lambda *_, **__: None)
    with pytest.raises(pytest.skip.Exception, match="no PostgreSQL server is installed"), stores.postgresql():
        raise AssertionError
