import os
import subprocess
import zipfile
from io import BytesIO

import pytest

from pipeline.cluster import submission
from pipeline.cluster.failures import JobError
from pipeline.tracking import environment

STORAGE = "file:///mnt/shared"
DVC = "stages:\n  train: {cmd: x}\n  evaluate: {cmd: y}\n"
PARAMS = """\
# Every value.
train:
  epochs: 20  # passes
  learning_rate: 2e-3
  zoom: [1.0, 1.0]
  loss: 'cross_entropy'
model:
  vgg16: null
"""


def git(*command):
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *command], check=True, capture_output=True)


@pytest.fixture(autouse=True)
def checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "SEGNET_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    files = {"dvc.yaml": DVC, "params.yaml": PARAMS, "train.py": "1", "run.sh": "x", ".gitignore": "/data\n/reports\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "run.sh").chmod(0o755)
    git("init")
    git("add", ".")
    git("commit", "-m", "all")
    return tmp_path


def prepare(*overrides, stages=(), storage=STORAGE, **options):
    return submission.prepare(stages, overrides, storage, **options)


def test_what_git_tracks_is_sent_as_it_is_with_params_and_lock_and_no_data(checkout):
    git("rm", "--cached", "params.yaml")
    (checkout / ".gitignore").write_text("/data\n/reports\n*.lock\nparams.yaml\n")
    for name in (
        "data/raw/image.png",
        "reports/scores.json",
        ".dvc/cache/ab",
        ".dvc/cache/cd",
        "runs/1/state",
        "untracked.py",
    ):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("x")
    git("add", "--force", ".dvc/cache/ab", "data/raw/image.png", "runs/1/state")  # even then
    (checkout / "dvc.lock").write_text("lock")
    (checkout / "train.py").write_text("2")
    (checkout / "run.sh").unlink()
    sent = prepare()
    assert set(sent.files) == {"dvc.yaml", "params.yaml", "dvc.lock", "train.py", ".gitignore"}
    assert (sent.files["train.py"], sent.files["dvc.lock"]) == (b"2", b"lock")
    assert sent.left_out == ("untracked.py",)


def test_where_it_came_from_is_sent_along(checkout):
    commit = environment.commit()[0]
    clean = prepare()
    assert (clean.order.origin.commit, clean.order.origin.changed) == (commit, ())
    (checkout / "train.py").write_text("2")
    changed = prepare("train.epochs=3")
    assert changed.order.origin.changed == ("params.yaml", "train.py")
    assert changed.order.origin.changes_sha256 not in (clean.order.origin.changes_sha256, "")
    assert (clean.order.overridden, changed.order.overridden) == (False, True)
    (checkout / "train.py").unlink()
    assert prepare().order.origin.changed == ("train.py",)


def test_the_same_inputs_have_the_same_id_and_others_another(checkout, monkeypatch):
    first = prepare().order.id
    assert first.startswith("segnet-")
    assert len(first) == len("segnet-") + 16
    (checkout / "reports").mkdir()
    for name in ("dvc.lock", "reports/scores.json"):  # made by runs
        (checkout / name).write_text("made by a run")
    git("add", "--force", "reports/scores.json")
    git("commit", "--allow-empty", "-m", "another commit of the same files")
    assert prepare().order.id == first
    assert prepare("train.epochs=20").order.id == first  # as it is
    ids = [first, prepare("train.epochs=3").order.id, prepare(stages=["train"]).order.id]
    ids += [prepare(storage="s3://bucket/a").order.id]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking:5000")
    ids.append(prepare().order.id)
    (checkout / "train.py").write_text("2")
    ids.append(prepare().order.id)
    (checkout / "run.sh").chmod(0o644)
    ids.append(prepare().order.id)
    assert len(set(ids)) == 7
    assert prepare(job_id="mine").order.id == "mine"


