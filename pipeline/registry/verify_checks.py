"""The links of a version, from its files to the verdict, each compared with something stored separately."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline import params
from pipeline.artifacts import scores, validation
from pipeline.core import metrics
from pipeline.files import dvc_cache, git, safe_yaml
from pipeline.files.digest import directory_md5, file_md5
from pipeline.files.strict_json import flat
from pipeline.params import ParamsError
from pipeline.registry import (
    champion,
    decision_files,
    evidence,
    file_record,
    judge,
    model_files,
    verify_log,
    verify_source,
    versions,
)
from pipeline.registry.evidence import Lineage
from pipeline.registry.standing import fingerprint
from pipeline.registry.verify_errors import AbsentError as AbsentError, BrokenError as BrokenError, agree
from pipeline.registry.versions import Version
from pipeline.tracking import environment, runs
from pipeline.training.run import run_name

_NOT_COMPARED = ("model.vgg16.path",)  # earlier programs recorded it, as an absolute path


@dataclass(frozen=True)
class Subject:
    """A version, with a copy of its files."""

    version: Version
    root: Path
    """The working tree."""
    files: Path
    """All files of the version."""

    @property
    def evidence(self) -> Path:
        """Return the folder of its evidence."""
        return self.files / model_files.EVIDENCE / self.version.tags.get("evidence", "")

    @property
    def weights(self) -> Path:
        """Return the folder of the model."""
        return next((self.files / "artifacts").iterdir())

    @property
    def origin(self) -> Lineage:
        """Return its lineage, as its evidence records it."""
        return evidence.read_lineage(self.evidence)


def _evidence(subject: Subject) -> str:
    """The evidence has the digest in the version's tag, and its copies are the files that the stages wrote."""
    name = subject.version.tags.get("evidence")
    if not name:
        raise BrokenError("expected a version with the tag evidence, got none; register it again")
    agree("the digest of the evidence", name, file_record.evidence_name(subject.evidence))
    hashes = subject.origin.hashes
    for copy, source in evidence.SOURCES.items():
        if source in hashes:  # the others are in a folder that is a single out
            agree(f"the MD5 of {copy}", hashes[source], file_md5(subject.evidence / copy))
    return f"{len(evidence.SOURCES)} files, digest {name}"


def _weights(subject: Subject) -> str:
    """The model's files are those that the train stage wrote; with the predict options they match the fingerprint."""
    agree("the MD5 of models/segnet", subject.origin.hashes["models/segnet"], directory_md5(subject.weights))
    options = model_files.options(subject.version.model.uri, subject.version.address)
    current = fingerprint(subject.weights, options)
    agree("the fingerprint of weights and options", subject.version.tags.get("fingerprint"), current)
    evaluated = safe_yaml.read(subject.evidence / evidence.PARAMS).get("evaluate", {})
    for key in options.keys() & evaluated.keys():
        agree(f"the option {key} that the version predicts with", evaluated[key], options[key])
    return f"fingerprint {current[:16]}"


def _served_code(subject: Subject) -> str:
    """The code that serves the version is the code that the register stage depended on."""
    root = subject.files / "code"
    files = sorted(path for path in root.rglob("*.py"))
    for path in files:
        name = path.relative_to(root).as_posix()
        agree(f"the MD5 of the version's {name}", subject.origin.hashes.get(name), file_md5(path))
    return f"{len(files)} files"


def _files(subject: Subject) -> str:
    """The version has exactly the files that were registered: loading it runs its code."""
    if file_record.TAG not in subject.version.tags:
        raise AbsentError("an earlier program registered it, and kept no list of its files")
    log = champion.read(subject.version.model)
    named = {digest for entry in log for digest in entry.evidence.values() if digest is not None}
    return file_record.check(subject.files, subject.version.tags, named)


def _scores(subject: Subject) -> str:
    """The scores in the version's tags and in scores.json are those of the counts of each image."""
    tags, counted = subject.version.tags, scores.read(subject.evidence)
    miou = metrics.scores(counted.confusion).miou
    written = json.loads((subject.evidence / "scores.json").read_text("utf-8"))[counted.split]["miou"]
    for what, expected in (("the tag test_miou", float(tags["test_miou"])), ("the mIoU in scores.json", written)):
        if abs(expected - miou) > 1e-9:
            raise BrokenError(f"expected {what} to be that of the counts, {miou!r}, got {expected!r}")
    agree("the tag test_data", counted.test_data, tags.get("test_data"))
    agree("the tag training_run", counted.run, tags.get("training_run"))
    return f"mIoU {miou:.6f} of {len(counted.ids)} images"


def _params(subject: Subject) -> str:
    """The params beside the version are those that its training run recorded."""
    try:
        settings = params.load_training(subject.evidence / evidence.PARAMS)
    except ParamsError as err:
        raise AbsentError(f"this program cannot read the params: {err}") from err
    if subject.version.run_id is None:
        raise AbsentError("the version names no training run")
    recorded = environment.recorded_params(subject.version.model.uri, subject.version.run_id)
    if not recorded:
        raise AbsentError("the training run was deleted, or has no params")
    sections = {"model": settings.model.model_dump(mode="json"), "train": settings.train.model_dump(mode="json")}
    flat = runs.as_params(sections)
    compared = {key: value for key, value in flat.items() if key in recorded and key not in _NOT_COMPARED}
    if not compared:
        raise AbsentError("the version's run has no params of its training, which was recorded elsewhere")
    for key, value in compared.items():
        agree(f"the param {key} of the training run", value, recorded[key])
    return f"{len(compared)} values"


