"""The record of a version's files: loading the version runs its code, so none may be changed, missing or added.

files.json lies beside the model and lists every file that was registered with its SHA-256; the version's tag `files` is
the SHA-256 of files.json. Evidence and decisions come later. A folder of evidence is called by its own digest, and once
it is complete, a tag or a decision names it; an upload that was killed leaves one that none names. The tag
`decision_files` names the newest decision's folder and its digest: in one tag, since a kill between two would leave the
one of a decision with the digest of another.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.files import atomic, strict_json
from pipeline.files.digest import content_sha256, file_sha256

FILE = "files.json"
EVIDENCE, DECISIONS = "evidence", "decisions"
EVIDENCE_FILES = (
    *("params.yaml", "lineage.json", "dataset.json", "model.json", "train.json", "validation.json"),
    *("scores.json", "images.parquet", "intervals.json", "reliability.csv"),
)
DECISION_FILES = ("verdict.json", "promotions.jsonl", "card.md", "card.html")
TAG, DECISION_TAG = "files", "decision_files"
BYTECODE = "__pycache__"
"""Where Python keeps bytecode; in a version, a file of that name takes its place."""
_ADDED_BY_MLFLOW = "registered_model_meta"  # to every copy of a registered version


@dataclass(frozen=True)
class _Record:
    """files.json."""

    files: dict[str, str]


def write(model: Path, into: Path) -> str:
    """Write the record of the files in the folder `model` into the folder `into`; return its SHA-256."""
    atomic.write_json(into / FILE, {"files": _listed(model)})
    return file_sha256(into / FILE)


def evidence_name(folder: Path) -> str:
    """Return the digest of a folder of evidence, over names and contents: 32 hexadecimal digits."""
    return content_sha256(folder)[:32]


def decision_tag(number: int, folder: Path) -> str:
    """Return the tag `decision_files` for the files in `folder`, those of decision `number`: NUMBER:SHA-256."""
    return f"{number:06}:{content_sha256(folder)}"


def check(files: Path, tags: Mapping[str, str], named: Collection[str]) -> str:
    """Return in words what was compared: the files of a version, all that it has, with the record in its tags.

    Args:
        files: a copy of them.
        tags: of the version.
        named: digests of evidence that must be complete, if the version has it, beside those in the tags.

    Raises:
        ValueError: a file was changed, removed or added; or the version has no record.
    """
    if TAG not in tags:
        raise ValueError(
            "expected a version with the tag files, got none: an earlier program made it, or somebody else"
        )
    record = files / FILE
    actual = file_sha256(record) if record.is_file() else "none"
    if actual != tags[TAG]:
        raise ValueError(f"expected {FILE} to have the SHA-256 {tags[TAG]}, got {actual}")
    recorded, present = _read(record), _listed(files)
    names = sorted(name for name in recorded.keys() | present.keys() if recorded.get(name) != present.get(name))
    evidence = {*named, *(value for key, value in tags.items() if key == EVIDENCE or key.startswith(f"{EVIDENCE}_on_"))}
    others = [*_changed_evidence(files, evidence), *_others(files, tags)]
    if names or others:
        differences = [*dict.fromkeys(_difference(name, recorded, present) for name in names), *others]
        raise ValueError(f"expected the {len(recorded)} files that were registered, got {', '.join(differences[:5])}")
    return f"{len(recorded)} files"


def _listed(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file that comes with the model, by path."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if not path.is_dir()}
    later = (f"{EVIDENCE}/", f"{DECISIONS}/")
    return {
        name: file_sha256(files[name])
        for name in sorted(files)
        if name not in (FILE, _ADDED_BY_MLFLOW) and not name.startswith(later)
    }


def _read(record: Path) -> Mapping[str, str]:
    try:
        return strict_json.parse(record.read_bytes(), _Record).files
    except ValueError as err:
        raise ValueError(f"expected {FILE} as the register stage writes it: {err}") from err


def _difference(name: str, recorded: Mapping[str, str], present: Mapping[str, str]) -> str:
    if name in recorded:
        return f"{'a changed' if name in present else 'no'} {name}"
    if f"/{BYTECODE}/" in f"/{name}":  # of a version that an earlier program registered
        return f"added bytecode, as Python writes when it loads a model (delete the folders named {BYTECODE})"
    return f"an added {name}"


def _changed_evidence(files: Path, named: Collection[str]) -> Iterator[str]:
    """Yield what is wrong in the folders of evidence, in words: one that is `named` has all files of its digest.

    Another, which a killed upload left, may lack some, and the last may be cut off.
    """
    for path in sorted((files / EVIDENCE).glob("*")):
        is_intact = path.is_dir() and evidence_name(path) == path.name
        if path.is_file() or (path.name in named and not is_intact):
            yield f"a changed {EVIDENCE}/{path.name}"
        elif not is_intact:
            added = [file for file in path.rglob("*") if file.is_dir() or file.name not in EVIDENCE_FILES]
            yield from (f"an added {file.relative_to(files).as_posix()}" for file in sorted(added))


def _others(files: Path, tags: Mapping[str, str]) -> list[str]:
    """Return what is wrong in the folders of decisions, in words."""
    wrong = []
    for path in sorted(path for path in (files / DECISIONS).rglob("*") if not path.is_dir()):
        name = path.relative_to(files / DECISIONS)
        if len(name.parts) != 2 or name.name not in DECISION_FILES:
            wrong.append(f"an added {DECISIONS}/{name.as_posix()}")
    if DECISION_TAG in tags:
        number, _, digest = tags[DECISION_TAG].rpartition(":")
        newest = number or tags.get("decision", "").zfill(6)  # earlier programs kept the digest alone
        if not newest.isdecimal() or content_sha256(files / DECISIONS / newest) != digest:
            wrong.append(f"a changed {DECISIONS}/{newest}")
    return wrong
