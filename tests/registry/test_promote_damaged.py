"""Whatever of a store was deleted, renamed, moved or overwritten: every command answers, and register registers."""

import json
import random
import shutil
from pathlib import Path

import pytest
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from typer.testing import CliRunner

from pipeline.artifacts.spec import read_spec
from pipeline.cli import app
from pipeline.registry import versions
from pipeline.registry.versions import RegisteredModel
from pipeline.tracking import store
from tests.support import project as tree

MODEL = "segnet-copied"
LOG = f"promotions-of-{MODEL}"
NUMBERS = ("1", "2", "3")
JUNK = ("", "abc", "nan", "-1", "999999999", "é\x1b", "[" * 4000)
TAGS = ("test_miou", "evidence", "fingerprint", "test_data", "training_run", "decision", "decision_mark", "files")


@pytest.fixture(scope="module")
def whole(originals, tmp_path_factory):
    """A working tree and its store: version 1 was champion, 2 is, 3 was held, and the log has five entries."""
    folder = tmp_path_factory.mktemp("whole") / "tree"
    tree.copy(originals(3, 3, 3), folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        for words in (("promote", "2", "--force", "why not"), ("rollback",), ("rollback",)):
            assert CliRunner().invoke(app, [*words, "--name", MODEL]).exit_code == 0
    return folder


class Damage:
    """Faults in a copy of the store, each drawn at random."""

    def __init__(self, uri, seed):
        self.uri, self.random, self.name, self.done = uri, random.Random(seed), MODEL, []
        self.client = store.client(uri)
        self.runs = {number: versions.version(self.model, number).run_id for number in NUMBERS}

    @property
    def model(self):
        return RegisteredModel(self.uri, self.name)

    def inflict(self):
        faults = [
            *(self.delete_version, self.delete_version, self.delete_entry, self.delete_entry, self.overwrite_entry),
            *(self.delete_log, self.move_alias, self.move_alias, self.remove_alias, self.make_foreign, self.change_tag),
            *(self.change_tag, self.remove_tag, self.delete_run, self.erase_run, self.remove_files, self.change_file),
            *(self.rename, self.change_tag_of_log, self.delete_logged_model),
        ]
        for _ in range(self.random.randint(1, 5)):
            fault = self.random.choice(faults)
            try:
                fault()
            except Exception as err:  # of a version that an earlier fault deleted
                self.done.append(f"no {fault.__name__}: {type(err).__name__}")

    def note(self, what, *where):
        self.done.append(f"{what} {where}")
        return where[0] if where else None

    def number(self):
        return self.random.choice(NUMBERS)

    def delete_version(self):
        self.client.delete_model_version(self.name, self.note("delete version", self.number()))

    def delete_entry(self):
        self.client.delete_model_version(LOG, self.note("delete entry", str(self.random.randint(1, 5))))

    def overwrite_entry(self):
        number, text = str(self.random.randint(1, 5)), self.random.choice(JUNK)
        self.client.set_model_version_tag(LOG, self.note("overwrite entry", number), "entry", text)

    def delete_log(self):
        self.client.delete_registered_model(self.note("delete log", LOG))

    def move_alias(self):
        alias, number = self.random.choice(("champion", "previous_champion", "challenger")), self.number()
        self.note("move", alias, number)
        self.client.set_registered_model_alias(self.name, alias, number)

    def remove_alias(self):
        alias = self.random.choice(("champion", "previous_champion", "challenger"))
        self.client.delete_registered_model_alias(self.name, self.note("remove", alias))

    def make_foreign(self):
        alias = self.random.choice(("champion", "previous_champion"))
        made = self.client.create_model_version(self.name, "https://models.invalid/a")
        self.client.set_registered_model_alias(self.name, self.note("foreign", alias), made.version)

    def change_tag(self):
        tag, number = self.random.choice(TAGS), self.number()
        self.note("change", tag, number)
        self.client.set_model_version_tag(self.name, number, tag, self.random.choice(JUNK))

    def remove_tag(self):
        tag, number = self.random.choice(TAGS), self.number()
        self.note("remove", tag, number)
        self.client.delete_model_version_tag(self.name, number, tag)

    def change_tag_of_log(self):
        number, text = str(self.random.randint(1, 5)), self.random.choice(JUNK)
        self.note("tags of log", number, text)
        self.client.set_registered_model_tag(LOG, "newest", text)
        self.client.delete_model_version_tag(LOG, number, "settled")

    def delete_run(self):
        self.client.delete_run(self.runs[self.note("delete run", self.number())])

    def erase_run(self):
        number = self.note("erase run", self.number())
        self.client.delete_run(self.runs[number])
        SqlAlchemyStore(self.uri, "mlartifacts")._hard_delete_run(self.runs[number])

    def files(self):
        version = versions.version(self.model, self.note("files", self.number()))
        return Path(self.client.get_logged_model(version.model_id).artifact_location.removeprefix("file://"))

    def remove_files(self):
        shutil.rmtree(self.files() / self.random.choice(("", "artifacts", "evidence", "decisions", "code")))

    def change_file(self):
        path = self.random.choice(sorted(path for path in self.files().rglob("*") if path.is_file()))
        path.write_bytes(path.read_bytes()[:-1])

    def delete_logged_model(self):
        version = versions.version(self.model, self.note("delete logged model", self.number()))
        self.client.delete_logged_model(version.model_id)

    def rename(self):
        name = self.random.choice(("fields", "segnet-other"))
        self.client.rename_registered_model(self.name, self.note("rename", name))
        self.name = name


@pytest.fixture
def damage(whole, tmp_path, monkeypatch):
    """Return a function that damages a copy of the working tree and its store, which it makes the current ones."""

    def start(seed):
        tree.copy(whole, tmp_path / "copy")
        monkeypatch.chdir(tmp_path / "copy")
        uri = f"sqlite:///{tmp_path}/copy/mlflow.db"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        damage = Damage(uri, seed)
        damage.inflict()
        return damage

    return start


def answers(damage, *words, codes=(0, 1, 3)):
    """Run a command: it ends by one of the codes, or by an error of ours that says what was expected."""
    done = CliRunner().invoke(app, [*words, "--name", damage.name])
    if isinstance(done.exception, ValueError):
        assert 1 in codes, (words, damage.done, str(done.exception))
        assert "expected" in str(done.exception), (words, damage.done, done.exception)
    else:
        assert done.exception is None or isinstance(done.exception, SystemExit), (words, damage.done, done.exception)
        assert done.exit_code in codes, (words, damage.done, done.output)
    return done.stdout


def check(damage):
    answers(damage, "history", codes=(0,))
    before = json.loads(answers(damage, "status", "--json", codes=(0,)))
    for number in NUMBERS:
        answers(damage, "verify", number)
        answers(damage, "trace", number)
    answers(damage, "promote", damage.number())
    answers(damage, "rollback")
    answers(damage, "promote", damage.number(), "--force", "by hand")
    answers(damage, "status", codes=(0,))
    return before


def registers_and_holds(damage):
    """Register another model; it is held, unless nothing is left that says that there was a champion."""
    logged = bool(versions.versions(RegisteredModel(damage.uri, LOG)))
    borne = any(each.tags.get("decision") for each in versions.versions(RegisteredModel(damage.uri, MODEL)))
    spec = tree.named(read_spec(tree.stage.MODEL), "d")
    given = tree.registered(spec, hits=3)
    assert given["verdict"] == ("HOLD" if logged or borne else "PROMOTE"), damage.done
    assert versions.with_alias(RegisteredModel(damage.uri, MODEL), "challenger").number == given["version"]
    assert CliRunner().invoke(app, ["status", "--name", MODEL]).exit_code == 0


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_a_damaged_store_answers_and_registers(damage, seed):
    check(damage(seed))


@pytest.mark.parametrize("seed", [100, pytest.param(101, marks=pytest.mark.slow)])
def test_a_damaged_store_registers_and_holds(damage, seed):
    registers_and_holds(damage(seed))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3, 12))
def test_many_damaged_stores_answer(damage, seed):
    check(damage(seed))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(102, 108))
def test_many_damaged_stores_register_and_hold(damage, seed):
    registers_and_holds(damage(seed))
