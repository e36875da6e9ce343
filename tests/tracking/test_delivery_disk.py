"""A store whose database answers, and whose artifacts lie on a disk that is full or may only be read."""

import errno
import os

import pytest

from pipeline.tracking import delivery, runs, store
from pipeline.tracking.outbox import UNSENT, Outbox


class Artifacts:
    """MLflow's folder of artifacts, which refuses to be written while `reason` is set."""

    def __init__(self, monkeypatch):
        from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

        self.reason, write = None, LocalArtifactRepository.log_artifact

        def log_artifact(repository, local_file, artifact_path=None):
            if self.reason is not None:
                raise OSError(self.reason, os.strerror(self.reason), "mlartifacts/environment.json")
            write(repository, local_file, artifact_path)

        monkeypatch.setattr(LocalArtifactRepository, "log_artifact", log_artifact)


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_records_wait_until_artifacts_can_be_written(mlflow_store, project, request, monkeypatch, caplog, reason):
    artifacts, name = Artifacts(monkeypatch), request.node.name
    monkeypatch.setattr(delivery, "_PAUSE_SECONDS", 0)
    (project / "train.json").write_text("{}")
    run = runs.start("tests", name)
    artifacts.reason = reason
    with runs.running(run):
        runs.log_environment(run)
        runs.log_files(run, [project / "train.json"])
    assert Outbox(UNSENT / name).kinds() == {"document": 1, "file": 1, "status": 1}
    (said,) = (each for each in caplog.messages if "cannot be recorded" in each)
    assert f"{os.strerror(reason)}: 'mlartifacts/environment.json'; make room or correct its permissions; " in said
    assert said.endswith(f" wait in {(UNSENT / name).absolute()}")
    artifacts.reason = None
    (sent,) = delivery.sync(UNSENT, store.address())
    assert (sent.left, sent.error) == ({}, None)
    found = {file.path for file in store.client(run.uri).list_artifacts(run.run_id)}
    assert found == {"environment.json", "train.json"}


def test_another_error_of_a_file_is_no_reason_to_wait(mlflow_store, project, request, monkeypatch):
    artifacts = Artifacts(monkeypatch)
    run = runs.start("tests", request.node.name)
    artifacts.reason = errno.ENAMETOOLONG
    with pytest.raises(OSError, match="File name too long"):
        runs.log_environment(run)