def test_the_package_holds_the_files_and_is_the_same_each_time(checkout, tmp_path):
    first = submission.package(prepare(), tmp_path).read_bytes()
    assert submission.package(prepare(), tmp_path).read_bytes() == first
    archive = zipfile.ZipFile(BytesIO(first))
    assert archive.read("train.py") == b"1"
    modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in archive.infolist()}
    assert (modes["run.sh"], modes["train.py"]) == (0o755, 0o644)
    (checkout / "sent.json").write_bytes(archive.read(submission.FILE))
    assert submission.read(checkout / "sent.json") == prepare().order


def test_a_job_that_is_no_job_says_so(tmp_path):
    with pytest.raises(JobError, match=r"job\.json: expected a job that segnet submit sent: .*; submit it again"):
        submission.read(tmp_path / "job.json")


def test_outputs_that_results_may_replace_are_noted_and_data_is_not(checkout):
    for name in ("reports/scores.json", "models/segnet/model.json", "data/raw/x"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("x")
    assert sorted(prepare().order.before) == ["models/segnet/model.json", "params.yaml", "reports/scores.json"]


def test_too_many_bytes_are_refused_with_the_largest_file(monkeypatch, tmp_path):
    monkeypatch.setattr(submission, "MAX_BYTES", 10)
    with pytest.raises(
        JobError, match=r"at most 0 MiB of tracked files, got 0 MiB, most of it .*; take large files out"
    ):
        submission.package(prepare(), tmp_path)


def test_without_git_nothing_can_be_sent(tmp_path, monkeypatch):
    (tmp_path / ".git").rename(tmp_path / "git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(
        JobError, match=r"expected a git checkout, whose tracked files are sent, got: fatal: .*; run git"
    ):
        prepare()


def test_in_another_folder_what_is_missing_is_named(checkout, monkeypatch):
    (checkout / "dvc.yaml").unlink()
    with pytest.raises(JobError, match=r"expected dvc.yaml in the current folder; change to the repository's folder"):
        prepare()


def test_a_link_that_leads_out_is_refused_and_one_inside_is_sent_as_a_file(checkout):
    (checkout / "inside").symlink_to("train.py")
    git("add", ".")
    assert prepare().files["inside"] == b"1"
    (checkout / "outside").symlink_to("/etc/hostname")
    git("add", ".")
    with pytest.raises(JobError, match=r"expected files in the repository, got a link that leads out of it: outside"):
        prepare()


def test_a_submodule_is_refused(checkout):
    (checkout / "other").mkdir()
    git("-C", "other", "init")
    git("-C", "other", "commit", "--allow-empty", "-m", "x")
    git("add", "other")
    with pytest.raises(JobError, match=r"expected files in the repository, got a submodule: other"):
        prepare()


def test_unknown_stages_are_refused():
    with pytest.raises(JobError, match=r"expected stages of dvc.yaml \(train, evaluate\), got test"):
        prepare(stages=["train", "test"])


def test_the_job_gets_addresses_that_it_can_reach_too(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking:5000")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "streets")
    monkeypatch.setenv("SEGNET_MIRROR", "/home/me/mirror")
    assert prepare().variables == {"MLFLOW_TRACKING_URI": "http://tracking:5000", "MLFLOW_EXPERIMENT_NAME": "streets"}
    for address in ("sqlite:///mlflow.db", "postgresql://host/a"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        assert prepare().variables == {"MLFLOW_EXPERIMENT_NAME": "streets"}
        assert submission.kept(os.environ) == ("MLFLOW_TRACKING_URI", "SEGNET_MIRROR")


def test_a_tracking_server_without_http_is_refused(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "tracking:5000")
    with pytest.raises(ValueError, match=r"expected MLFLOW_TRACKING_URI to be http.*, got tracking:5000; correct it"):
        prepare()


def test_a_password_is_not_sent_where_all_can_read_it(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:geheim@tracking/a")
    with pytest.raises(
        JobError, match="expected MLFLOW_TRACKING_URI without user and password, which Ray shows"
    ) as error:
        prepare()
    assert "geheim" not in str(error.value)
