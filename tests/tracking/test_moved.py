"""An sqlite store and its artifacts under another path."""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.entities import LoggedModelStatus

from pipeline.tracking import moved, store
from tests.support import stores


@pytest.fixture
def made(tmp_path):
    """Return the folder of a store with a run, a logged model and a version, each of which has a file."""
    folder = tmp_path / "ein Ort"
    folder.mkdir()
    uri = stores.sqlite(folder)
    client = store.client(uri)
    store.select(uri)
    run = client.create_run(store.experiment_id(uri, "e")).info
    (tmp_path / "a.txt").write_text("a")
    client.log_artifact(run.run_id, str(tmp_path / "a.txt"))
    model = client.create_logged_model(run.experiment_id, "model", run.run_id)
    client.log_model_artifact(model.model_id, str(tmp_path / "a.txt"))
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    client.create_registered_model("segnet-e")
    client.create_model_version("segnet-e", f"models:/{model.model_id}", run.run_id, model_id=model.model_id)
    return folder


def address(folder):
    return store._sqlite(folder / "mlflow.db")


def places(folder):
    """Return where the store says that the files of run, model and version lie, and where those of a new run would."""
    uri = address(folder)
    client = store.client(uri)
    experiment = store.experiment_id(uri, "e")
    (run, *_) = client.search_runs([experiment], order_by=["attributes.start_time ASC"])
    (model,) = client.search_logged_models([experiment])
    addresses = [
        run.info.artifact_uri,
        model.artifact_location,
        client.get_model_version_download_uri("segnet-e", "1"),
        client.create_run(experiment).info.artifact_uri,
    ]
    return [store._file(address.replace("file://", "sqlite:///")) for address in addresses]


def test_a_store_that_was_renamed_finds_its_files_and_writes_new_ones_beside_it(made):
    moved = made.rename(made.with_name("50% ü"))
    *old, new = places(moved)
    assert [(place / "a.txt").read_text() for place in old] == ["a", "a", "a"]
    assert all(place.is_relative_to(moved / "mlartifacts") for place in (*old, new))
    assert not made.exists()


def test_a_copy_has_files_of_its_own_and_the_original_keeps_its(made):
    copy = Path(shutil.copytree(made, made.with_name("copy")))
    assert all(place.is_relative_to(copy / "mlartifacts") for place in places(copy))
    assert all(place.is_relative_to(made / "mlartifacts") for place in places(made))


def test_files_that_stayed_where_the_store_was_are_found_there_until_they_are_brought(made):
    moved = made.with_name("moved")
    moved.mkdir()
    shutil.copyfile(made / "mlflow.db", moved / "mlflow.db")
    assert all(place.is_relative_to(made / "mlartifacts") for place in places(moved))
    made.joinpath("mlartifacts").rename(moved / "mlartifacts")
    store._prepare.cache_clear()  # another process
    *old, _ = places(moved)
    assert [(place / "a.txt").read_text() for place in old] == ["a", "a", "a"]


def test_files_on_a_disk_that_is_away_are_found_when_it_is_back(made):
    alone = made.with_name("alone")
    alone.mkdir()
    shutil.copyfile(made / "mlflow.db", alone / "mlflow.db")
    away = made.rename(made.with_name("away"))
    for _ in range(2):  # by then the store has artifacts of its own
        store._prepare.cache_clear()
        assert store.client(address(alone)).get_model_version("segnet-e", "1").run_id
        (alone / "mlartifacts").mkdir(exist_ok=True)
    away.rename(made)
    *old, _ = places(alone)
    assert [(place / "a.txt").read_text() for place in old] == ["a", "a", "a"]


def test_a_run_without_files_goes_with_those_that_have_some(made):
    client = store.client(address(made))
    empty = client.create_run(store.experiment_id(address(made), "e")).info.run_id
    renamed = made.rename(made.with_name("renamed"))
    place = store.client(address(renamed)).get_run(empty).info.artifact_uri
    assert place.startswith((renamed / "mlartifacts").as_uri())


def test_a_store_without_any_files_writes_its_first_where_it_is(tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    uri = stores.sqlite(folder)
    run = store.client(uri).create_run(store.experiment_id(uri, "e")).info.run_id
    renamed = folder.rename(tmp_path / "two")
    (tmp_path / "a.txt").write_text("a")
    client = store.client(address(renamed))
    client.log_artifact(run, str(tmp_path / "a.txt"))
    client.log_artifact(client.create_run(store.experiment_id(address(renamed), "e")).info.run_id, tmp_path / "a.txt")
    assert len(list(renamed.rglob("a.txt"))) == 2
    assert not folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system")
def test_a_store_that_may_only_be_read_says_so_and_is_read(made, caplog):
    copy = Path(shutil.copytree(made, made.with_name("copy")))
    mount = subprocess.run(["mount", "--bind", "-o", "ro", copy, copy], capture_output=True, text=True)
    if mount.returncode:
        pytest.skip(f"no file system may be mounted here: {mount.stderr}")
    try:
        client = store.client(address(copy))
        assert client.get_model_version("segnet-e", "1").run_id
    finally:
        subprocess.run(["umount", "--lazy", copy], check=True)  # MLflow keeps the file open
    (said,) = [record.getMessage() for record in caplog.records if record.name == moved.__name__]
    assert said == (
        f"{copy / 'mlflow.db'} was moved or copied, and still says that artifacts are where it was, since it cannot be "
        "changed here (attempt to write a readonly database); they are looked for there until a user who may write it "
        "runs segnet status"
    )


def test_a_moved_store_that_another_process_holds_is_left_alone(made, monkeypatch):
    renamed = made.rename(made.with_name("renamed"))
    monkeypatch.setattr(moved, "_PATIENCE_S", 0.1)
    with closing(sqlite3.connect(renamed / "mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TimeoutError) as err:
            store.client(address(renamed))
    assert str(err.value) == (
        f"expected to correct where {renamed / 'mlflow.db'}, which was moved or copied, says that artifacts are, got a "
        "file that another process has held for 0.1 s; try again when that has ended"
    )


def test_a_store_is_not_changed_through_a_link_to_its_folder(made):
    before = (made / "mlflow.db").read_bytes()
    link = made.with_name("link")
    link.symlink_to(made)
    store.client(address(link)).search_experiments()
    assert (made / "mlflow.db").read_bytes() == before


def test_artifacts_in_a_folder_of_another_name_are_left_alone(tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    client = store.client(stores.sqlite(folder))
    elsewhere = (tmp_path / "artifacts").as_uri()
    client.create_experiment("mine", elsewhere)
    moved = folder.rename(tmp_path / "two")
    (moved / "mlartifacts").mkdir()
    assert store.client(address(moved)).get_experiment_by_name("mine").artifact_location == elsewhere
