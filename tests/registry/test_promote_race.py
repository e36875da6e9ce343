"""Promoters that decide at the same time, as separate processes against a real server on PostgreSQL."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.registry import champion, versions
from pipeline.registry.versions import RegisteredModel
from pipeline.tracking import store
from tests.support import project as tree, stores
from tests.support.tiny_model import write_model
from tests.support.tiny_version import registered

SEGNET = Path(sys.executable).with_name("segnet")
APPEND = """
import sys
from pipeline.registry.decision_log import Entry, Reign
from pipeline.registry import champion
from pipeline.registry.versions import RegisteredModel
uri, model, number = sys.argv[1:]
draft = Entry("forced", number, Reign(number, None), champion.now(), f"promoter {number}", "mine", None, {})
champion.versions.models(uri)  # everything is imported, and the server answers
print("ready", flush=True)
sys.stdin.readline()
try:
    champion.append(RegisteredModel(uri, model), draft, ())
    print("won")
except champion.OutrunError as err:
    print("outrun:", err)
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with stores.stack(tmp_path_factory.mktemp("server"), proxied=False, workers=2) as server:
        yield server


@pytest.fixture
def uri(server, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return server.uri


def start(*command):
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_of_six_decisions_on_the_same_log_exactly_one_counts_and_the_others_learn_whose(uri, tmp_path):
    with registered("segnet-raced", write_model(tmp_path / "segnet"), uri):
        first = versions.version(RegisteredModel(uri, "segnet-raced"), "1")
    for _ in range(5):
        store.client(uri).create_model_version("segnet-raced", first.source, model_id=first.model_id)
    promoters = [start(sys.executable, "-c", APPEND, uri, "segnet-raced", str(number)) for number in range(1, 7)]
    for promoter in promoters:
        assert promoter.stdout.readline() == "ready\n"
    for promoter in promoters:
        promoter.stdin.write("\n")
        promoter.stdin.flush()
    outputs = [promoter.communicate(timeout=60) for promoter in promoters]
    assert all(promoter.returncode == 0 for promoter in promoters), outputs
    model = RegisteredModel(uri, "segnet-raced")
    (entry,) = champion.read(model)
    assert [out.startswith("won") for out, _ in outputs].count(True) == 1
    assert outputs[int(entry.version) - 1][0].startswith("won")
    losers = [out for out, _ in outputs if not out.startswith("won")]
    assert all(f"by {entry.by} at {entry.at}, after which version {entry.version} is champion" in out for out in losers)
    assert champion.reign(RegisteredModel(uri, "segnet-raced")) == champion.Reign(entry.version, None)
    assert (
        len(versions.versions(RegisteredModel(uri, "promotions-of-segnet-raced"))) == 6
    )  # the late ones are stored too


def test_of_two_promotions_one_wins_and_the_other_is_judged_against_it(uri):
    spec = tree.make("race", min_gain=0.9)
    for code, hits in (("a", 3), ("b", 4), ("c", 4)):
        tree.registered(tree.named(spec, code), hits=hits)
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("min_gain: 0.9", "min_gain: 0.0"))
    racing = [start(SEGNET, "promote", number, "--json") for number in ("2", "3")]
    outputs = [promoter.communicate(timeout=120) for promoter in racing]
    codes = [promoter.returncode for promoter in racing]
    assert sorted(codes) == [0, 3], outputs
    winner, loser = (json.loads(outputs[codes.index(code)][0]) for code in (0, 3))
    assert winner["champion"] == winner["version"] == loser["champion"]
    assert (winner["verdict"]["verdict"], loser["verdict"]["verdict"]) == ("PROMOTE", "HOLD")
    run = versions.version(RegisteredModel(uri, "segnet-race"), winner["version"]).tags["training_run"]
    assert f"differs from the champion's 1.000000 (run {run}) by +0.000000" in loser["verdict"]["reasons"][0]
    log = champion.read(RegisteredModel(uri, "segnet-race"))
    assert [entry.reign.champion for entry in log] == ["1", "1", "1", winner["version"], winner["version"]]
    assert champion.reign(RegisteredModel(uri, "segnet-race")) == champion.Reign(winner["version"], "1")
    verify = subprocess.run([SEGNET, "verify", winner["version"]], capture_output=True, text=True, check=False)
    assert verify.returncode == 0, verify.stdout + verify.stderr


def test_commands_on_a_server_that_asks_for_a_password_hide_it(uri):
    secret = "a-wrong-secret"
    settings = {**os.environ, "MLFLOW_TRACKING_PASSWORD": secret}
    done = subprocess.run([SEGNET, "status"], env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("segnet: ")
    assert secret not in done.stdout + done.stderr
