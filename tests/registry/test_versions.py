import pytest

from pipeline.registry import versions
from pipeline.registry.versions import RegisteredModel
from pipeline.tracking import store


def make(uri, name, count):
    model = RegisteredModel(uri, name)
    versions.create(model, "")
    for _ in range(count):
        store.client(uri).create_model_version(name, "https://models.invalid/a")
    return model


def test_a_model_or_alias_that_is_missing_is_none(mlflow_store):
    nothing, empty = (RegisteredModel(mlflow_store, name) for name in ("segnet-nothing", "segnet-empty"))
    assert versions.with_alias(nothing, "champion") is None
    versions.create(empty, "")
    versions.create(empty, "again")
    assert versions.with_alias(empty, "champion") is None
    assert versions.with_tag(empty, "fingerprint", "a") is None
    assert versions.versions(empty) == versions.versions(nothing) == []


def test_versions_are_found_by_number_tag_and_alias(mlflow_store):
    model = make(mlflow_store, "segnet-tags", 11)
    for number in ("2", "9", "10"):
        versions.describe(versions.version(model, number), {"fingerprint": "a"})
    newest = versions.with_tag(model, "fingerprint", "a")
    assert (newest.number, newest.tags, newest.model_id) == ("10", {"fingerprint": "a"}, None)
    versions.set_alias(model, "champion", "9")
    assert versions.with_alias(model, "champion").number == "9"
    versions.remove_alias(model, "champion")
    assert versions.with_alias(model, "champion") is None
    assert versions.version(model, "10") == newest
    assert "segnet-tags" in versions.models(mlflow_store)


def test_all_versions_are_found_though_a_page_holds_few(mlflow_store, monkeypatch):
    model = make(mlflow_store, "segnet-many", 11)
    monkeypatch.setattr(versions, "_PAGE", 2)
    numbers = [version.number for version in versions.versions(model)]
    assert numbers == [str(number) for number in range(1, 12)]
    assert "segnet-many" in versions.models(mlflow_store)


def test_an_unknown_version_is_reported_with_the_existing_ones(mlflow_store):
    model = make(mlflow_store, "segnet-two", 2)
    for number in ("3", "x"):
        with pytest.raises(
            ValueError, match=f"expected a version of segnet-two in .*, got {number}; its versions are 1, 2"
        ):
            versions.version(model, number)


def test_a_description_is_truncated_to_what_a_server_can_store(mlflow_store):
    model = make(mlflow_store, "segnet-described", 1)
    versions.describe(versions.version(model, "1"), {}, "x" * 5001)
    assert store.client(mlflow_store).get_model_version("segnet-described", "1").description == "x" * 5000
