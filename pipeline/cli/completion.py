"""What the shell completes beside commands and options: names that the code, the working tree and the registry hold.

What cannot be found is not completed: nothing is printed into a line that somebody types.
"""

from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import typer

from pipeline.files import csv_table, safe_yaml, strict_json
from pipeline.files.strict_json import flat

_SCORES, _HISTORY, _PARAMS = Path("reports/scores.json"), Path("reports/history.csv"), Path("params.yaml")


def _quiet(names: Callable[[str], Iterator[str]]) -> Callable[[str], list[str]]:
    """Return a function that returns what `names` yields until an error, whatever it is."""

    @wraps(names)
    def quiet(incomplete: str) -> list[str]:
        completions = list[str]()
        try:
            completions.extend(names(incomplete))
        except Exception:
            return completions
        return completions

    return quiet


@_quiet
def networks(incomplete: str) -> Iterator[str]:
    """Yield the names of networks."""
    from pipeline.core.models import MODELS

    yield from MODELS


@_quiet
def metrics(incomplete: str) -> Iterator[str]:
    """Yield the names of the metrics in reports/: of the scored images, and of the epochs."""
    if _SCORES.exists():
        from pipeline.evaluation.evaluate import recorded_name

        tree = strict_json.parse(_SCORES.read_bytes(), dict[str, Any])
        split = tree["split"]
        yield from (recorded_name(split, key.replace(".", "/")) for key, _ in flat(tree[split]))
    if _HISTORY.exists():
        rows = csv_table.read(_HISTORY)
        yield from (key for key in rows[0] if key != "epoch")


@_quiet
def param_keys(incomplete: str) -> Iterator[str]:
    """Yield the keys of params.yaml, ready for a value."""
    yield from (f"{key}=" for key, _ in flat(safe_yaml.read(_PARAMS)))


@_quiet
def registered_models(incomplete: str) -> Iterator[str]:
    """Yield the names of registered models."""
    yield from _models()


@_quiet
def addresses(incomplete: str) -> Iterator[str]:
    """Yield models: the folder of the trained one, and the aliases and versions of registered ones."""
    from pipeline.registry import versions
    from pipeline.registry.versions import RegisteredModel
    from pipeline.tracking import store

    yield "models/segnet"
    for name in _models():
        model = RegisteredModel(store.address(), name)
        for aliases in versions.aliases(model).values():
            yield from (f"models:/{name}@{alias}" for alias in aliases)
        yield from (each.address for each in versions.versions(model))


def version_numbers(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the numbers of the versions of the registered model that is meant."""
    from pipeline.cli.model import named
    from pipeline.registry import versions

    return _quiet(lambda _: (each.number for each in versions.versions(named(ctx.params.get("name")))))(incomplete)


def _models() -> list[str]:
    """Return the names of registered models; a server that does not answer within seconds has none."""
    from pipeline.registry import versions
    from pipeline.tracking import store

    store.probe(store.address())
    return versions.models(store.address())
