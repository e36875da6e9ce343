"""What a decision leaves beside its version, from a log and evidence written by hand."""

import json
import shutil
from dataclasses import asdict, replace

import pytest
from ruamel.yaml import YAML

from pipeline.artifacts import scores, validation
from pipeline.artifacts.verdict import Outcome, Verdict
from pipeline.files import atomic
from pipeline.files.digest import content_sha256
from pipeline.registry import card, champion, decision_files, evidence, file_record, model_files, versions
from pipeline.registry.decision_log import Entry, Reign
from pipeline.registry.evidence import Lineage
from pipeline.registry.versions import RegisteredModel, Version
from tests.support import scored
from tests.support.tiny_card import VALIDATION, spec

MODEL = RegisteredModel("a store", "segnet-toy")
VERDICT = Verdict(Outcome.HOLD, ("no gain", "no loss"), "d" * 64, {"level": 0.95}, {})


def entry(number, kind="decided", champion="1", **changes):
    reason = f"é\x1b{number}"
    draft = Entry(kind, "2", Reign(champion, None), "2026-11-23T10:00:00Z", "ann", reason, VERDICT, {})
    return replace(draft, number=number, mark=f"mark {number}", **changes)


LOG = (entry(1), entry(2), entry(3, kind="forced", champion="2"), entry(4))


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Return a function that keeps an entry beside version 2: its folder, a copy of the files, tags and description."""

    def keep(entry, log=LOG, **tags):
        calls = []
        monkeypatch.setattr(champion, "read", lambda model: log)
        monkeypatch.setattr(decision_files, "describe", lambda version, verdict: (version, verdict))
        monkeypatch.setattr(card, "rendered", lambda described: (f"# {described[1].outcome.name}", "<html>"))
        monkeypatch.setattr(
            model_files,
            "upload",
            lambda version, folder, into: calls.extend((into, shutil.copytree(folder, tmp_path / "copy"))),
        )
        monkeypatch.setattr(versions, "files_page", lambda version: "#/experiments/7/models/m-1/artifacts")
        monkeypatch.setattr(versions, "describe", lambda version, *described: calls.extend(described))
        decision_files.keep(Version(MODEL, "2", tags), entry)
        return calls

    return keep


@pytest.mark.parametrize(
    ("number", "status", "promoted"),
    [(2, "held", {}), (3, "forced", {"promoted_at": "2026-11-23T10:00:00Z", "promotion_mark": "mark 3"})],
)
def test_a_decision_is_kept_with_the_log_until_then(kept, number, status, promoted):
    entry = LOG[number - 1]
    into, folder, tags, description = kept(entry)
    assert into == f"decisions/00000{number}"
    assert {path.name for path in folder.iterdir()} == {*file_record.DECISION_FILES}
    assert json.loads((folder / "verdict.json").read_text()) == entry.to_json()
    lines = (folder / "promotions.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [each.to_json() for each in LOG[:number]]
    assert lines[0].startswith('{"after": 0, "at": "2026-11-23T10:00:00Z", "by": "ann", "chain": ')
    assert '"reason": "é\\u001b1"' in lines[0]
    assert (folder / "card.md").read_text() == "# HOLD"
    assert (folder / "card.html").read_text() == "<html>"
    assert list(tags.items()) == [
        ("decision_files", f"00000{number}:{content_sha256(folder)}"),
        ("validation_status", status),
        *promoted.items(),
        ("decision", str(number)),
        ("decision_mark", f"mark {number}"),  # last, as it marks the decision as complete
    ]
    decided = {"held": "HOLD", "forced": "forced by hand"}[status]
    where = f"[decisions/00000{number}/card.html](#/experiments/7/models/m-1/artifacts)"
    assert description == f"Model card: {where}\n\n{decided}: no gain; no loss"


def test_a_decision_that_is_not_in_the_log_is_kept_with_all_of_it(kept):
    _, folder, *_ = kept(entry(5))
    assert len((folder / "promotions.jsonl").read_text().splitlines()) == 4


def test_a_decision_that_is_kept_already_or_has_no_verdict_leaves_nothing(kept):
    assert kept(LOG[1], decision_mark="mark 2") == []
    assert kept(replace(LOG[1], verdict=None), decision_mark="mark 1") == []
    assert kept(LOG[1], decision_mark="mark 1") != []


ORIGIN = Lineage(
    "c" * 40,
    ("a.py", "b.py"),
    {"data/raw": "r.dir", "data/tiles": "t.dir", "models/segnet": "m.dir"},
    {
        "run": "run-a",
        "commit": "d" * 40,
        "workers": [1, 2],
        "python": "3.11.7",
        "packages": {"numpy": "1", "mlflow": "3", "ray": "2", "torch": "4"},
    },
)
ROWS = {
    "git commit": "c" * 40,
    "changed since the commit": "a.py, b.py",
    "data/raw (DVC's MD5)": "r.dir",
    "data/tiles (DVC's MD5)": "t.dir",
    "models/segnet (DVC's MD5)": "m.dir",
    "training run": "run-a",
    "trained at commit": "d" * 40,
    "Ray workers": "1, 2",
    "Python": "3.11.7",
    "packages": "torch 4, ray 2, mlflow 3",
}


def test_the_card_says_what_the_version_was_made_from():
    assert decision_files._lineage_rows(ORIGIN) == ROWS
    without_ray = replace(ORIGIN, training={"packages": {"torch": "4"}})
    assert decision_files._lineage_rows(without_ray)["packages"] == "torch 4"
    source = {"version": "models:/segnet-a/3", "run": "0123", "sha256": "ab", "classes": ["road"]}
    started = decision_files._lineage_rows(replace(ORIGIN, start_from=source))["started from"]
    assert started == "models:/segnet-a/3, training run 0123, weights' SHA-256 ab"
    copied = decision_files._lineage_rows(replace(ORIGIN, start_from={**source, "version": None}))["started from"]
    assert copied.startswith("a folder, training run 0123")
    nothing = decision_files._lineage_rows(Lineage("unknown", (), {}, {}))
    assert nothing == {**dict.fromkeys(ROWS, "unknown"), "changed since the commit": "nothing"}


def test_the_card_is_made_from_the_evidence(tmp_path, monkeypatch):
    folder, model = tmp_path / "ab", spec()
    folder.mkdir()
    scores.write(folder, scored.scores(), scored.INTERVALS)
    validation.write(VALIDATION, folder / "validation.json")
    evidence.write_lineage(folder, ORIGIN)
    atomic.write_json(folder / "model.json", asdict(model))
    YAML().dump({"model": {"name": "segnet"}, "train": {"seed": 1}, "tile": {"scale": 1}}, folder / "params.yaml")
    atomic.write_json(folder / "train.json", {"class_weights": {"größe": 1.5}, "run": "abc"})
    atomic.write_json(folder / "dataset.json", {"licence": "© ours", "dataset": "toy"})
    monkeypatch.setattr(model_files, "fetch", lambda version, path, into: tmp_path / path.removeprefix("evidence/"))
    monkeypatch.setattr(file_record, "evidence_name", lambda folder: "ab")
    monkeypatch.setattr(model_files, "options", lambda uri, address: {"asked": (uri, address)})
    made = decision_files.describe(Version(MODEL, "2", {"evidence": "ab"}), VERDICT)
    assert (made.model, made.version, made.spec, made.verdict) == ("segnet-toy", "2", model, VERDICT)
    assert made.scores.metrics["test/miou"] == 0.775
    assert (made.intervals.level, made.validation, made.lineage) == (0.9, VALIDATION, ROWS)
    assert made.training == {"model": {"name": "segnet"}, "train": {"seed": 1}, "class_weights": {"größe": 1.5}}
    assert (made.licence, made.options) == ("© ours", {"asked": ("a store", "models:/segnet-toy/2")})
