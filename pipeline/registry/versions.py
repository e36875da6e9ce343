"""The versions of registered models: their tags, and the aliases that say which one reigns."""

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
_PAGE = 200  # versions in an answer


@dataclass(frozen=True)
class Version:
    """A version of a registered model."""

    number: str
    tags: Mapping[str, str]
    run_id: str | None = None
    """The training run that it is an output of, if any."""
    source: str = ""
    """Where its files lie; models:/<id> for what this program registers."""

    @property
    def model_id(self) -> str | None:
        """Return the id of MLflow's logged model, which holds its files."""
        return self.source.removeprefix("models:/") if self.source.startswith("models:/") else None


def with_alias(uri: str, model: str, alias: str) -> Version | None:
    """Return the version of `model` that bears `alias`, or None."""
    client = store.client(uri)
    from mlflow import MlflowException

    try:
        found = client.get_model_version_by_alias(model, alias)
    except MlflowException as err:
        if err.error_code in NOT_THERE:
            return None
        raise
    return _version(found)


def version(uri: str, model: str, number: str) -> Version:
    """Return a version of `model`.

    Raises:
        ValueError: there is none of that number.
    """
    client = store.client(uri)
    from mlflow import MlflowException

    try:
        return _version(client.get_model_version(model, number))
    except MlflowException as err:
        if err.error_code in NOT_THERE:
            numbers = ", ".join(each.number for each in versions(uri, model)) or "none"
            raise ValueError(
                f"expected a version of {model} in {redact(uri)}, got {number}; its versions are {numbers}"
            ) from err
        raise


def versions(uri: str, model: str) -> list[Version]:
    """Return all versions of `model`, oldest first; none where there is no such model."""
    found: list[ModelVersion] = []
    client, token = store.client(uri), None
    while True:
        page = client.search_model_versions(
            f"name = '{model}'", max_results=_PAGE, order_by=["version_number ASC"], page_token=token
        )  # by its own order, newest update first, versions could be missed while others are tagged
        found += page
        token = page.token
        if not token:
            return sorted(map(_version, found), key=lambda each: int(each.number))


def aliases(uri: str, model: str) -> dict[str, tuple[str, ...]]:
    """Return the aliases of each version of `model` that bears any, in alphabetical order, by the version's number."""
    found = sorted(store.client(uri).get_registered_model(model).aliases.items())
    numbers = {str(number) for _, number in found}
    return {each: tuple(alias for alias, number in found if str(number) == each) for each in numbers}


def models(uri: str) -> list[str]:
    """Return the names of the registered models that this program made, sorted."""
    names: list[str] = []
    client, token = store.client(uri), None
    while True:
        page = client.search_registered_models("name LIKE 'segnet-%'", max_results=_PAGE, page_token=token)
        names += [model.name for model in page]
        token = page.token
        if not token:
            return sorted(names)


def create(uri: str, model: str, description: str) -> None:
    """Create a registered model where it is missing."""
    client = store.client(uri)
    from mlflow import MlflowException

    try:
        client.create_registered_model(model, description=description)
    except MlflowException as err:
        if err.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def with_tag(uri: str, model: str, key: str, value: str) -> Version | None:
    """Return the newest version of `model` whose tag `key` is `value`, or None."""
    found = store.client(uri).search_model_versions(f"name = '{model}' and tag.{key} = '{value}'")
    newest = max(found, key=lambda version: int(version.version), default=None)
    return None if newest is None else _version(newest)


def set_alias(uri: str, model: str, alias: str, number: str) -> None:
    """Give `alias` to a version of `model`, and take it from the one that had it."""
    store.client(uri).set_registered_model_alias(model, alias, number)


def remove_alias(uri: str, model: str, alias: str) -> None:
    """Take `alias` from the version that has it."""
    store.client(uri).delete_registered_model_alias(model, alias)


def describe(uri: str, model: str, number: str, tags: Mapping[str, str], description: str | None = None) -> None:
    """Set tags of a version, and its description, which is cut where MLflow cannot keep it whole."""
    client = store.client(uri)
    for key, value in tags.items():
        client.set_model_version_tag(model, number, key, value)
    if description is not None:
        client.update_model_version(model, number, description[:_LONGEST_DESCRIPTION])


def _version(found: "ModelVersion") -> Version:
    return Version(str(found.version), found.tags, found.run_id or None, found.source or "")
