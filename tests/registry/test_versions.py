import pytest
from mlflow import MlflowClient, MlflowException

from pipeline.registry import versions
from pipeline.registry.versions import RegisteredModel, Version
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
    assert (newest.number, newest.tags, newest.model_id) == ("10", {"fingerprint": "a"}, "")
    versions.set_alias(model, "champion", "9")
    assert versions.with_alias(model, "champion").number == "9"
    versions.remove_alias(model, "champion")
    assert versions.with_alias(model, "champion") is None
    assert versions.version(model, "10") == newest
    assert "segnet-tags" in versions.models(mlflow_store)


def test_a_version_tells_its_run_and_where_its_files_are(mlflow_store):
    model = RegisteredModel(mlflow_store, "segnet-told")
    versions.create(model, "what it is")
    versions.create(model, "something else")
    client = store.client(mlflow_store)
    run = client.create_run(store.experiment_id(mlflow_store, "told")).info
    client.create_model_version(model.name, f"{run.artifact_uri}/model", run_id=run.run_id)
    found = versions.version(model, "1")
    assert found == Version(model, "1", {}, run.run_id, f"{run.artifact_uri}/model")
    assert (found.address, found.model_id) == ("models:/segnet-told/1", "")
    assert Version(model, "2", {}, None, "models:/m-abc").model_id == "m-abc"
    assert make(mlflow_store, "segnet-foreign", 1) == RegisteredModel(mlflow_store, "segnet-foreign")
    foreign = versions.version(RegisteredModel(mlflow_store, "segnet-foreign"), "1")
    assert (foreign.run_id, foreign.source) == (None, "https://models.invalid/a")
    assert client.get_registered_model(model.name).description == "what it is"


def test_a_model_is_introduced_once(mlflow_store):
    model, client = make(mlflow_store, "segnet-introduced", 1), store.client(mlflow_store)
    client.update_registered_model(model.name, "")
    versions.introduce(model, "what it is")
    versions.introduce(model, "another text")
    assert client.get_registered_model(model.name).description == "what it is"
    versions.introduce(RegisteredModel(mlflow_store, "segnet-missing"), "nothing happens")


def test_files_that_mlflow_does_not_show_have_no_page(mlflow_store):
    model = RegisteredModel(mlflow_store, "segnet-gone")
    assert versions.files_page(Version(model, "1", {}, None, "https://models.invalid/a")) is None
    assert versions.files_page(Version(model, "1", {}, None, "models:/m-0123")) is None


def test_aliases_tags_and_models_are_told(mlflow_store):
    model = make(mlflow_store, "segnet-aliased", 3)
    make(mlflow_store, "promotions-of-segnet-aliased", 0)
    for alias, number in (("previous_champion", "3"), ("champion", "1"), ("challenger", "1")):
        versions.set_alias(model, alias, number)
    assert versions.aliases(model) == {"1": ("challenger", "champion"), "3": ("previous_champion",)}
    versions.describe_model(model, {"newest": "4", "other": "5"})
    assert versions.model_tags(model) == {"newest": "4", "other": "5"}
    assert versions.model_tags(RegisteredModel(mlflow_store, "segnet-nothing")) == {}
    assert versions.exists(model) is True
    assert versions.exists(RegisteredModel(mlflow_store, "segnet-nothing")) is False
    names = versions.models(mlflow_store)
    assert names == sorted(names)
    assert {name for name in names if name.endswith("aliased")} == {"segnet-aliased"}


QUESTIONS = {
    "get_model_version_by_alias": lambda model: versions.with_alias(model, "champion"),
    "get_model_version": lambda model: versions.version(model, "1"),
    "get_registered_model": versions.exists,
    "create_registered_model": lambda model: versions.create(model, ""),
}


@pytest.mark.parametrize("request_name", QUESTIONS)
def test_an_error_that_does_not_say_that_something_is_missing_is_raised(mlflow_store, monkeypatch, request_name):
    from mlflow import MlflowClient, MlflowException

    def fail(*_, **__):
        raise MlflowException("the disk is full")

    monkeypatch.setattr(MlflowClient, request_name, fail)
    with pytest.raises(MlflowException, match="the disk is full"):
        QUESTIONS[request_name](RegisteredModel(mlflow_store, "segnet-any"))


def test_all_versions_are_found_though_a_page_holds_few(mlflow_store, monkeypatch):
    model = make(mlflow_store, "segnet-many", 11)
    monkeypatch.setattr(versions, "_PAGE", 2)
    numbers = [version.number for version in versions.versions(model)]
    assert numbers == [str(number) for number in range(1, 12)]
    with pytest.raises(ValueError, match=r"got 99; its versions are \.\.\., 2, 3, 4, 5, 6, 7, 8, 9, 10, 11$"):
        versions.version(RegisteredModel(mlflow_store, "segnet-many"), "99")
    make(mlflow_store, "segnet-a-few", 0)
    names = versions.models(mlflow_store)
    assert names == sorted(names)
    assert {"segnet-many", "segnet-a-few"} <= {*names}


def test_an_unknown_version_is_reported_with_the_existing_ones(mlflow_store):
    model = make(mlflow_store, "segnet-two", 2)
    for number in ("3", "x"):
        with pytest.raises(
            ValueError, match=f"expected a version of segnet-two in .*, got {number}; its versions are 1, 2"
        ):
            versions.version(model, number)
    with pytest.raises(ValueError, match=r"got 1; its versions are none$"):
        versions.version(make(mlflow_store, "segnet-none", 0), "1")


def test_a_description_is_truncated_to_what_a_server_can_store(mlflow_store):
    model = make(mlflow_store, "segnet-described", 1)
    versions.describe(versions.version(model, "1"), {}, "x" * 5001)
    assert store.client(mlflow_store).get_model_version("segnet-described", "1").description == "x" * 5000
    versions.describe(versions.version(model, "1"), {"a": "b"})
    assert store.client(mlflow_store).get_model_version("segnet-described", "1").description == "x" * 5000


RACE = "BAD_REQUEST: (sqlite3.IntegrityError) UNIQUE constraint failed: registered_model_aliases.alias"
WRITES = {
    "set_registered_model_alias": lambda model: versions.set_alias(model, "champion", "1"),
    "set_registered_model_tag": lambda model: versions.describe_model(model, {"newest": "1"}),
    "set_model_version_tag": lambda model: versions.describe(versions.version(model, "1"), {"newest": "1"}),
}


@pytest.mark.parametrize("message", [RACE, RACE.replace("sqlite3.IntegrityError", "psycopg2.errors.UniqueViolation")])
@pytest.mark.parametrize("method", WRITES)
def test_a_value_that_another_client_sets_in_the_same_moment_is_set_again(mlflow_store, monkeypatch, method, message):
    model = make(mlflow_store, f"segnet-{method}-{len(message)}", 1)
    write, failures = getattr(MlflowClient, method), [MlflowException(message), MlflowException(message)]

    def outrun(*arguments):
        if failures:
            raise failures.pop()
        return write(*arguments)

    monkeypatch.setattr(MlflowClient, method, outrun)
    WRITES[method](model)
    assert failures == []
    failures += [MlflowException(message)] * 3
    with pytest.raises(MlflowException, match="UNIQUE constraint"):
        WRITES[method](model)
    failures[:] = [MlflowException("RESOURCE_DOES_NOT_EXIST: no such model"), MlflowException("not asked for")]
    failures.reverse()
    with pytest.raises(MlflowException, match="no such model"):
        WRITES[method](model)
    assert len(failures) == 1
