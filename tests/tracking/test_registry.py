import pytest
from local_server import serving
from recorded import curve, log_elsewhere, recorded
from tiny_model import write_model

from pipeline.tracking import registry, runs, store
from pipeline.tracking.registry import Version


def test_a_model_or_alias_that_is_missing_is_none(mlflow_store):
    assert registry.with_alias(mlflow_store, "segnet-nothing", "champion") is None
    store.client(mlflow_store).create_registered_model("segnet-empty")
    assert registry.with_alias(mlflow_store, "segnet-empty", "champion") is None
    assert registry.with_tag(mlflow_store, "segnet-empty", "fingerprint", "a") is None


def versions(uri, model, count):
    client = store.client(uri)
    client.create_registered_model(model)
    for _ in range(count):
        client.create_model_version(model, "https://models.invalid/a")


def test_the_newest_version_with_a_tag_is_found(mlflow_store):
    versions(mlflow_store, "segnet-tags", 11)
    for number in ("2", "9", "10"):
        store.client(mlflow_store).set_model_version_tag("segnet-tags", number, "fingerprint", "a")
    assert registry.with_tag(mlflow_store, "segnet-tags", "fingerprint", "a") == Version("10", {"fingerprint": "a"})


def test_files_of_a_versions_run_are_copied_and_what_it_lacks_is_left_out(mlflow_store, tmp_path):
    run = runs.start("files", "run-files")
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name)
    runs.log_files(run, [tmp_path / "a.txt", tmp_path / "b.txt"])
    version = Version("1", {}, run.run_id)
    with registry.run_files(mlflow_store, version, ["a.txt", "c.txt"]) as folder:
        assert {path.name: path.read_text() for path in folder.iterdir()} == {"a.txt": "a.txt"}
    assert not folder.exists()


@pytest.mark.parametrize("run_id", [None, "f" * 32])
def test_a_version_without_a_run_has_no_files(mlflow_store, run_id):
    with registry.run_files(mlflow_store, Version("1", {}, run_id), ["a.txt"]) as folder:
        assert not list(folder.iterdir())


def test_a_description_is_cut_to_what_a_server_can_keep(mlflow_store, tmp_path):
    versions(mlflow_store, "segnet-told", 1)
    store.client(mlflow_store).set_model_version_tag("segnet-told", "1", "fingerprint", "a")
    run = runs.start("files", "run-told")
    tags = {"fingerprint": "a"}
    assert registry.register(run, "segnet-told", tmp_path, {}, {}, tags=tags, description="x" * 5001) == "1"
    assert store.client(mlflow_store).get_model_version("segnet-told", "1").description == "x" * 5000


def bearers(uri, model):
    return tuple(registry.with_alias(uri, model, alias).number for alias in ("champion", "previous_champion"))


def test_a_new_champion_keeps_the_old_one_in_reach(mlflow_store):
    versions(mlflow_store, "segnet-crown", 3)
    for number in ("1", "3", "3"):
        registry.crown(mlflow_store, "segnet-crown", number)
    assert bearers(mlflow_store, "segnet-crown") == ("3", "1")


@pytest.fixture
def version(mlflow_store, tmp_path):
    """The folder of a model that is version 1 of segnet-kept, laid out as MLflow keeps what `register` logs."""
    folder = write_model(tmp_path / "version" / "artifacts" / "segnet")
    client = store.client(mlflow_store)
    client.create_registered_model("segnet-kept")
    client.create_model_version("segnet-kept", str(tmp_path / "version"))
    registry.set_alias(mlflow_store, "segnet-kept", "champion", "1")
    yield folder
    client.delete_registered_model("segnet-kept")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("address", ["models:/segnet-kept@champion", "models:/segnet-kept/1"])
def test_the_models_folder_is_copied_out_of_a_version(mlflow_store, version, tmp_path, address):
    into = tmp_path / "into"
    into.mkdir()
    found = registry.download(mlflow_store, address, into)
    assert found.is_relative_to(into)
    assert contents(found) == contents(version)
    assert set(contents(found)) == {"model.json", "model.safetensors"}


@pytest.mark.parametrize(
    "address",
    [
        "models:/segnet-kept@nobody",
        "models:/segnet-kept/2",
        "models:/segnet-nothing/1",
        "models:/segnet-nothing@champion",
    ],
)
def test_a_version_that_is_missing_cannot_be_copied(mlflow_store, version, tmp_path, address):
    with pytest.raises(
        ValueError, match=f"expected a version {address} made by the register stage in sqlite:.*not found"
    ):
        registry.download(mlflow_store, address, tmp_path)


def test_a_version_of_something_else_cannot_be_copied(mlflow_store, version, tmp_path):
    (tmp_path / "other").mkdir()
    store.client(mlflow_store).create_model_version("segnet-kept", str(tmp_path / "other"))
    with pytest.raises(ValueError, match=r"expected a version models:/segnet-kept/2 made by the register stage"):
        registry.download(mlflow_store, "models:/segnet-kept/2", tmp_path)


@pytest.mark.parametrize("address", ["segnet-kept", "models:/segnet-kept", "models:/segnet-kept/latest", "runs:/a/b"])
def test_what_is_no_address_of_a_version_is_refused(mlflow_store, tmp_path, address):
    with pytest.raises(ValueError, match=rf"expected models:/<name>@<alias> or models:/<name>/<number>, got {address}"):
        registry.download(mlflow_store, address, tmp_path)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The address of a real tracking server, which MLFLOW_TRACKING_URI names during the test."""
    command = ["server", "--backend-store-uri", "sqlite:///server.db", "--artifacts-destination", "kept"]
    settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    monkeypatch.chdir(tmp_path)
    with serving(tmp_path, *command, health="/health", **settings) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        yield address


@pytest.mark.slow
def test_a_real_server_keeps_runs_models_and_aliases_as_a_file_does(server, tmp_path):
    folder = write_model(tmp_path / "segnet")
    run = runs.start("segnet", "run-a")
    with runs.running(run):
        runs.log_params(run, {"train": {"epochs": 2}})
        runs.log_metrics(run, {"val/miou": 0.125}, 1)
        log_elsewhere(run, {"val/miou": 0.25}, 2)
        runs.log_metrics(run, {"val/miou": 0.5, "val/loss": float("nan")}, 1)
        runs.log_dataset(run, "scenes", "0" * 32 + ".dir", source="data/tiles", context="training")
        runs.log_files(run, [folder / "model.json"], "reports")
    assert runs.start("segnet", "run-a") == run
    assert recorded(run).info.status == "FINISHED"
    assert recorded(run).data.params == {"train.epochs": "2"}
    assert curve(run, "val/miou") == [(1, 0.125), (2, 0.25)]
    assert list((tmp_path / "kept").rglob("reports/model.json"))

    assert registry.with_alias(server, "segnet-scenes", "champion") is None
    for fingerprint in "aba":
        tags = {"fingerprint": fingerprint}
        number = registry.register(run, "segnet-scenes", folder, {"overlap": 0.5}, {}, tags=tags, description="why")
        registry.crown(server, "segnet-scenes", number)
    assert bearers(server, "segnet-scenes") == ("1", "2")
    assert list((tmp_path / "kept").rglob("artifacts/segnet/model.safetensors"))
    (tmp_path / "into").mkdir()
    assert contents(registry.download(server, "models:/segnet-scenes@champion", tmp_path / "into")) == contents(folder)
    assert not (tmp_path / "mlflow.db").exists()
