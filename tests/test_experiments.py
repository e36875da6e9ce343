"""A sweep as a user runs it: three queued experiments, two at a time, sharing one MLflow store."""

import csv
import json
import re
import subprocess
import time
from collections import Counter
from itertools import permutations
from pathlib import Path

import pytest

from pipeline import params
from pipeline.artifacts import scores
from pipeline.core import bootstrap, jackknife
from pipeline.tracking import store
from tests.support.repository import Repository

SEEDS = ("1", "2", "3")
MODEL = "segnet-scenes"


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    return Repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="module")
def client(repository):
    """Return an MLflow client of the store, after running the experiments on data that were made before."""
    repository.run("dvc", "repro", "tile")
    repository.run("git", "add", "dvc.lock")
    repository.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "data")
    for seed in SEEDS:
        repository.run("dvc", "exp", "run", "--queue", "-S", f"train.seed={seed}")
    try:
        start_workers(repository)
        wait_for_results(repository)
        while re.search("Queued|Running", status := repository.run("dvc", "queue", "status")):
            time.sleep(2)
        failed = re.findall(r"(\S+)[^\n]* Failed", status)
        assert status.count("Success") == len(SEEDS), [repository.run("dvc", "queue", "logs", task) for task in failed]
    finally:
        repository.run("dvc", "queue", "stop", "--kill")  # its workers wait for more tasks, and outlive dvc
    return store.client(f"sqlite:///{repository.folder}/mlflow.db")  # not in the folders where dvc ran them


def start_workers(repository):
    """Start dvc's workers, not with Repository.run, which would wait for them, as they keep dvc's pipe open."""
    command = ["dvc", "queue", "start", "--quiet", "--jobs", "2"]
    environment = repository.environment()
    nowhere = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(command, cwd=repository.folder, env=environment, check=True, **nowhere)


def wait_for_results(repository):
    """Wait until dvc has a file for each experiment that ended; to ask dvc itself takes a second of process time."""
    results, deadline = repository.folder / ".dvc/tmp/exps/celery/result", time.monotonic() + 1200
    while len(list(results.glob("*"))) < len(SEEDS) and time.monotonic() < deadline:
        time.sleep(0.5)


@pytest.fixture(scope="module")
def runs(client):
    experiment = client.get_experiment_by_name("segnet")
    return client.search_runs([experiment.experiment_id])


@pytest.fixture(scope="module")
def versions(client):
    return {str(version.version): version for version in client.search_model_versions(f"name = '{MODEL}'")}


@pytest.fixture(scope="module")
def found(client, runs, versions, tmp_path_factory):
    """Return the scores of each version, by number, from its run's artifacts."""
    training = {run.data.tags["training_run"]: run.info.run_id for run in runs}
    read = {}
    for number, version in versions.items():
        folder = tmp_path_factory.mktemp("scores")
        for name in scores.READ:
            client.download_artifacts(training[version.tags["training_run"]], name, str(folder))
        read[number] = scores.read(folder)
    return read


def is_better(candidate, champion, settings, challenger):
    """Return whether the champion's challenger of that number shows a gain and no class loses more than allowed."""
    rule, gate = settings.evaluate, settings.registration
    alpha = (1 - rule.level) / 2 / (challenger * (challenger + 1))
    blocks = bootstrap.blocks(candidate.sequences, candidate.ids, rule.images_per_block)
    gains = jackknife.paired_gains(candidate.counts, champion.counts, blocks)
    loses = any(gain.estimate < -gate.max_class_loss for gain in gains.class_ious)
    return gains.miou.interval(1 - 2 * alpha).low > gate.min_gain and not loses  # never with too few blocks


def reign(order, better):
    """Return the champion, the previous one and all promoted versions, if versions are judged in `order`."""
    reigns, challenger = [None, order[0]], 1
    for number in order[1:]:
        promoted = better(number, reigns[-1], challenger)
        reigns += [number] if promoted else []
        challenger = 1 if promoted else challenger + 1
    return reigns[-1], reigns[-2], frozenset(reigns[1:])


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(1500)
class TestExperiments:
    def test_each_is_a_finished_run_with_its_own_params(self, runs):
        assert [run.info.status for run in runs] == ["FINISHED"] * 3
        assert sorted(run.data.params["train.seed"] for run in runs) == list(SEEDS)
        others = [{key: value for key, value in run.data.params.items() if key != "train.seed"} for run in runs]
        assert others[0] == others[1] == others[2]

    def test_each_has_its_own_whole_curves_without_a_doubled_step(self, client, runs, tmp_path):
        for run in runs:
            steps = {
                key: [point.step for point in client.get_metric_history(run.info.run_id, key)]
                for key in run.data.metrics
            }
            assert not [key for key, found in steps.items() if max(Counter(found).values()) > 1]
            assert steps["train/loss"] == steps["val/loss"] == steps["val/miou"] == [1, 2]
            assert steps["test/miou"] == [0]
            history = Path(client.download_artifacts(run.info.run_id, "history.csv", str(tmp_path)))
            written = [float(row["val/miou"]) for row in csv.DictReader(history.read_text().splitlines())]
            points = client.get_metric_history(run.info.run_id, "val/miou")
            assert [point.value for point in points] == written

    def test_each_becomes_a_version_with_its_runs_score(self, runs, versions):
        assert sorted(versions) == ["1", "2", "3"]
        expected = {run.data.tags["training_run"]: run.data.metrics["test/miou"] for run in runs}
        tags = [version.tags for version in versions.values()]
        assert {each["training_run"]: float(each["test_miou"]) for each in tags} == expected

    def test_the_champion_is_one_that_some_order_of_the_verdicts_would_have_made(
        self, client, repository, versions, found
    ):
        settings = params.load(repository.folder / "params.yaml")

        def better(number, champion, challenger):
            return is_better(found[number], found[champion], settings, challenger)

        aliases = {alias: str(number) for alias, number in client.get_registered_model(MODEL).aliases.items()}
        approved = {n for n, version in versions.items() if version.tags["validation_status"] == "approved"}
        outcome = aliases["champion"], aliases.get("previous_champion"), frozenset(approved)
        assert outcome in {reign(order, better) for order in permutations(versions)}
        assert set(aliases) <= {"champion", "previous_champion", "challenger"}
        assert aliases.get("challenger", "1") in versions

    def test_the_leaderboard_ranks_them_and_shows_in_what_they_differ(self, client, repository, runs):
        board = json.loads(repository.run("segnet", "leaderboard", "--json"))
        assert board["differing_params"] == ["train.seed"]
        assert [run["rank"] for run in board["runs"]] == [1, 2, 3]
        values = [run["value"] for run in board["runs"]]
        assert values == sorted((run.data.metrics["test/miou"] for run in runs), reverse=True)
        shown = {
            alias: each["number"] for run in board["runs"] for each in run["versions"] for alias in each["aliases"]
        }
        aliases = client.get_registered_model(MODEL).aliases
        assert shown == {alias: str(number) for alias, number in aliases.items()}

    def test_nothing_of_them_is_left_running(self, client, repository):
        assert "Worker status: 0 active, 0 idle" in repository.run("dvc", "queue", "status")
