"""What outlasts an experiment is kept in the repository; test_experiments.py tests DVC's own copies."""

from pathlib import Path

import pytest

from pipeline.files import repository


@pytest.mark.parametrize(
    ("here", "expected"),
    [
        ("repository", Path()),
        ("repository/.dvc/tmp/exps/tmpa1", "repository"),
        ("repository/.dvc/tmp/exps/standalone/tmpa1", "repository"),
        ("repository/.dvc/tmp/exps/tmpa1/part/of/it", "repository"),
        ("outer/.dvc/tmp/exps/tmpa1/.dvc/tmp/exps/tmpb2", "outer"),
        ("repository/.dvc/tmp/exps", Path()),  # not a copy
        ("dvc/tmp/exps/tmpa1", Path()),
        ("repository/runs/folds/folds-0123456789abcdef/1", "repository"),
        ("repository/runs/folds/folds-0123456789abcdef", Path()),
        ("somewhere/runs/folds/repository", Path()),  # a repository of the user's
        ("outer/.dvc/tmp/exps/tmpa1/runs/folds/folds-0123456789abcdef/1", "outer"),
        ("outer/runs/folds/folds-0123456789abcdef/1/.dvc/tmp/exps/a", "outer"),
    ],
)
def test_the_home_of_a_copy_is_the_repository(tmp_path, monkeypatch, here, expected):
    (tmp_path / here).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / here)
    assert repository.root() == (expected if expected == Path() else tmp_path / expected)


def test_a_folder_without_dvc_yaml_is_no_repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ValueError,
        match=rf"expected a repository in the current .*, got {tmp_path}; change to the repository's f.*, or b",
    ):
        repository.checked_root(otherwise=", or b")
    (tmp_path / "dvc.yaml").touch()
    assert repository.checked_root() == Path()


@pytest.mark.parametrize(
    ("here", "expected"),
    [
        ("repository", None),
        ("repository/.dvc/tmp/exps/tmpa1", None),
        ("repository/runs/folds/folds-0123456789abcdef", None),
        ("repository/runs/folds/folds-0123456789abcdef/12", "runs/folds/folds-0123456789abcdef/12"),
        ("repository/runs/folds/folds-0123456789abcdef/12/data", "runs/folds/folds-0123456789abcdef/12"),
    ],
)
def test_a_process_in_a_folds_folder_knows_it(tmp_path, monkeypatch, here, expected):
    (tmp_path / here).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / here)
    assert repository.fold() == (None if expected is None else Path(expected))


@pytest.mark.parametrize("link", ["runs", "runs/folds"])
@pytest.mark.parametrize("name", ["scratch", "other/runs/folds", "other/runs"])
def test_a_folds_folder_behind_a_link_is_known_by_its_name(tmp_path, monkeypatch, link, name):
    (tmp_path / name).mkdir(parents=True)
    (tmp_path / "repository" / link).parent.mkdir(parents=True)
    (tmp_path / "repository" / link).symlink_to(tmp_path / name)
    folder = tmp_path / "repository" / "runs" / "folds" / "folds-0123456789abcdef" / "12"
    (folder / "data").mkdir(parents=True)
    monkeypatch.setenv("SEGNET_FOLD", str(folder))
    for here in (folder, folder / "data"):
        monkeypatch.chdir(here)
        assert Path.cwd().is_relative_to(tmp_path / name)
        assert repository.root() == tmp_path / "repository"
        assert repository.fold() == Path("runs/folds/folds-0123456789abcdef/12")


def test_what_a_folds_stage_runs_elsewhere_is_not_in_the_fold(tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("SEGNET_FOLD", str(tmp_path / "repository/runs/folds/folds-0123456789abcdef/1"))
    monkeypatch.chdir(tmp_path / "other")
    assert repository.root() == Path()
    assert repository.fold() is None
