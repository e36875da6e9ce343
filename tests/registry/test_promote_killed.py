"""A command that is killed after any request to the store, and run again, gives what it gives undisturbed."""

import shutil
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

from pipeline import params
from pipeline.artifacts.spec import read_spec
from pipeline.registry import champion, model_files, promote, verify_log, versions
from pipeline.registry.decision_log import Reign
from pipeline.registry.judge import Rule
from pipeline.tracking import store
from stages import register as stage
from tests.support import project as tree

WRITES = (
    *("create_model_version", "update_model_version", "set_model_version_tag", "set_registered_model_tag"),
    *("set_registered_model_alias", "delete_registered_model_alias"),
)


class KilledError(BaseException):
    """The process ends here."""


@contextmanager
def killed_after(requests):
    """End what runs after so many requests that write, and before the next; yield whether it came to that."""
    done, ended = count(1), []

    def counted(write):
        def call(*arguments, **options):
            if next(done) > requests:
                ended.append(True)
                raise KilledError
            return write(*arguments, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in WRITES:
            patch.setattr(SqlAlchemyStore, name, counted(getattr(SqlAlchemyStore, name)))
        try:
            yield ended
        except KilledError:
            return


def rule():
    settings = params.load()
    return Rule(settings.registration, settings.evaluate, stage.RAW, settings.placement)


def check(model, number):
    """Raise ValueError if the version's files or the log are not intact, or the aliases do not follow the log."""
    model_files.check(versions.version(model, number))
    verify_log.check(model)


def roll_back(model, requests):
    """Return whether a rollback was killed after so many requests; the next one completed it, and undid nothing."""
    before, log = champion.reign(model), champion.read(model)
    with killed_after(requests) as ended:
        promote.roll_back(model)
    if ended:
        entry = promote.roll_back(model)
        after = Reign(before.previous_champion, before.champion)
        assert (champion.reign(model), champion.read(model)) == (after, (*log, entry))
        tags = versions.version(model, str(after.champion)).tags
        assert (tags["promoted_at"], tags["promotion_mark"]) == (entry.at, entry.mark)
        check(model, "1")
    return bool(ended)


def force(model, requests):
    """Return whether a forced promotion was killed after so many requests; the next one completed it."""
    log, reason = champion.read(model), f"reason {requests}"
    with killed_after(requests) as ended:
        promote.force(versions.version(model, "2"), reason, rule())
    if ended:
        model_files.check(versions.version(model, "2"))
        entry = promote.force(versions.version(model, "2"), reason, rule())
        assert (champion.reign(model).champion, champion.read(model)) == ("2", (*log, entry))
        described = store.client(model.uri).get_model_version(model.name, "2").description
        assert described.endswith(f"forced by hand: {'; '.join(entry.verdict.reasons)}")
        check(model, "2")
    return bool(ended)


def test_a_rollback_is_completed_and_not_undone(registered):
    assert roll_back(registered(3, 4), 1)


@pytest.mark.parametrize("requests", range(5))
def test_so_it_is_in_the_second_of_the_promotion_before(registered, monkeypatch, requests):
    """Times have a resolution of a second; which decision made a version champion is told by its mark."""
    monkeypatch.setattr(champion, "now", lambda: "2026-12-01T09:00:00Z")
    assert roll_back(registered(3, 4), requests)


def test_a_forced_promotion_is_logged_once_with_what_the_rule_said_of_it(registered):
    model = registered(3, 3)
    assert force(model, 1)
    assert champion.read(model)[-1].verdict.outcome.name == "HOLD"


@pytest.mark.slow
@pytest.mark.parametrize(("command", "hits", "least"), [(roll_back, (3, 4), 7), (force, (3, 3), 10)])
def test_it_may_be_killed_after_any_request(registered, command, hits, least):
    model = registered(*hits)
    assert next(requests for requests in count() if not command(model, requests)) >= least


def test_new_evidence_of_a_model_makes_no_second_version(registered, monkeypatch, tmp_path):
    model, spec, upload = registered(3), read_spec(stage.MODEL), model_files.upload

    def half(version, folder, into):
        part = shutil.copytree(folder, tmp_path / "part", dirs_exist_ok=True)
        *first, last = sorted(part.iterdir())
        for path in first[4:]:
            path.unlink()
        last.write_bytes(b"")
        upload(version, part, into)
        raise KilledError

    for remark in ("a", "b"):  # the evidence of which the first is killed is not that of the second
        Path("params.yaml").write_text(Path("params.yaml").read_text() + f"# {remark}\n")
        with monkeypatch.context() as patch:
            patch.setattr(model_files, "upload", half)
            with pytest.raises(KilledError):
                tree.registered(spec, hits=3)
        check(model, "1")
    tree.registered(spec, hits=3)
    assert [version.number for version in versions.versions(model)] == ["1"]
    assert champion.reign(model) == Reign("1", None)
    check(model, "1")


def test_the_files_of_a_decision_that_are_complete_are_not_written_again(registered, monkeypatch):
    model, uploaded = registered(3, 3), []
    client = model_files.upload
    monkeypatch.setattr(model_files, "upload", lambda *given: (uploaded.append(given[2]), client(*given)))
    describe = versions.describe

    def killed(version, tags, description=None):
        describe(version, dict(list(tags.items())[:1]), description)
        if description is not None:
            raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(versions, "describe", killed)
        with pytest.raises(KilledError):
            promote.force(versions.version(model, "2"), "a reason", rule())
    promote.force(versions.version(model, "2"), "a reason", rule())
    assert uploaded == ["decisions/000003"]
