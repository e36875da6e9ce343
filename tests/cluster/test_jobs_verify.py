"""A version that a job registered is traced to the commit that the job was submitted from."""

import re

import pytest

from tests.support import ray_head
from tests.support.local_server import serving
from tests.support.repository import Repository
from tests.support.tiny_jobs import segnet

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(600)]


def test_a_version_of_a_job_is_verified_against_commit_and_fetched_files(tmp_path):
    (tmp_path / "repository").mkdir()
    made = Repository(tmp_path / "repository")
    database = f"sqlite:///{tmp_path / 'mlflow.db'}"
    server = ("server", "--backend-store-uri", database, "--artifacts-destination", str(tmp_path / "artifacts"))
    place = f"file://{tmp_path / 'storage'}"
    with serving(tmp_path, *server, health="/health") as uri, ray_head.head(tmp_path / "ray.log") as address:
        settings = {"MLFLOW_TRACKING_URI": uri, "RAY_AUTH_MODE": "disabled"}
        job = ("submit", "--address", address, "--storage", place, "--id", "a", "-S", "train.epochs=3")
        done = segnet(made, *job, timeout=500, **settings)
        assert done.returncode == 0, done.stdout + done.stderr
        fetched = segnet(made, "fetch", "a", "--storage", place)
        assert f"registered: models:/segnet-scenes/1 in {uri}" in fetched.stdout.splitlines()
        verified = segnet(made, "verify", "1", **settings)
        assert verified.returncode == 0, verified.stdout + verified.stderr
        commit = made.run("git", "rev-parse", "HEAD").strip()
        assert re.search(rf"commit: \d+ files at {commit[:12]}; params.yaml differed from it", verified.stdout)
        traced = segnet(made, "trace", "1", **settings).stdout
        assert f"git worktree add --detach ../segnet-scenes-1 {commit}" in traced
