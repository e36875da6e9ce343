"""A registered model without files, and forced promotions of its versions."""

from pipeline.registry.decision_log import Entry, Reign
from pipeline.registry.versions import RegisteredModel
from pipeline.tracking import store


def three_versions(uri, name):
    """A new registered model with three versions."""
    client = store.client(uri)
    client.create_registered_model(name)
    for _ in range(3):
        client.create_model_version(name, "https://models.invalid/a")
    return RegisteredModel(uri, name)


def draft(version, champion, previous=None):
    """An entry that makes `champion` champion, and says that it is about `version`."""
    reign = Reign(champion, previous)
    return Entry("forced", version, reign, "2026-11-23T10:00:00Z", "ann", f"version {version} it is", None, {})
