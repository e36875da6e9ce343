"""An sqlite store and its artifacts under another path."""

import shutil
from pathlib import Path

import pytest
from mlflow.entities import LoggedModelStatus

from pipeline.tracking import store
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
