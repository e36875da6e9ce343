"""Registered models and their versions: tags, and the aliases that say which version is the champion."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.files.redact import redact
from pipeline.tracking import store

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

CHAMPION, CHALLENGER, PREVIOUS_CHAMPION = "champion", "challenger", "previous_champion"
NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # no such model; a model without such an alias
_LONGEST_DESCRIPTION = 5000  # characters; the width of MLflow's column
_PAGE = 200  # versions per answer


@dataclass(frozen=True)
class RegisteredModel:
    """A registered model of a store."""

    uri: str
    """Of the store."""
    name: str


@dataclass(frozen=True)
class Version:
    """A version of a registered model."""

    model: RegisteredModel
    number: str
    tags: Mapping[str, str]
    run_id: str | None = None
    """The training run that it is an output of, if any."""
    source: str = ""
    """Where its files lie; models:/<id> for what this program registers."""

    @property
    def address(self) -> str:
        """Return models:/<name>/<number>."""
        return f"models:/{self.model.name}/{self.number}"

    @property
    def model_id(self) -> str | None:
        """Return the id of MLflow's logged model, which holds its files."""
        return self.source.removeprefix("models:/") if self.source.startswith("models:/") else None


def with_alias(model: RegisteredModel, alias: str) -> Version | None:
    """Return the version of `model` that bears `alias`, or None."""
    client = store.client(model.uri)
    from mlflow import MlflowException

    try:
        bearer = client.get_model_version_by_alias(model.name, alias)
    except MlflowException as err:
        if err.error_code in NOT_THERE:
            return None
        raise
    return _version(model, bearer)


def version(model: RegisteredModel, number: str) -> Version:
    """Return a version of `model`.

    Raises:
        ValueError: there is no version of that number.
    """
    client = store.client(model.uri)
    from mlflow import MlflowException

    try:
        return _version(model, client.get_model_version(model.name, number))
    except MlflowException as err:
        if err.error_code in NOT_THERE:
            numbers = ", ".join(each.number for each in versions(model)) or "none"
            raise ValueError(
                f"expected a version of {model.name} in {redact(model.uri)}, got {number}; its versions are {numbers}"
            ) from err
        raise


def versions(model: RegisteredModel) -> list[Version]:
    """Return all versions of `model`, oldest first; none where there is no such model."""
    entities: list[ModelVersion] = []
    client, token = store.client(model.uri), None
    while True:
        page = client.search_model_versions(
            f"name = '{model.name}'", max_results=_PAGE, order_by=["version_number ASC"], page_token=token
        )  # by MLflow's own order, newest update first, versions could be missed while others are tagged
        entities += page
        token = page.token
        if not token:
            return sorted((_version(model, each) for each in entities), key=lambda each: int(each.number))


def aliases(model: RegisteredModel) -> dict[str, tuple[str, ...]]:
    """Return the aliases of each version of `model` that bears any, in alphabetical order, by the version's number."""
    pairs = sorted(store.client(model.uri).get_registered_model(model.name).aliases.items())
    numbers = {str(number) for _, number in pairs}
    return {each: tuple(alias for alias, number in pairs if str(number) == each) for each in numbers}


def models(uri: str) -> list[str]:
    """Return the names of the registered models that this program made in a store, sorted."""
    names: list[str] = []
    client, token = store.client(uri), None
    while True:
        page = client.search_registered_models("name LIKE 'segnet-%'", max_results=_PAGE, page_token=token)
        names += [model.name for model in page]
        token = page.token
        if not token:
            return sorted(names)


def create(model: RegisteredModel, description: str) -> None:
    """Create a registered model where it is missing."""
    client = store.client(model.uri)
    from mlflow import MlflowException

    try:
        client.create_registered_model(model.name, description=description)
    except MlflowException as err:
        if err.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def with_tag(model: RegisteredModel, key: str, value: str) -> Version | None:
    """Return the newest version of `model` whose tag `key` is `value`, or None."""
    tagged = store.client(model.uri).search_model_versions(f"name = '{model.name}' and tag.{key} = '{value}'")
    newest = max(tagged, key=lambda version: int(version.version), default=None)
    return None if newest is None else _version(model, newest)


def set_alias(model: RegisteredModel, alias: str, number: str) -> None:
    """Give `alias` to a version of `model`, and take it from the one that had it."""
    store.client(model.uri).set_registered_model_alias(model.name, alias, number)


def remove_alias(model: RegisteredModel, alias: str) -> None:
    """Take `alias` from the version that has it."""
    store.client(model.uri).delete_registered_model_alias(model.name, alias)


def describe(version: Version, tags: Mapping[str, str], description: str | None = None) -> None:
    """Set tags of a version, and its description, which is cut where MLflow cannot keep all of it."""
    client, name = store.client(version.model.uri), version.model.name
    for key, value in tags.items():
        client.set_model_version_tag(name, version.number, key, value)
    if description is not None:
        client.update_model_version(name, version.number, description[:_LONGEST_DESCRIPTION])


def _version(model: RegisteredModel, entity: "ModelVersion") -> Version:
    return Version(model, str(entity.version), entity.tags, entity.run_id or None, entity.source or "")
