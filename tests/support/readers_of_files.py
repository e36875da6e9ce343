"""READERS of the files that stages exchange, and of those in runs/, the registry's log and DVC's cache."""

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import torch
from hypothesis import strategies as st

from pipeline.artifacts import model as models, scores as score_files, validation
from pipeline.artifacts.verdict import Outcome, Verdict
from pipeline.core.bootstrap import Difference
from pipeline.evaluation.report.contents import contents
from pipeline.files import dvc_cache
from pipeline.registry import decision_log, evidence
from pipeline.registry.decision_log import Entry, Reign
from pipeline.tracking import outbox, records
from pipeline.training import checkpoint, run as training_run
from tests.support.mutations import Blob, damaged, documents, trees
from tests.support.readers import broken, example, file_reader, folder_reader
from tests.support.scored import INTERVALS, scores
from tests.support.tiny_model import SPEC, write_model
from tests.support.tiny_page import gallery


def write_small_model(folder):
    write_model(folder, replace(SPEC, network="segnet_basic"))


def read_model(folder):
    spec, model = models.read_model(folder)
    with torch.inference_mode():
        assert model(torch.zeros(1, 3, 32, 32)).shape == (1, len(spec.classes), 32, 32)
    assert all(value.dtype in (torch.float32, torch.int64) for value in model.state_dict().values())
    assert spec.tile_height * spec.tile_width * spec.scale > 0
    assert spec.classes.palette().shape == (256, 3)


STATE = replace(
    checkpoint.beginning(),
    step=7,
    model={"a": torch.ones(2)},
    best_epoch=1,
    sums=torch.ones(1, 4, dtype=torch.float64),
    history=({"epoch": 1.0, "val/miou": 0.25}, {"epoch": 2.0, "val/miou": float("nan")}),
)


def write_state(folder):
    checkpoint.write(folder, STATE, keep=1)


def state_cases():
    """Return checkpoints whose state.json is broken but has a correct SHA-256."""
    files = example(write_state)
    name = "step-000000007/state.json"

    def sealed(text):
        body = json.loads(text)
        seal = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        return {**files, name: json.dumps({"state": body, "sha256": seal}).encode()}

    return trees(json.loads(files[name])["state"]).map(sealed)


def read_state(folder):
    state = checkpoint.last(folder)
    assert isinstance(state.step, int)
    assert isinstance(state.best_epoch, int)
    assert state.sums.shape[1] == 4
    assert all(isinstance(value, float | int) for epoch in state.history for value in epoch.values())
    assert checkpoint.newest(folder)[0] is not None


def write_scores(folder):
    score_files.write(folder, scores(), INTERVALS)
    for name in ("classes.csv", "confusion.csv"):
        (folder / name).unlink()


def read_scores(folder):
    result = score_files.read(folder)
    assert all(isinstance(value, float) for value in result.metrics.values())
    assert len(result.ids) == len(result.sequences) == len(result.counts) == len(result.boundaries)
    intervals = score_files.read_intervals(folder)
    assert all(isinstance(value, float) for pair in intervals.bounds.values() for value in pair)


def write_validation(folder):
    offender = validation.Offender("train/a", "2 bits", ("train/a", "val/b"))
    finding = validation.Finding("blank_image", "error", False, "expected", "observed", (offender,))
    split = validation.Split("train", 3, 1, {"40 x 32": 3}, {"road": 0.75}, 0.1)
    validation.write(validation.Validation("tiny", (split,), (finding,)), folder / "validation.json")


def read_validation(folder):
    report = validation.read(folder / "validation.json")
    assert isinstance(report.dataset, str)
    for split in report.splits:
        assert isinstance(split.images + split.sequences + sum(split.sizes.values()), int)
        assert isinstance(split.void_share + sum(split.shares.values()), float)
    assert all(finding.severity in ("error", "warning") and isinstance(finding.ok, bool) for finding in report.findings)
    assert all(isinstance(name, str) for f in report.findings for o in f.offenders for name in o.images)


def write_lineage(folder):
    evidence.write_lineage(folder, evidence.Lineage("c" * 40, (), {"data/raw": "a.dir"}, {"workers": [1]}))


def read_lineage(folder):
    read = evidence.read_lineage(folder)
    assert all(isinstance(text, str) for text in (read.commit, *read.changed, *read.hashes, *read.hashes.values()))


VERDICT = Verdict(Outcome.HOLD, ("no gain",), "d" * 64, {"min_gain": 0.0}, {"miou": Difference(0.0, 0.0, 0.0, 0.0)})
ENTRY = Entry("decided", "2", Reign("1", None), "2026-11-23T10:00:00Z", "ann", "no gain", VERDICT, {"candidate": "ab"})


