"""Two clones of the repository train the same inputs at once, and record them on one MLflow server."""

import json
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.tracking import store
from tests.support.left_behind import until
from tests.support.local_server import serving
from tests.support.repository import Repository

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]
EXPERIMENT = "segnet"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    places = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "files")]
    with serving(folder, "server", *places, health="/health") as address:
        yield address


@pytest.fixture(scope="module")
def clones(server, tmp_path_factory):
    """Two clones whose tiles are cut, and which then ran the rest of the pipeline at the same time."""
    folder = tmp_path_factory.mktemp("clones")
    (folder / "a").mkdir()
    first = Repository(folder / "a")
    first.run("dvc", "repro", "tile")
    shutil.copytree(folder / "a", folder / "b", symlinks=True)
    second = Repository.__new__(Repository)
    second.folder = folder / "b"
    both = [first, second]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda clone: clone.run("dvc", "repro", MLFLOW_TRACKING_URI=server), both))
    return both


def on(server):
    """The runs on the server by the clone that they are of: status and curves."""
    client = store.client(server)
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    found = client.search_runs([experiment])
    assert len({run.data.tags["training_run"] for run in found}) == 1
    return {
        run.data.tags["training_clone"]: (
            run.info.status,
            {key: [p.step for p in client.get_metric_history(run.info.run_id, key)] for key in run.data.metrics},
        )
        for run in found
    }


def id_of(clone):
    return json.loads((clone.folder / "runs/clone.json").read_text())["id"]


def assert_whole(status, curves):
    assert status == "FINISHED"
    assert curves["val/miou"] == curves["train/loss"] == [1, 2]
    assert curves["test/miou"] == [0]
    for key, steps in curves.items():
        assert len(steps) == len(set(steps)), key


class TestInOrder:
    """Each test continues from the one before."""

    def test_each_clone_has_a_run_of_its_own_with_every_point_once(self, clones, server):
        found = on(server)
        assert set(found) == {id_of(clone) for clone in clones}
        assert len(found) == 2
        for status, curves in found.values():
            assert_whole(status, curves)

    def test_a_clone_that_is_killed_changes_nothing_of_the_others_run(self, clones, server):
        _, second = clones
        before = on(server)
        command = ["python", "-m", "stages.train", "--fresh"]
        settings = second.environment(MLFLOW_TRACKING_URI=server)
        process = subprocess.Popen(command, cwd=second.folder, env=settings, start_new_session=True)
        assert until(lambda: on(server)[id_of(second)][0] == "RUNNING", 120, process)
        process.send_signal(signal.SIGTERM)
        process.wait(120)
        after = on(server)
        assert after[id_of(second)][0] == "KILLED"
        other = id_of(clones[0])
        assert after[other] == before[other]

    def test_both_resume_their_own_runs_one_of_them_renamed(self, clones, server):
        first, second = clones
        first.folder = first.folder.rename(first.folder.with_name("renamed"))
        for clone in clones:
            clone.run("python", "-m", "stages.train", MLFLOW_TRACKING_URI=server)
        found = on(server)
        assert set(found) == {id_of(first), id_of(second)}
        for status, curves in found.values():
            assert_whole(status, curves)
