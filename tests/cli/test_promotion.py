import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.registry import champion, versions
from pipeline.registry.versions import RegisteredModel
from pipeline.tracking import store
from tests.support import project as tree, stores

MODEL = "segnet-commands"


def run(*arguments, code=0):
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == code, (done.output, done.exception)
    return done.output


@pytest.fixture(scope="module", autouse=True)
def trained(tmp_path_factory):
    """A working tree whose store holds champion 1 (mIoU 0.375) and version 2, which was held."""
    folder = tmp_path_factory.mktemp("commands")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", uri := stores.sqlite(folder))
        spec = tree.make("commands")
        tree.registered(spec, hits=3)
        tree.registered(replace(spec, run="run-b"), hits=3)  # by the stage, which makes it the challenger
        yield uri


@pytest.fixture(autouse=True)
def store_of(trained, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", trained)
    return trained


class TestCommands:
    """In order: each test continues from the one before."""

    def test_status_says_which_version_is_champion_since_when_and_by_which_decision(self):
        text = run("status")
        assert text.startswith(f"{MODEL}: version 1 is champion since 20")
        assert ", by entry 1, decided by " in text
        assert "test mIoU 0.375000 reaches register.min_miou 0.3" in text
        assert text.splitlines()[2] == (
            "newest verdict: entry 2, HOLD, on version 2; the gain on the champion was judged at the 97.5% level: "
            "challenger 1 of this champion on these test images"
        )
        lines = [line.split() for line in text.splitlines()[3:]]
        assert lines[0][:3] == ["version", "aliases", "status"]
        assert lines[1][:3] == ["2", "challenger", "held"]
        assert lines[2][:4] == ["1", "champion", "approved", "0.3750"]
        found = json.loads(run("status", "--json"))
        assert found["champion"]["number"] == 1
        rule = found["newest_verdict"]["verdict"]["rule"]
        assert (found["newest_verdict"]["number"], rule["challenger"], rule["gain_level"]) == (2, 1, 0.975)
        assert [each["aliases"] for each in found["versions"]] == [["champion"], ["challenger"]]

    def test_a_version_without_evidence_is_not_promoted(self):
        text = run("promote", "2", code=3)
        assert text.startswith(f"{MODEL}: champion is version 1; entry 2, HOLD")
        assert "does not lie above register.min_gain 0" in text
        assert len(json.loads(run("history", "--json"))) == 2  # the same verdict is not logged twice

    def test_at_first_there_is_no_previous_champion_to_roll_back_to(self):
        assert isinstance(CliRunner().invoke(app, ["rollback"]).exception, ValueError)

    def test_a_forced_promotion_needs_a_reason_and_is_logged_as_forced(self):
        assert "say why" in str(CliRunner().invoke(app, ["promote", "2", "--force", " "]).exception)
        text = run("promote", "2", "--force", "the old one is too slow")
        assert text.startswith(
            f"{MODEL}: champion is version 2; entry 3, forced, rule: HOLD\n  the old one is too slow"
        )
        forced = json.loads(run("history", "--json"))[-1]
        assert (forced["kind"], forced["reason"]) == ("forced", "the old one is too slow")
        assert (forced["champion"], forced["previous_champion"]) == ("2", "1")
        assert forced["verdict"]["verdict"] == "HOLD"

    def test_rollback_restores_the_previous_champion_and_a_second_one_undoes_it(self, store_of):
        assert "champion is version 1; entry 4, rolled back" in run("rollback")
        assert champion.reign(RegisteredModel(store_of, MODEL)) == champion.Reign("1", "2")
        found = json.loads(run("rollback", "--json"))
        assert (found["champion"], found["previous_champion"]) == ("2", "1")
        assert versions.with_alias(RegisteredModel(store_of, MODEL), "champion").tags["validation_status"] == "forced"

    def test_history_lists_every_decision(self):
        lines = [line.split() for line in run("history").splitlines()]
        assert [line[3] for line in lines] == ["what", "PROMOTE", "HOLD", "forced,", "rolled", "rolled"]

    def test_an_unknown_version_or_model_is_reported(self):
        error = str(CliRunner().invoke(app, ["promote", "7"]).exception)
        assert error.startswith(f"expected a version of {MODEL}")
        assert error.endswith("got 7; its versions are 1, 2")
        error = str(CliRunner().invoke(app, ["status", "--name", "segnet-x"]).exception)
        assert error.startswith(f"expected --name of a registered model ({MODEL}), got segnet-x; name another, or ")

    def test_the_champion_is_not_promoted_again(self):
        assert "champion is version 2" in run("promote", "2")
        assert "champion is version 2" in run("promote", "02")
        entries = json.loads(run("history", "--json"))
        assert len(entries) == 6  # the forced promotion, judged once more
        assert "is champion already: it stays" in entries[-1]["reason"]

    def test_the_champion_is_named_though_the_entry_that_made_it_so_is_lost(self, store_of):
        run("promote", "1", "--force", "a trial")
        assert "champion is version 1; entry 8, HOLD" in run("promote", "2", code=3)
        log = champion.log_of(RegisteredModel(store_of, MODEL))
        store.client(store_of).delete_model_version(log.name, "7")
        assert run("status").startswith(f"{MODEL}: version 1 is champion, by entry 7, which is lost\n")
        found = json.loads(run("status", "--json"))["champion"]
        assert (found["number"], found["kind"], found["champion"]) == (7, "lost", "1")


def test_an_option_that_does_not_exist_is_wrong_usage():
    assert "No such option" in run("promote", "1", "--now", code=2)
