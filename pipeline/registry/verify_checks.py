"""The links of a version, from its files to the verdict, each compared with what was kept apart from it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline import params
from pipeline.artifacts import scores, validation
from pipeline.core import metrics
from pipeline.files import dvc_cache, safe_yaml
from pipeline.files.digest import directory_md5, file_md5
from pipeline.params import ParamsError
from pipeline.registry import champion, decision_files, decision_log, evidence, judge, model_files
from pipeline.registry.evidence import Lineage
from pipeline.registry.gate import fingerprint
from pipeline.registry.versions import Version
from pipeline.tracking import environment, runs, store
from pipeline.training.run import run_name

_NOT_COMPARED = ("model.vgg16.path",)  # it is made absolute


class BrokenError(ValueError):
    """Two things that must agree do not; the message says which, what was expected and what was found."""


class AbsentError(ValueError):
    """A thing to compare with is not at hand; the message says which."""


@dataclass(frozen=True)
class Subject:
    """A version, with copies of its files."""

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
        """Return what its evidence says that it comes from."""
        return evidence.read_lineage(self.evidence)


def agree(what: str, expected: object, found: object) -> None:
    """Raise BrokenError unless what was found is what was expected."""
    if expected != found:
        raise BrokenError(f"expected {what} to be {expected}, got {found}")


def _evidence(subject: Subject) -> str:
    """The evidence is what the version's tag says, and its copies are the files that the stages wrote."""
    name = subject.version.tags.get("evidence")
    if not name:
        raise BrokenError("expected a version with the tag evidence, got none; register it anew")
    agree("the digest of the evidence", name, evidence.name_of(subject.evidence))
    hashes = subject.origin.hashes
    for copy, source in evidence.SOURCES.items():
        if source in hashes:  # others lie in a folder that is one output
            agree(f"the MD5 of {copy}", hashes[source], file_md5(subject.evidence / copy))
    return f"{len(evidence.SOURCES)} files, digest {name}"


def _weights(subject: Subject) -> str:
    """The model's files are those that the train stage wrote, and with the options of prediction those of the tag."""
    agree("the MD5 of models/segnet", subject.origin.hashes["models/segnet"], directory_md5(subject.weights))
    options = model_files.options(subject.version.model.uri, subject.version.address)
    current = fingerprint(subject.weights, options)
    agree("the fingerprint of weights and options", subject.version.tags.get("fingerprint"), current)
    return f"fingerprint {current[:16]}"


def _served_code(subject: Subject) -> str:
    """The code that serves the version is the one that the register stage depended on."""
    root = subject.files / "code"
    files = sorted(path for path in root.rglob("*.py"))
    for path in files:
        name = path.relative_to(root).as_posix()
        agree(f"the MD5 of the version's {name}", subject.origin.hashes.get(name), file_md5(path))
    return f"{len(files)} files"


def _scores(subject: Subject) -> str:
    """The scores in the version's tags are those of the counts of each image."""
    tags, found = subject.version.tags, scores.read(subject.evidence)
    miou = metrics.scores(found.confusion).miou
    kept = json.loads((subject.evidence / "scores.json").read_text("utf-8"))["test"]["miou"]
    for what, expected in (("the tag test_miou", float(tags["test_miou"])), ("the mIoU in scores.json", kept)):
        if abs(expected - miou) > 1e-9:
            raise BrokenError(f"expected {what} to be that of the counts, {miou!r}, got {expected!r}")
    agree("the tag test_data", found.test_data, tags.get("test_data"))
    agree("the tag training_run", found.run, tags.get("training_run"))
    return f"mIoU {miou:.6f} of {len(found.ids)} images"


def _params(subject: Subject) -> str:
    """The params beside the version are those that its training run was recorded with."""
    try:
        settings = params.load(subject.evidence / evidence.PARAMS)
    except ParamsError as err:
        raise AbsentError(f"a program that reads these params: {err}") from err
    if subject.version.run_id is None:
        raise AbsentError("the training run")
    known = store.client(subject.version.model.uri).get_run(subject.version.run_id).data.params
    if not known:
        raise AbsentError("params in the training run")
    sections = {"model": settings.model.model_dump(mode="json"), "train": settings.train.model_dump(mode="json")}
    recorded = runs.as_params(sections)
    wanted = {key: value for key, value in recorded.items() if key in known and key not in _NOT_COMPARED}
    for key, value in wanted.items():
        agree(f"the param {key} of the training run", value, known[key])
    return f"{len(wanted)} values"