def _training_run(subject: Subject) -> str:
    """The training's name is the hash of its inputs, which are the data and params of the evidence."""
    name = subject.version.tags.get("training_run")
    inputs = json.loads((subject.evidence / "train.json").read_text("utf-8"))["inputs"]
    agree("the training's name", name, run_name(inputs))
    agree("the MD5 of the tiles that the model was trained on", subject.origin.hashes["data/tiles"], inputs["data"])
    written = safe_yaml.read(subject.evidence / evidence.PARAMS)
    for section in ("model", "train"):
        values = dict(flat(written[section]))
        for key, value in flat(inputs[section]):
            agree(f"{section}.{key} in {evidence.PARAMS}", value, values.get(key))
    return f"{name}, the hash of its data, params and code"


def _started_from(subject: Subject) -> str:
    """The model that the training started from, if any, has the weights that the training recorded."""
    inputs = json.loads((subject.evidence / "train.json").read_text("utf-8"))["inputs"]
    source = inputs.get("start_from")
    agree("start_from in lineage.json", source, subject.origin.start_from)
    named = safe_yaml.read(subject.evidence / evidence.PARAMS)["model"].get("start_from")
    return verify_source.check(source, named, subject.version.model.uri, subject.root)


def _validation(subject: Subject) -> str:
    """The data passed validation."""
    report = validation.read(subject.evidence / "validation.json")
    if not report.ok:
        failed = ", ".join(finding.check for finding in report.errors)
        raise BrokenError(f"expected data that passed validation, got errors in {failed}")
    return f"{len(report.findings)} checks, {len(report.warnings)} with a warning"


def _commit(subject: Subject) -> str:
    """The files at the commit are those that the stages depended on."""
    origin = subject.origin
    if origin.commit == "unknown":
        raise AbsentError("the version was registered outside a git checkout")
    try:
        tracked = environment.files_at(origin.commit)
    except git.RefusedError as err:
        raise AbsentError(str(err)) from err
    if tracked is None:
        raise AbsentError(f"this repository does not have commit {origin.commit}")
    compared = [path for path in origin.hashes if path in tracked and path not in origin.changed]
    if not compared:
        raise AbsentError(f"no file of commit {origin.commit} is named as the stages name them; run this in its folder")
    for path in compared:
        committed = environment.md5_at(origin.commit, path)
        agree(f"the MD5 of {path} at commit {origin.commit[:12]}", origin.hashes[path], committed)
    note = f"; {', '.join(origin.changed)} differed from it" if origin.changed else ""
    return f"{len(compared)} files at {origin.commit[:12]}{note}"


def _data(subject: Subject) -> str:
    """The data in the working tree and in DVC's cache is the data that the version was made from."""
    checked = []
    for path, expected in subject.origin.hashes.items():
        if path.startswith("data/"):
            checked += [f"{path} {place}" for place in dvc_cache.check(subject.root, path, expected)]
    if not checked:
        raise AbsentError("neither the working tree nor DVC's cache holds the data")
    return ", ".join(checked)


def _log(subject: Subject) -> str:
    """Each entry of the decision log is bound to the one before it, and the aliases agree with the newest."""
    return verify_log.check(subject.version.model)


def _verdict(subject: Subject) -> str:
    """The version's latest verdict follows from the evidence by the rule then in force."""
    number = subject.version.tags.get("decision")
    log = champion.read(subject.version.model)
    place = next((place for place, entry in enumerate(log) if str(entry.number) == number), len(log))
    entry = log[place] if place < len(log) else None
    if entry is None or entry.verdict is None:
        raise AbsentError("the log holds no verdict on the version")
    stored = json.loads((subject.files / decision_files.folder_of(entry) / "verdict.json").read_text("utf-8"))
    agree("the entry of the log", stored, entry.to_json())
    before = log[place - 1].reign.champion if place else None
    if before is not None and before not in {version.number for version in versions.versions(subject.version.model)}:
        raise AbsentError(f"version {before}, with which it was compared, was deleted")
    recomputed = judge.judge_again(subject.version.model, entry, before)
    for key, value in recomputed.items():
        agree(f"the recomputed verdict's {key}", entry.verdict.to_json()[key], value)
    return f"entry {entry.number}, {entry.verdict.outcome.name}"


LINKS: Mapping[str, Callable[[Subject], str]] = {
    "evidence": _evidence,
    "weights": _weights,
    "served code": _served_code,
    "files": _files,
    "scores": _scores,
    "params": _params,
    "training run": _training_run,
    "started from": _started_from,
    "validation": _validation,
    "commit": _commit,
    "data": _data,
    "log": _log,
    "verdict": _verdict,
}
"""The checks by name of their link, in the order they run."""
