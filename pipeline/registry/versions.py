"""Registered models and their versions: tags, and the aliases that say which version is champion."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pipeline.files.redact import redact
from pipeline.tracking import store

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel as MlflowModel

CHAMPION, CHALLENGER, PREVIOUS_CHAMPION = "champion", "challenger", "previous_champion"
_LONGEST_DESCRIPTION = 5000  # characters; the width of MLflow's column
_PAGE = 200  # results per request
_NAMED = 10  # newest versions that an error names
_ATTEMPTS = 3
_TWICE = re.compile("IntegrityError|UniqueViolation")  # what drivers call a second row of a key


@dataclass(frozen=True)
class RegisteredModel:
    """A registered model in a store."""

    uri: str
    """The store's."""
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
    """Location of its files; models:/<id> for versions that this program registered."""

    @property
    def address(self) -> str:
        """Return models:/<name>/<number>."""
        return f"models:/{self.model.name}/{self.number}"

    @property
    def model_id(self) -> str:
        """Return the id of MLflow's logged model that holds its files; empty if there is none."""
        return self.source.removeprefix("models:/") if self.source.startswith("models:/") else ""


def with_alias(model: RegisteredModel, alias: str) -> Version | None:
    """Return the version of `model` that has `alias`, or None."""
    client = store.client(model.uri)
    from mlflow import MlflowException

    try:
        entity = client.get_model_version_by_alias(model.name, alias)
    except MlflowException as err:
        if err.error_code in store.NOT_THERE:
            return None
        raise
    return _version(model, entity)


def version(model: RegisteredModel, number: str) -> Version:
    """Return a version of `model`.

    Raises:
        ValueError: there is no version with that number.
    """
    client = store.client(model.uri)
    from mlflow import MlflowException

    try:
        return _version(model, client.get_model_version(model.name, number))
    except MlflowException as err:
        if err.error_code in store.NOT_THERE:
            known = [other.number for other in versions(model)]
            numbers = ", ".join([*(["..."] if len(known) > _NAMED else []), *known[-_NAMED:]]) or "none"
            raise ValueError(
                f"expected a version of {model.name} in {redact(model.uri)}, got {number}; its versions are {numbers}"
            ) from err
        raise


def versions(model: RegisteredModel) -> list[Version]:
    """Return all versions of `model`, oldest first; none if there is no such model."""
    entities: list[ModelVersion] = []
    client, token = store.client(model.uri), None
    while True:
        page = client.search_model_versions(
            f"name = '{model.name}'", max_results=_PAGE, order_by=["version_number ASC"], page_token=token
        )  # in MLflow's default order, latest update first, tagging one version could hide another
        entities += page
        token = page.token
        if not token:
            return sorted((_version(model, entity) for entity in entities), key=lambda version: int(version.number))


def aliases(model: RegisteredModel) -> dict[str, tuple[str, ...]]:
    """Return the aliases of each version of `model` that has any, in alphabetical order, by the version's number."""
    pairs = sorted(store.client(model.uri).get_registered_model(model.name).aliases.items())
    numbers = {str(number) for _, number in pairs}
    return {own: tuple(alias for alias, number in pairs if str(number) == own) for own in numbers}


def models(uri: str) -> list[str]:
    """Return the sorted names of the registered models that this program created in a store."""
    names: list[str] = []
    client, token = store.client(uri), None
    while True:
        page = client.search_registered_models("name LIKE 'segnet-%'", max_results=_PAGE, page_token=token)
        names += [model.name for model in page]
        token = page.token
        if not token:
            return sorted(names)


def create(model: RegisteredModel, description: str) -> None:
    """Create a registered model if it does not exist."""
    client = store.client(model.uri)
    from mlflow import MlflowException

    try:
        client.create_registered_model(model.name, description=description)
    except MlflowException as err:
        if err.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def exists(model: RegisteredModel) -> bool:
    """Return whether there is such a registered model."""
    return _find(model) is not None


def model_tags(model: RegisteredModel) -> Mapping[str, str]:
    """Return the tags of a registered model itself; none if there is no such model."""
    registered = _find(model)
    return {} if registered is None else dict(registered.tags)


def _find(model: RegisteredModel) -> "MlflowModel | None":
    client = store.client(model.uri)
    from mlflow import MlflowException

    try:
        return client.get_registered_model(model.name)
    except MlflowException as err:
        if err.error_code in store.NOT_THERE:
            return None
        raise


def describe_model(model: RegisteredModel, tags: Mapping[str, str]) -> None:
    """Set tags of a registered model itself."""
    for key, value in tags.items():
        _put(partial(store.client(model.uri).set_registered_model_tag, model.name, key, value))


def introduce(model: RegisteredModel, text: str) -> None:
    """Set the description of a registered model, in Markdown, unless it has one: somebody may have written another."""
    registered = _find(model)
    if registered is not None and not registered.description:
        store.client(model.uri).update_registered_model(model.name, text)


def files_page(version: Version) -> str | None:
    """Return the address of the page of a version's files in MLflow's UI, within it; None: it has none there."""
    if not version.model_id:
        return None
    client = store.client(version.model.uri)
    from mlflow import MlflowException

    try:
        experiment = client.get_logged_model(version.model_id).experiment_id
    except MlflowException as err:
        if err.error_code in store.NOT_THERE:
            return None
        raise
    return f"#/experiments/{experiment}/models/{version.model_id}/artifacts"


def with_tag(model: RegisteredModel, key: str, value: str) -> Version | None:
    """Return the newest version of `model` whose tag `key` is `value`, or None."""
    tagged = store.client(model.uri).search_model_versions(f"name = '{model.name}' and tag.{key} = '{value}'")
    newest = max(tagged, key=lambda version: int(version.version), default=None)
    return None if newest is None else _version(model, newest)


def set_alias(model: RegisteredModel, alias: str, number: str) -> None:
    """Move `alias` to a version of `model`, from the one that had it, if any."""
    _put(partial(store.client(model.uri).set_registered_model_alias, model.name, alias, number))


def remove_alias(model: RegisteredModel, alias: str) -> None:
    """Remove `alias` from the version that has it."""
    store.client(model.uri).delete_registered_model_alias(model.name, alias)


def describe(version: Version, tags: Mapping[str, str], description: str | None = None) -> None:
    """Set a version's description, if given, truncated to the length that MLflow can store; then its tags, in order."""
    client, name = store.client(version.model.uri), version.model.name
    if description is not None:
        client.update_model_version(name, version.number, description[:_LONGEST_DESCRIPTION])
    for key, value in tags.items():
        _put(partial(client.set_model_version_tag, name, version.number, key, value))


def _put(write: Callable[[], object]) -> None:
    """Set a value, again if another client has set one in the same moment.

    MLflow 3.17 looks whether there is a row and then inserts it (mlflow/store/model_registry/sqlalchemy_store.py): of
    two clients that do so at once, the database refuses one.
    """
    from mlflow import MlflowException

    for attempt in range(_ATTEMPTS):
        try:
            write()
        except MlflowException as err:
            if attempt + 1 == _ATTEMPTS or not _TWICE.search(str(err)):
                raise
        else:
            return


def _version(model: RegisteredModel, entity: "ModelVersion") -> Version:
    return Version(model, str(entity.version), entity.tags, entity.run_id or None, entity.source or "")
