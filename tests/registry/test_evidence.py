import pytest

from pipeline.artifacts import validation
from pipeline.artifacts.validation import Finding, Validation
from pipeline.registry import evidence
from pipeline.registry.evidence import Lineage
from pipeline.registry.file_record import evidence_name

DVC = """
stages:
  download: {cmd: a, deps: [code.py, room], outs: [data/raw]}
  evaluate: {cmd: b, deps: [data/raw], metrics: [reports/scores.json: {cache: false}], plots: [reports/history.csv]}
  register: {cmd: c, deps: [code.py], outs: [reports/registration.json]}
"""


@pytest.fixture
def tree(tmp_path):
    files = {
        "code.py": "abc",
        "room/deeper/one.py": "abc",
        "room/deeper/__pycache__/one.pyc": "abc",
        "data/raw/a": "abc",
        "reports/scores.json": "{}",
        "reports/history.csv": "",
        "params.yaml": "",
    }
    for name, text in {**files, "dvc.yaml": DVC}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_evidence_is_copies_of_what_the_stages_wrote():
    assert evidence.SOURCES == {
        "scores.json": "reports/scores.json",
        "images.parquet": "reports/images.parquet",
        "reliability.csv": "reports/reliability.csv",
        "intervals.json": "reports/intervals.json",
        "train.json": "reports/train.json",
        "validation.json": "reports/validation.json",
        "dataset.json": "data/raw/dataset.json",
        "model.json": "models/segnet/model.json",
        "params.yaml": "params.yaml",
    }


def test_a_file_that_no_stage_wrote_is_named(tmp_path):
    with pytest.raises(
        ValueError, match=r"^expected reports/scores\.json, which an earlier stage writes: .*; run dvc re"
    ):
        evidence.gather(tmp_path, tmp_path, Lineage("unknown", (), {}, {}))


def test_every_dep_and_out_but_the_last_stages_own_is_hashed(tree):
    hashes = evidence.hash_files(tree)
    paths = ["code.py", "data/raw", "dvc.yaml", "params.yaml", "reports/history.csv", "reports/scores.json"]
    assert list(hashes) == [*paths, "room/deeper/one.py"]  # a folder of code, file by file
    assert hashes["code.py"] == "900150983cd24fb0d6963f7d28e17f72"  # MD5 of abc
    assert hashes["data/raw"].endswith(".dir")


def test_a_missing_file_is_named(tree):
    (tree / "code.py").unlink()
    with pytest.raises(ValueError, match=r"expected .*code\.py, which dvc\.yaml names, got none; run dvc repro"):
        evidence.hash_files(tree)


@pytest.mark.parametrize(
    ("commit", "changed", "dirty"),
    [("c" * 40, (), "false"), ("c" * 40, ("params.yaml",), "true"), ("unknown", (), "unknown")],
)
@pytest.mark.parametrize("findings", [(), (Finding("empty_split", "error", False, "an image", "none", ()),)])
def test_the_tags_say_where_a_version_comes_from(tmp_path, commit, changed, dirty, findings):
    for source in evidence.SOURCES.values():
        (tmp_path / source).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / source).write_text('{"dataset": "toy"}')
    validation.write(Validation("toy", (), findings), tmp_path / "reports/validation.json")
    (tmp_path / "evidence").mkdir()
    tags = evidence.gather(tmp_path, tmp_path / "evidence", Lineage(commit, changed, {"data/raw": "a.dir"}, {}))
    assert tags == {
        "evidence": evidence_name(tmp_path / "evidence"),
        "git_commit": commit,
        "git_dirty": dirty,
        "dataset": "toy",
        "data_md5": "a.dir",
        "validation": "failed" if findings else "passed",
    }
    assert {path.name for path in (tmp_path / "evidence").iterdir()} == {*evidence.SOURCES, "lineage.json"}


def test_a_lineage_is_read_as_it_was_written(tmp_path):
    origin = Lineage("c" * 40, ("params.yaml",), {"data/raw": "a.dir"}, {"workers": [1], "packages": {"torch": "2"}})
    evidence.write_lineage(tmp_path, origin)
    assert evidence.read_lineage(tmp_path) == origin
    message = r"expected a lineage\.json written by the register stage: .*; register it again"
    (tmp_path / "lineage.json").write_text("{}")
    with pytest.raises(ValueError, match=message):
        evidence.read_lineage(tmp_path)
    (tmp_path / "lineage.json").unlink()
    with pytest.raises(ValueError, match=message):
        evidence.read_lineage(tmp_path)


@pytest.mark.parametrize("commit", ["HEAD; touch owned", "--output=owned", "", "c" * 39])
def test_a_commit_that_a_shell_or_git_could_take_for_something_else_is_refused(tmp_path, commit):
    evidence.write_lineage(tmp_path, Lineage(commit, (), {}, {}))
    with pytest.raises(ValueError, match=r"expected a lineage\.json .*: commit: String should match pattern"):
        evidence.read_lineage(tmp_path)
