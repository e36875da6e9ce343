"""The register step: a scored model becomes a version with its evidence, and champion if the gate says so."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.artifacts.spec import Spec, read_spec
from pipeline.artifacts.verdict import Verdict
from pipeline.registry import evidence, model_files, promote, reproduced, versions
from pipeline.registry.evidence import Lineage
from pipeline.registry.judge import Rule
from pipeline.registry.standing import Standing
from pipeline.registry.versions import RegisteredModel, Version
from pipeline.tracking import environment, store
from pipeline.tracking.runs import Run


def run(run: Run, folder: Path, standing: Standing, options: Mapping[str, Any], rule: Rule) -> tuple[Version, Verdict]:
    """Make the model a version and challenger, and champion if the gate says PROMOTE; return version and verdict.

    Args:
        run: the MLflow run of the training, in the store that holds the registry.
        folder: the model's folder, as written by the train stage.
        standing: what the model is and how it scored.
        options: of predict.load, with which it was evaluated and will predict.
        rule: what the decision is based on.

    Raises:
        ValueError: a file that dvc.yaml names is missing, or is not what dvc.lock has.
        UnreachableError: a ValueError; the store does not answer.
    """
    spec = read_spec(folder)
    model = RegisteredModel(run.uri, f"segnet-{spec.dataset}")
    with store.reached(run.uri), TemporaryDirectory() as temporary:
        lineage = _lineage(run)
        reproduced.check(Path(), lineage.hashes)
        tags = evidence.gather(Path(), Path(temporary), lineage) | standing.tags()
        version = model_files.add(run, model, folder, options, asdict(spec), evidence=Path(temporary), tags=tags)
        versions.introduce(model, _introduction(model, spec))
        versions.set_alias(model, versions.CHALLENGER, version.number)
        _, verdict = promote.consider(version, rule)
    return version, verdict


def _introduction(model: RegisteredModel, spec: Spec) -> str:
    """Return what a registered model is, in Markdown."""
    return (
        f"Semantic segmentation of the data set {spec.dataset}: encoded images in, index masks out, of the classes "
        f"{', '.join(spec.classes.names)}. Each version is a model that was trained and evaluated on it.\n\n"
        f"models:/{model.name}@champion is the one to use, and models:/{model.name}@challenger the newest; "
        "segnet status says why. Each version's description links its model card."
    )


def _lineage(run: Run) -> Lineage:
    """Return the lineage of the model in the working tree, the current folder; `run` trained it."""
    commit, _ = environment.commit()
    training = environment.recorded(run.uri, run.run_id)
    return Lineage(commit, environment.changed_files(), evidence.hash_files(Path()), training)
