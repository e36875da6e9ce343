"""The complete pipeline and its commands, with MLflow as teams run it: a login, PostgreSQL, artifacts on S3."""

import json

import pytest

from pipeline.files import images
from pipeline.files.images import read_mask
from tests.support import stores
from tests.support.repository import Repository

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    """Return a repository whose pipeline ran against a server, and `run`, which runs commands with its login.

    Artifacts go to S3 directly: through the server, the whole path is run by tests/docker/test_compose.py.
    """
    folder = tmp_path_factory.mktemp("direct")
    (folder / "repository").mkdir()
    repository = Repository(folder / "repository")
    with stores.stack(folder, proxied=False) as server:

        def run(*command):
            return repository.run(*command, **server.environment)

        run("dvc", "repro")
        yield repository, run


def champion(run):
    return json.loads(run("segnet", "status", "--json"))["champion"]["champion"]


def test_the_path_leaves_a_champion_on_the_server_and_nothing_here(team):
    repository, run = team
    assert champion(run) == "1"
    assert not (repository.folder / "mlflow.db").exists()
    assert not (repository.folder / "mlartifacts").exists()
    assert run("segnet", "verify", "1").count("holds") == 13


def test_a_second_model_is_forced_rolled_back_and_remembered(team):
    _, run = team
    run("dvc", "exp", "run", "-S", "train.seed=2")
    run("segnet", "promote", "2", "--force", "to see it served")
    assert champion(run) == "2"
    run("segnet", "rollback")
    assert champion(run) == "1"
    log = json.loads(run("segnet", "history", "--json"))
    assert [(entry["kind"], entry["champion"]) for entry in log] == [
        ("decided", "1"),
        ("decided", log[1]["champion"]),
        ("forced", "2"),
        ("rolled back", "1"),
    ]
    board = json.loads(run("segnet", "leaderboard", "--json"))
    assert len(board["runs"]) == 2


def test_the_champion_predicts(team):
    repository, run = team
    picture = next((repository.folder / "data/raw").rglob("*.png"))
    run("segnet", "predict", str(picture), "--model", "models:/segnet-scenes@champion", "--out", "found")
    mask = read_mask(repository.folder / "found" / f"{picture.stem}_mask.png")
    assert mask.shape == images.read_image(picture).shape[:2]
