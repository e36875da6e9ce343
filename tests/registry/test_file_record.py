"""A version's files are those that were registered: nothing changed, missing or added."""

import hashlib

import pytest

from pipeline.files.digest import content_sha256
from pipeline.registry import evidence, file_record

NAMES = ("MLmodel", "requirements.txt", "code/pipeline/core.py", "artifacts/segnet/model.safetensors")

NOTHING = hashlib.sha256().hexdigest()[:32]  # the digest of an empty folder


@pytest.fixture
def version(tmp_path):
    """The files of a version with one evidence and two decisions, and its tags."""
    files = tmp_path / "version"
    for name in NAMES:
        (files / name).parent.mkdir(parents=True, exist_ok=True)
        (files / name).write_text(name)
    tags = {"files": file_record.write(files, files), "decision": "2"}
    (files / "registered_model_meta").write_text("by MLflow, in each copy")
    scores = files / "evidence" / "new" / "scores.json"
    scores.parent.mkdir(parents=True)
    scores.write_text("{}")
    tags["evidence"] = file_record.evidence_name(scores.parent)
    scores.parent.rename(scores.parent.with_name(tags["evidence"]))
    for number in ("000001", "000002"):
        (files / "decisions" / number).mkdir(parents=True)
        for name in ("verdict.json", "promotions.jsonl", "card.md", "card.html"):
            (files / "decisions" / number / name).write_text(number)
    return files, {**tags, "decision_files": f"000002:{content_sha256(files / 'decisions' / '000002')}"}


def test_files_as_they_were_registered_pass(version):
    assert file_record.check(*version, ()) == "4 files"
    files, tags = version
    assert file_record.check(files, {key: tags[key] for key in ("files", "decision")}, ()) == "4 files"


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_was_changed_or_removed_is_named(version, name):
    files, tags = version
    (files / name).write_text("")
    with pytest.raises(ValueError, match=f"expected the 4 files that were registered, got a changed {name}$"):
        file_record.check(files, tags, ())
    (files / name).unlink()
    with pytest.raises(ValueError, match=f"expected the 4 files that were registered, got no {name}$"):
        file_record.check(files, tags, ())


@pytest.mark.parametrize(
    "name", ["start.pth", "code/pipeline/core.so", "code/sitecustomize.py", "artifacts/a/model.bin"]
)
def test_a_file_that_was_added_is_named(version, name):
    files, tags = version
    (files / name).parent.mkdir(exist_ok=True)
    (files / name).touch()
    with pytest.raises(ValueError, match=f"got an added {name}$"):
        file_record.check(files, tags, ())


def test_a_link_in_place_of_a_file_that_is_missing_is_named(version):
    files, tags = version
    (files / "MLmodel").rename(files.parent / "MLmodel")
    (files / "MLmodel").symlink_to(files.parent / "nothing")
    with pytest.raises((ValueError, OSError), match=r"MLmodel|nothing"):
        file_record.check(files, tags, ())


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("evidence/start.pth", "a changed evidence/start.pth"),
        (f"evidence/{NOTHING}", f"a changed evidence/{NOTHING}"),
        ("evidence/begun/start.pth", "an added evidence/begun/start.pth"),
        ("evidence/begun/scores.json/scores.json", "an added evidence/begun/scores.json"),
        ("evidence/*/more.py", "a changed evidence/[0-9a-f]{32}$"),
        ("decisions/start.py", "an added decisions/start.py"),
        ("decisions/000001/start.py", "an added decisions/000001/start.py"),
        ("decisions/000001/a/b.py", "an added decisions/000001/a/b.py"),
        ("decisions/card.md", "an added decisions/card.md"),
        ("decisions/000001/a/card.md", "an added decisions/000001/a/card.md"),
        ("decisions/000002/card.html", "a changed decisions/000002"),
    ],
)
def test_what_came_later_is_checked_too(version, name, detail):
    files, tags = version
    place = name.split("*")
    path = next(files.glob("evidence/*")) / "more.py" if len(place) > 1 else files / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text("changed")
    with pytest.raises(ValueError, match=f"expected the 4 files that were registered, got {detail}"):
        file_record.check(files, tags, ())


def test_the_digest_of_the_newest_decision_names_it(version):
    files, tags = version
    assert file_record.decision_tag(2, files / "decisions" / "000002") == tags["decision_files"]
    assert file_record.check(files, {**tags, "decision": "1"}, ()) == "4 files"  # a kill came before this tag
    alone = tags["decision_files"].partition(":")[2]  # as earlier programs kept it
    assert file_record.check(files, {**tags, "decision_files": alone}, ()) == "4 files"
    with pytest.raises(ValueError, match=r"got a changed decisions/000001$"):
        file_record.check(files, {**tags, "decision_files": alone, "decision": "1"}, ())
    with pytest.raises(ValueError, match=r"got a changed decisions//etc$"):
        file_record.check(files, {**tags, "decision_files": f"/etc:{alone}"}, ())


def test_evidence_that_nothing_names_may_be_of_an_upload_that_was_killed(version):
    files, tags = version
    begun = files / "evidence/begun"
    begun.mkdir()
    (begun / "scores.json").write_text('{"half')
    assert file_record.check(files, tags, ["another"]) == "4 files"
    for named, by in ((["begun"], {}), ([], {"evidence": "begun"}), ([], {"evidence_on_ab": "begun"})):
        with pytest.raises(ValueError, match="got a changed evidence/begun"):
            file_record.check(files, tags | by, named)


def test_the_files_of_evidence_are_known():
    assert set(file_record.EVIDENCE_FILES) == {*evidence.SOURCES, evidence.LINEAGE}


def test_bytecode_is_said_once_with_its_fix(version):
    files, tags = version
    for name in ("__pycache__/served_model.cpython-311.pyc", "code/pipeline/__pycache__/core.cpython-311.pyc"):
        (files / name).parent.mkdir()
        (files / name).touch()
    fix = r"got added bytecode, as Python writes when it loads a model \(delete the folders named __pycache__\)$"
    with pytest.raises(ValueError, match=fix):
        file_record.check(files, tags, ())
    (files / "start.pth").touch()
    with pytest.raises(ValueError, match=r"__pycache__\), an added start\.pth$"):
        file_record.check(files, tags, ())


def test_the_record_itself_is_bound_by_its_tag(version):
    files, tags = version
    (files / "files.json").write_text('{"files": {}}')
    with pytest.raises(ValueError, match=r"expected files.json to have the SHA-256 [0-9a-f]{64}, got [0-9a-f]{64}"):
        file_record.check(files, tags, ())
    (files / "files.json").unlink()
    with pytest.raises(ValueError, match=r"expected files.json to have the SHA-256 [0-9a-f]{64}, got none"):
        file_record.check(files, tags, ())


@pytest.mark.parametrize("text", ["[]", "{}", '{"files": {"a": 1}}', "["])
def test_what_is_no_record_is_refused(version, text):
    files, tags = version
    (files / "files.json").write_text(text)
    with pytest.raises(ValueError, match=r"expected files.json as the register stage writes it: "):
        file_record.check(files, {**tags, "files": file_record.file_sha256(files / "files.json")}, ())


def test_a_version_without_a_record_says_so(version):
    with pytest.raises(ValueError, match="expected a version with the tag files, got none: an earlier program made it"):
        file_record.check(version[0], {}, ())