def _training_run(subject: Subject) -> str:
    """The training's name is the hash of its inputs, and they are the data and params of the evidence."""
    name = subject.version.tags.get("training_run")
    made_of = json.loads((subject.evidence / "train.json").read_text("utf-8"))["inputs"]
    agree("the training's name", name, run_name(made_of))
    agree("the MD5 of the tiles that it was trained on", subject.origin.hashes["data/tiles"], made_of["data"])
    kept = safe_yaml.read(subject.evidence / evidence.PARAMS)
    for section in ("model", "train"):
        for key, value in made_of[section].items():
            agree(f"{section}.{key} in {evidence.PARAMS}", value, kept[section].get(key))
    return f"{name}, of its data, params and code"


def _validation(subject: Subject) -> str:
    """The data had passed validation."""
    found = validation.read(subject.evidence / "validation.json")
    if not found.ok:
        raise BrokenError(f"expected data that passed validation, got {', '.join(f.check for f in found.errors)}")
    return f"{len(found.findings)} checks, {len(found.warnings)} with a warning"


def _commit(subject: Subject) -> str:
    """The files of the commit are those that the stages depended on."""
    origin = subject.origin
    if origin.commit == "unknown":
        raise AbsentError("a commit: it was registered outside a git checkout")
    tracked = environment.files_at(origin.commit)
    if tracked is None:
        raise AbsentError(f"the commit {origin.commit}: this repository does not have it")
    compared = [path for path in origin.hashes if path in tracked and path not in origin.changed]
    for path in compared:
        found = environment.md5_at(origin.commit, path)
        agree(f"the MD5 of {path} at commit {origin.commit[:12]}", origin.hashes[path], found)
    note = f"; {', '.join(origin.changed)} differed from it" if origin.changed else ""
    return f"{len(compared)} files at {origin.commit[:12]}{note}"


def _data(subject: Subject) -> str:
    """The data in the working tree and in DVC's cache is that which the version was made from."""
    seen = []
    for path, expected in subject.origin.hashes.items():
        if path.startswith("data/"):
            seen += [f"{path} {place}" for place in dvc_cache.check(subject.root, path, expected)]
    if not seen:
        raise AbsentError("the data: neither the working tree nor DVC's cache holds it")
    return ", ".join(seen)


def _log(subject: Subject) -> str:
    """The log of decisions is bound together, and the aliases follow it."""
    log = champion.read(subject.version.model)
    if (entry := decision_log.broken(log)) is not None:
        raise BrokenError(f"expected entry {entry.number} of the log as the next one saw it, got another text")
    aliases = champion.reign(subject.version.model)
    if log:
        agree("the aliases", log[-1].reign, aliases)
    return f"{len(log)} entries"


def _verdict(subject: Subject) -> str:
    """The verdict that the version was last given follows from the evidence by the rule that was in force."""
    number = subject.version.tags.get("decision")
    log = champion.read(subject.version.model)
    entry = next((entry for entry in log if str(entry.number) == number), None)
    if entry is None or entry.verdict is None:
        raise AbsentError("a decision about the version")
    kept = json.loads((subject.files / decision_files.folder_of(entry) / "verdict.json").read_text("utf-8"))
    agree("the entry of the log", kept, entry.to_json())
    before = next((each.reign.champion for each in reversed(log) if each.number < entry.number), None)
    again = judge.judge_again(subject.version.model, entry, before)
    for key, value in again.items():
        agree(f"the verdict's {key}, computed again,", entry.verdict.to_json()[key], value)
    return f"entry {entry.number}, {entry.verdict.outcome.name}"


LINKS: Mapping[str, Callable[[Subject], str]] = {
    "evidence": _evidence,
    "weights": _weights,
    "served code": _served_code,
    "scores": _scores,
    "params": _params,
    "training run": _training_run,
    "validation": _validation,
    "commit": _commit,
    "data": _data,
    "log": _log,
    "verdict": _verdict,
}
"""What is compared, in this order."""
