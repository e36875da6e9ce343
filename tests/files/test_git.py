"""Git's answers where there is a repository, none, no git, and one that git does not read; who passes them on."""

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.cluster import doctor, submission
from pipeline.files import git
from pipeline.planning import params_file
from pipeline.registry import verify_checks
from pipeline.tracking import environment
from stages import execute

REFUSED = (
    "expected that git reads the repository of {0}, got: fatal: detected dubious ownership in repository at '{0}'; run "
    "git config --global --add safe.directory {0}"
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):  # where every folder may be safe
        monkeypatch.setenv(name, "/dev/null")
    return tmp_path


@pytest.fixture
def repository(folder):
    (folder / "params.yaml").write_text("a: 1")
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    for words in (("init",), ("add", "."), ("commit", "-m", "all")):
        subprocess.run(["git", *identity, *words], check=True, capture_output=True)
    return folder


@pytest.fixture
def of_another_user(repository, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own tests do it so
    return repository


def test_what_a_command_prints_is_returned(repository):
    assert git.text("show", "HEAD:params.yaml") == "a: 1"
    assert git.text("show", "HEAD:absent") is None
    assert git.run("show", "HEAD:./params.yaml", folder=repository).stdout == b"a: 1"


def test_no_repository_and_no_git_are_no_errors(folder, monkeypatch):
    assert git.text("rev-parse", "HEAD") is None
    git.check()
    monkeypatch.setenv("PATH", str(folder))
    assert git.run("status") is None
    git.check()


LISTENERS = {
    "commit": environment.commit,
    "changed files": environment.changed_files,
    "files of a commit": lambda: environment.files_at("HEAD"),
    "submit": submission.tracked_files,
    "init": lambda: params_file.check(Path("params.yaml"), force=False),
    "verify": lambda: verify_checks.LINKS["commit"](SimpleNamespace(origin=SimpleNamespace(commit="a" * 40))),
}


@pytest.mark.parametrize("ask", LISTENERS.values(), ids=LISTENERS)
def test_a_repository_of_another_user_is_refused_with_gits_own_fix(of_another_user, ask):
    with pytest.raises(ValueError, match="dubious ownership") as caught:
        ask()
    assert str(caught.value) == REFUSED.format(of_another_user)


def test_a_stage_refuses_it_before_it_works(of_another_user):
    with pytest.raises(SystemExit) as caught:
        execute(lambda: pytest.fail("it worked"))
    assert caught.value.code == "error: " + REFUSED.format(of_another_user)


def test_the_doctor_names_the_fix(of_another_user):
    (found,) = doctor.examine({"git": doctor.git})
    assert not found.ok
    assert found.fix == f"run git config --global --add safe.directory {of_another_user}"


def test_init_with_force_keeps_the_file_all_the_same(of_another_user):
    assert params_file.check(Path("params.yaml"), force=True).startswith("the earlier params.yaml is now ")


@pytest.mark.parametrize("broken", ["config", "index"])
def test_a_damaged_repository_is_no_missing_one(repository, broken):
    (repository / ".git" / broken).write_text("[")
    with pytest.raises(git.RefusedError, match=r"got: (fatal|error): .*; run git status there, and fix what it names"):
        environment.commit()


def git_of(*words):
    subprocess.run(["git", *words], check=True, capture_output=True)


def test_a_worktree_whose_repository_is_gone_is_refused(repository, tmp_path, monkeypatch):
    git_of("worktree", "add", "tree")
    monkeypatch.chdir(tmp_path / "tree")
    (tmp_path / ".git").rename(tmp_path / "away")
    with pytest.raises(
        git.RefusedError, match=r"got: fatal: not a git repository: /.*/\.git/worktrees/tree; bring"
    ) as it:
        environment.commit()
    assert str(it.value).endswith(
        "; bring back what is missing there or damaged: of a worktree, run git worktree repair in the repository that "
        "it is of; of a submodule, git submodule update --init in the one above; else clone it again"
    )


def test_a_repository_that_git_dir_names_and_is_not_there_is_refused(repository, monkeypatch):
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    fix = "; correct the environment variable GIT_DIR, or unset it"
    with pytest.raises(git.RefusedError, match=f"got: fatal: not a git repository: '/nonexistent'{fix}"):
        environment.commit()


@pytest.mark.parametrize("below", ["", "a/b"])
@pytest.mark.parametrize("content", ["garbage\n", "", None])
def test_a_repository_without_an_intact_head_is_refused(repository, content, below, tmp_path, monkeypatch):
    (tmp_path / below).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(tmp_path / below)
    head = tmp_path / ".git/HEAD"
    head.unlink() if content is None else head.write_text(content)
    with pytest.raises(git.RefusedError, match=rf"got: fatal: not a git repository: '{tmp_path}/\.git'; bring back"):
        environment.commit()


def test_an_empty_folder_of_that_name_is_no_repository(folder):
    (folder / ".git").mkdir()  # as a container may have it, in place of one that is hidden
    assert git.text("rev-parse", "HEAD") is None


def test_a_repository_above_the_folders_that_git_looks_in_is_not_asked(repository, monkeypatch):
    (repository / "below").mkdir()
    monkeypatch.chdir(repository / "below")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(repository))
    assert git.text("rev-parse", "HEAD") is None


def test_a_model_without_a_commit_is_announced(folder, caplog):
    assert environment.commit_or_warning() == ("unknown", "unknown")
    assert "the model's version will name none, and segnet trace cannot find its code; git init" in caplog.text


def test_a_commit_is_announced_by_nothing(repository, caplog):
    assert environment.commit_or_warning() == environment.commit() != ("unknown", "unknown")
    assert not caplog.text
