import pytest

from pipeline.registry import versions
from pipeline.tracking import store


def make(uri, model, count):
    versions.create(uri, model, "")
    for _ in range(count):
        store.client(uri).create_model_version(model, "https://models.invalid/a")


def test_a_model_or_alias_that_is_missing_is_none(mlflow_store):
    assert versions.with_alias(mlflow_store, "segnet-nothing", "champion") is None
    versions.create(mlflow_store, "segnet-empty", "")
    versions.create(mlflow_store, "segnet-empty", "again")
    assert versions.with_alias(mlflow_store, "segnet-empty", "champion") is None
    assert versions.with_tag(mlflow_store, "segnet-empty", "fingerprint", "a") is None
    assert versions.versions(mlflow_store, "segnet-empty") == versions.versions(mlflow_store, "segnet-nothing") == []


def test_versions_are_found_by_number_tag_and_alias(mlflow_store):
    make(mlflow_store, "segnet-tags", 11)
    for number in ("2", "9", "10"):
        versions.describe(mlflow_store, "segnet-tags", number, {"fingerprint": "a"})
    newest = versions.with_tag(mlflow_store, "segnet-tags", "fingerprint", "a")
    assert (newest.number, newest.tags, newest.model_id) == ("10", {"fingerprint": "a"}, None)
    versions.set_alias(mlflow_store, "segnet-tags", "champion", "9")
    assert versions.with_alias(mlflow_store, "segnet-tags", "champion").number == "9"
    versions.remove_alias(mlflow_store, "segnet-tags", "champion")
    assert versions.with_alias(mlflow_store, "segnet-tags", "champion") is None
    assert versions.version(mlflow_store, "segnet-tags", "10") == newest
    assert "segnet-tags" in versions.models(mlflow_store)


def test_all_versions_are_found_though_an_answer_holds_few(mlflow_store, monkeypatch):
    make(mlflow_store, "segnet-many", 11)
    monkeypatch.setattr(versions, "_PAGE", 2)
    numbers = [version.number for version in versions.versions(mlflow_store, "segnet-many")]
    assert numbers == [str(number) for number in range(1, 12)]
    assert "segnet-many" in versions.models(mlflow_store)


def test_an_unknown_version_is_named_with_those_that_there_are(mlflow_store):
    make(mlflow_store, "segnet-two", 2)
    for number in ("3", "x"):
        with pytest.raises(
            ValueError, match=f"expected a version of segnet-two in .*, got {number}; its versions are 1, 2"
        ):
            versions.version(mlflow_store, "segnet-two", number)


def test_a_description_is_cut_to_what_a_server_can_keep(mlflow_store):
    make(mlflow_store, "segnet-told", 1)
    versions.describe(mlflow_store, "segnet-told", "1", {}, "x" * 5001)
    assert store.client(mlflow_store).get_model_version("segnet-told", "1").description == "x" * 5000