def entries():
    return documents(json.loads(ENTRY.text)) | st.just(Blob(ENTRY.text, "utf-8"))


def read_entry(path):
    entry = Entry.from_text(3, path.read_text("utf-8", errors="surrogateescape"))
    assert len(entry.sha256) == 64
    assert entry.to_json()["number"] == 3
    assert [each for each in decision_log.counting([entry]) if each.kind != "lost"] in ([], [entry])


def write_inputs(folder):
    (folder / "0123456789abcdef").mkdir()
    (folder / "0123456789abcdef/inputs.json").write_text(json.dumps({"data": "d", "vgg16": None, "train": {"seed": 1}}))


def read_inputs(folder):
    for run in training_run.run_folders(folder):
        assert isinstance(training_run.differences(training_run.read_inputs(run), {"train": {"seed": 1}}), list)


MD5 = hashlib.md5(b"a", usedforsecurity=False).hexdigest()
LOCK = {"schema": "2.0", "stages": {"make": {"cmd": "a", "outs": [{"path": "out", "md5": MD5, "hash": "md5"}]}}}
LOCK_TEXT = Blob(b"stages:\n  make:\n    cmd: a\n    outs:\n    - path: out\n      md5: " + MD5.encode() + b"\n")
LISTING = [{"md5": MD5, "relpath": "b"}]


def dvc_cases():
    """Return a broken dvc.lock, or a broken file list of a folder in DVC's cache under its own hash."""

    def listing(text):
        name = hashlib.md5(text, usedforsecurity=False).hexdigest()
        return {f".dvc/cache/files/md5/{name[:2]}/{name[2:]}.dir": text, "asked": f"{name}.dir".encode()}

    files = {"out": b"a", f".dvc/cache/files/md5/{MD5[:2]}/{MD5[2:]}": b"a", "asked": MD5.encode()}
    locks = (trees(LOCK) | damaged(LOCK_TEXT) | st.just(b"[" * 2000)).map(lambda lock: files | {"dvc.lock": lock})
    return documents(LISTING).map(lambda text: files | listing(text)) | locks


def read_dvc(folder):
    places = dvc_cache.check(folder, "out", (folder / "asked").read_text())
    assert set(places) <= {"in the working tree", "in DVC's cache"}


LINE = {"kind": "file", "content": {"folder": ""}, "at": 8, "file": "file-a/a"}


def write_outbox(folder):
    (folder / "abc/file-a").mkdir(parents=True)
    (folder / "abc/file-a/a").write_text("a")
    (folder / "abc/origin.json").write_text(json.dumps({"store": "http://127.0.0.1:5000", "experiment": "tests"}))
    (folder / "abc/records.jsonl").write_text(json.dumps(LINE) + "\n")


def outbox_cases():
    files = example(write_outbox)
    lines = documents(LINE).map(lambda line: {**files, "abc/records.jsonl": Blob(line + b"\n")})
    return broken(write_outbox) | lines


def read_outbox(folder):
    for box in outbox.unsent(folder):
        assert isinstance(box.destination().store + box.destination().experiment, str)
        for record in box.records():
            assert record.kind in records.KINDS
            assert record.file is None or Path(os.path.normpath(record.file)).parent.parent == box.folder


def write_curves(folder):
    (folder / "history.csv").write_text("epoch,train/loss,val/miou\n1.0,0.5,nan\n2.0,0.25,0.75\n")


def read_curves(folder):
    bounds = dict.fromkeys(("iou/road", "iou/sky", "iou/car"), (0.0, 1.0))
    page = contents(scores(), replace(INTERVALS, bounds=bounds), SPEC, folder / "history.csv", gallery(""))
    assert all(isinstance(value, float) for epoch in page.history for value in epoch.values())


READERS = (
    folder_reader("validation", lambda: broken(write_validation), read_validation),
    folder_reader("states", lambda: broken(write_state), read_state),
    folder_reader("states, sealed", state_cases, read_state),
    folder_reader("inputs", lambda: broken(write_inputs), read_inputs),
    folder_reader("curves", lambda: broken(write_curves), read_curves),
    folder_reader("outboxes", outbox_cases, read_outbox),
    folder_reader("models", lambda: broken(write_small_model), read_model),
    folder_reader("scores", lambda: broken(write_scores), read_scores),
    folder_reader("lineage", lambda: broken(write_lineage), read_lineage),
    file_reader("promotions", entries, read_entry),
    folder_reader("DVC's objects", dvc_cases, read_dvc),
)
