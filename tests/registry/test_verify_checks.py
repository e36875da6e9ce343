"""Each thing that a link of a version compares, changed one at a time; no store is needed."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from ruamel.yaml import YAML

from pipeline import params
from pipeline.artifacts import scores, validation
from pipeline.artifacts.validation import Finding, Validation
from pipeline.files import atomic
from pipeline.files.digest import directory_md5, file_md5
from pipeline.registry import champion, evidence, file_record, model_files
from pipeline.registry.evidence import Lineage
from pipeline.registry.standing import fingerprint
from pipeline.registry.verify_checks import LINKS, AbsentError, BrokenError, Subject
from pipeline.registry.versions import RegisteredModel, Version
from pipeline.tracking import environment, runs
from pipeline.training.run import run_name
from tests.support import SCENES, scored
from tests.support.tiny_model import write_model

OPTIONS = {"overlap": 0.5, "flip": False}
INPUTS = {"data": "d.dir", "model": {"name": "segnet"}, "train": {"seed": 1, "epochs": 2}}
RUN, COMMIT, OTHER = run_name(INPUTS), "c" * 40, "0" * 32
FINDINGS = (
    Finding("empty_split", "error", True, "", "", ()),
    Finding("void_share", "warning", False, "", "", ()),
    Finding("blank_image", "warning", True, "", "", ()),
)


@pytest.fixture
def subject(tmp_path, monkeypatch):
    """A version of which every link holds."""
    files, folder = tmp_path / "files", tmp_path / "files/evidence/ab"
    folder.mkdir(parents=True)
    for name in evidence.SOURCES:
        (folder / name).write_text(name)
    scores.write(folder, scored.scores(run=RUN), scored.INTERVALS)
    validation.write(Validation("toy", (), FINDINGS), folder / "validation.json")
    atomic.write_json(folder / "train.json", {"inputs": INPUTS})
    YAML().dump({"model": INPUTS["model"], "train": {**INPUTS["train"], "keep_states": 2}}, folder / "params.yaml")
    model = write_model(files / "artifacts" / "segnet")
    (files / "code/pipeline").mkdir(parents=True)
    (files / "code/pipeline/core.py").write_text("abc")
    hashes = {source: file_md5(folder / name) for name, source in evidence.SOURCES.items()}
    hashes |= {"models/segnet": directory_md5(model), "data/tiles": "d.dir"}
    hashes |= {"pipeline/core.py": "900150983cd24fb0d6963f7d28e17f72"}  # MD5 of abc
    evidence.write_lineage(folder, Lineage(COMMIT, (), hashes, {}))
    tags = {
        "test_miou": "0.775",
        "test_data": "f" * 64,
        "training_run": RUN,
        "fingerprint": fingerprint(model, OPTIONS),
    }
    monkeypatch.setattr(model_files, "options", lambda uri, address: OPTIONS)
    subject = Subject(Version(RegisteredModel("a store", "segnet-toy"), "1", tags, "a run"), tmp_path, files)
    rename(subject, "ab")
    return subject


def rename(subject, before=None):
    """Give the evidence the name that it should have."""
    old = subject.files / "evidence" / (before or subject.version.tags["evidence"])
    subject.version.tags["evidence"] = file_record.evidence_name(old)
    old.rename(subject.evidence)


def edit(subject, name, before, after):
    """Change a file of the evidence."""
    text = (subject.evidence / name).read_text()
    assert before in text
    (subject.evidence / name).write_text(text.replace(before, after, 1))


def trace(subject, changed=(), commit=COMMIT, **hashes):
    """Change the lineage; a name in `hashes` stands for the path with _ for each / and dot."""
    origin = subject.origin
    named = {path: hashes.get(path.replace("/", "_").replace(".", "_"), md5) for path, md5 in origin.hashes.items()}
    evidence.write_lineage(subject.evidence, replace(origin, changed=changed, commit=commit, hashes=named))


def test_what_was_compared_is_told(subject):
    assert LINKS["evidence"](subject) == f"9 files, digest {subject.version.tags['evidence']}"
    assert LINKS["weights"](subject) == f"fingerprint {subject.version.tags['fingerprint'][:16]}"
    assert LINKS["served code"](subject) == "1 files"
    assert LINKS["scores"](subject) == "mIoU 0.775000 of 2 images"
    assert LINKS["training run"](subject) == f"{RUN}, the hash of its data, params and code"
    assert LINKS["validation"](subject) == "3 checks, 1 with a warning"


@pytest.mark.parametrize(("name", "source"), evidence.SOURCES.items())
def test_each_file_of_the_evidence_is_compared_with_the_one_that_a_stage_wrote(subject, name, source):
    right = file_md5(subject.evidence / name)
    trace(subject, **{source.replace("/", "_").replace(".", "_"): OTHER})
    rename(subject)
    with pytest.raises(BrokenError, match=f"expected the MD5 of {name} to be {OTHER}, got {right}"):
        LINKS["evidence"](subject)


BROKEN = {
    "no evidence": (
        "evidence",
        lambda s: s.version.tags.pop("evidence"),
        "a version with the tag evidence, got none; reg",
    ),
    "edited": (
        "evidence",
        lambda s: edit(s, "train.json", "1", "2"),
        "the digest of the evidence to be [0-9a-f]{32}, got",
    ),
    "weights": ("weights", lambda s: trace(s, models_segnet=OTHER), f"the MD5 of models/segnet to be {OTHER}, got"),
    "fingerprint": (
        "weights",
        lambda s: s.version.tags.update(fingerprint="a"),
        "the fingerprint of weights and options to be a, got [0-9a-f]{64}$",
    ),
    "code": (
        "served code",
        lambda s: trace(s, pipeline_core_py=OTHER),
        f"the MD5 of the version's pipeline/core.py to be {OTHER}, got 900150983cd24fb0d6963f7d28e17f72",
    ),
    "mIoU": (
        "scores",
        lambda s: s.version.tags.update(test_miou="0.77500001"),
        "the tag test_miou to be that of the counts, 0.775, got 0.77500001",
    ),
    "mIoU in the file": (
        "scores",
        lambda s: edit(s, "scores.json", '"miou": 0.775', '"miou": 0.875'),
        "the mIoU in scores.json to be that of the counts, 0.775, got 0.875",
    ),
    "test data": ("scores", lambda s: s.version.tags.update(test_data="e"), "the tag test_data to be f{64}, got e"),
    "run of scores": (
        "scores",
        lambda s: s.version.tags.pop("training_run"),
        f"the tag training_run to be {RUN}, got None",
    ),
    "run": (
        "training run",
        lambda s: s.version.tags.update(training_run="a"),
        f"the training's name to be a, got {RUN}",
    ),
    "tiles": (
        "training run",
        lambda s: trace(s, data_tiles="e.dir"),
        "the MD5 of the tiles that the model was trained on to be e.dir, got d.dir",
    ),
    "model": (
        "training run",
        lambda s: edit(s, "params.yaml", "segnet", "fcn"),
        "model.name in params.yaml to be segnet, got fcn",
    ),
    "train": (
        "training run",
        lambda s: edit(s, "params.yaml", "epochs", "years"),
        "train.epochs in params.yaml to be 2, got None",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_what_does_not_agree_is_named(subject, fault):
    link, change, message = BROKEN[fault]
    change(subject)
    with pytest.raises(BrokenError, match=f"^expected {message}"):
        LINKS[link](subject)


def test_data_that_failed_validation_is_named_with_the_checks(subject):
    findings = (replace(FINDINGS[0], ok=False), FINDINGS[1], replace(FINDINGS[0], check="missing_pair", ok=False))
    validation.write(Validation("toy", (), findings), subject.evidence / "validation.json")
    with pytest.raises(
        BrokenError, match=r"expected data that passed validation, got errors in empty_split, missing_p"
    ):
        LINKS["validation"](subject)


def test_a_score_may_differ_by_rounding(subject):
    subject.version.tags["test_miou"] = repr(0.775 + 5e-10)
    assert LINKS["scores"](subject) == "mIoU 0.775000 of 2 images"


def test_a_version_of_an_earlier_program_has_no_list_of_files(subject, monkeypatch):
    log = [SimpleNamespace(evidence={"candidate": None, "champion": "other"})]
    monkeypatch.setattr(champion, "read", lambda model: log)
    with pytest.raises(AbsentError, match="an earlier program registered it, and kept no list of its files"):
        LINKS["files"](subject)
    subject.version.tags["files"] = file_record.write(subject.files, subject.files)
    assert LINKS["files"](subject) == "3 files"
    (subject.files / "evidence/begun").mkdir()
    assert LINKS["files"](subject) == "3 files"
    log.append(SimpleNamespace(evidence={"candidate": "begun", "champion": None}))
    with pytest.raises(ValueError, match=r"got a changed evidence/begun$"):
        LINKS["files"](subject)


def test_the_files_at_the_commit_are_compared_except_those_that_differed(subject, monkeypatch):
    tracked = {path: md5 for path, md5 in subject.origin.hashes.items() if path in ("params.yaml", "pipeline/core.py")}
    monkeypatch.setattr(environment, "files_at", lambda commit: {*tracked, "README.md"} if commit == COMMIT else None)
    monkeypatch.setattr(environment, "md5_at", lambda commit, path: tracked[path])
    assert LINKS["commit"](subject) == f"2 files at {COMMIT[:12]}"
    tracked["params.yaml"] = OTHER
    message = (
        f"expected the MD5 of params.yaml at commit {COMMIT[:12]} to be {subject.origin.hashes['params.yaml']}, got"
    )
    with pytest.raises(BrokenError, match=f"{message} {OTHER}"):
        LINKS["commit"](subject)
    trace(subject, changed=("params.yaml", "README.md"))
    assert LINKS["commit"](subject) == f"1 files at {COMMIT[:12]}; params.yaml, README.md differed from it"
    monkeypatch.setattr(environment, "files_at", lambda commit: {"core.py"})  # as in a folder of the repository
    with pytest.raises(AbsentError, match=f"no file of commit {COMMIT} is named as the stages name them; run this"):
        LINKS["commit"](subject)
    monkeypatch.setattr(environment, "files_at", lambda commit: None)
    trace(subject, commit="d" * 40)
    with pytest.raises(AbsentError, match=f"this repository does not have commit {'d' * 40}"):
        LINKS["commit"](subject)
    trace(subject, commit="unknown")
    with pytest.raises(AbsentError, match="the version was registered outside a git checkout"):
        LINKS["commit"](subject)


def test_params_that_cannot_be_compared_are_not_at_hand(subject, monkeypatch):
    with pytest.raises(AbsentError, match=r"this program cannot read the params: .*params\.yaml is invalid"):
        LINKS["params"](subject)
    (subject.evidence / "params.yaml").write_text(SCENES.read_text())
    settings, recorded = params.load(SCENES), dict[str, str]()
    monkeypatch.setattr(environment, "recorded_params", lambda uri, run_id: recorded)
    with pytest.raises(AbsentError, match="the training run was deleted, or has no params"):
        LINKS["params"](subject)
    recorded["serving/flip"] = "False"
    with pytest.raises(AbsentError, match="the version's run has no params of its training, which was recorded elsew"):
        LINKS["params"](subject)
    recorded |= runs.as_params({"train": {"seed": settings.train.seed}, "model": {"name": "segnet"}, "other": 1})
    assert LINKS["params"](subject) == "2 values"
    for key in ("train.seed", "model.name"):
        before, recorded[key] = recorded[key], "x"
        with pytest.raises(BrokenError, match=f"expected the param {key} of the training run to be {before}, got x"):
            LINKS["params"](subject)
        recorded[key] = before
    nobodys = replace(subject, version=replace(subject.version, run_id=None))
    with pytest.raises(AbsentError, match="the version names no training run"):
        LINKS["params"](nobodys)
