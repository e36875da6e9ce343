"""A version is compared with the model that its training started from, in the registry and in a folder."""

from dataclasses import replace

import pytest

from pipeline.artifacts import validation
from pipeline.artifacts.validation import Validation
from pipeline.files import atomic
from pipeline.files.digest import file_sha256
from pipeline.registry import evidence, verify_source
from pipeline.registry.evidence import Lineage
from pipeline.registry.verify_checks import LINKS, Subject
from pipeline.registry.verify_errors import AbsentError, BrokenError
from pipeline.registry.versions import RegisteredModel, Version
from pipeline.tracking import store
from tests.support import tiny_version
from tests.support.tiny_model import SPEC, write_model

NAME = "segnet-began"


@pytest.fixture
def folder(mlflow_store, tmp_path):
    """The model of version 1 of NAME."""
    model = write_model(tmp_path / "version" / "artifacts" / "segnet")
    tiny_version.laid_out(mlflow_store, NAME, tmp_path / "version")
    yield model
    store.client(mlflow_store).delete_registered_model(NAME)


def source(folder, version=f"models:/{NAME}/1"):
    sha256 = file_sha256(folder / "model.safetensors")
    of_spec = {"run": SPEC.run, "network": SPEC.network, "classes": list(SPEC.classes.names)}
    return {"version": version, "sha256": sha256, **of_spec}


def check(mlflow_store, recorded, root, named="as it was named"):
    return verify_source.check(recorded, named, mlflow_store, root)


def test_a_version_and_a_folder_that_are_as_they_were_agree(folder, mlflow_store, tmp_path):
    recorded = source(folder)
    told = f"SHA-256 {recorded['sha256'][:16]}"
    assert check(mlflow_store, recorded, tmp_path) == f"models:/{NAME}/1, {told}"
    place = "version/artifacts/segnet"
    assert check(mlflow_store, source(folder, None), tmp_path, place) == f"{place}, {told}"
    assert check(mlflow_store, None, tmp_path, None) == "no model"
    recorded.pop("network")  # as an earlier program recorded it
    assert check(mlflow_store, recorded, tmp_path) == f"models:/{NAME}/1, {told}"


@pytest.mark.parametrize("version", [f"models:/{NAME}/1", None])
@pytest.mark.parametrize(
    ("spec", "seed", "what"),
    [
        (SPEC, 1, "the SHA-256 of the weights"),
        (replace(SPEC, run="run-b"), 0, "the training"),
        (replace(SPEC, network="bayesian_segnet"), 0, "the network"),
        (replace(SPEC, classes=replace(SPEC.classes, names=tuple("abcdefghijk"))), 0, "the classes"),
    ],
)
def test_a_source_that_was_changed_is_found(folder, mlflow_store, tmp_path, version, spec, seed, what):
    recorded, place = source(folder, version), "version/artifacts/segnet"
    write_model(folder, spec, seed)
    message = f"expected {what} of {version or place}, from which the training started, to be .*, got "
    with pytest.raises(BrokenError, match=message):
        check(mlflow_store, recorded, tmp_path, place)


def test_another_stores_version_of_the_same_number_is_not_the_source(folder, mlflow_store, tmp_path):
    recorded = source(folder)
    write_model(folder, replace(SPEC, run="run-b"), 1)
    message = (
        f"^models:/{NAME}/1 of this store is the model of training run-b; that of {SPEC.run}, which .* another store"
    )
    with pytest.raises(AbsentError, match=message):
        check(mlflow_store, recorded, tmp_path)
    with pytest.raises(
        BrokenError, match="expected the SHA-256 of the weights of version/artifacts/segnet, from which"
    ):
        check(mlflow_store, source(folder, None) | {"sha256": recorded["sha256"]}, tmp_path, "version/artifacts/segnet")


def test_a_source_that_is_not_there_is_not_at_hand(folder, mlflow_store, tmp_path):
    with pytest.raises(AbsentError, match=f"models:/{NAME}/7 was deleted, or is in another store: expected a version"):
        check(mlflow_store, source(folder, f"models:/{NAME}/7"), tmp_path)
    with pytest.raises(AbsentError, match="gone, the model that the training started from, is not on this machine"):
        check(mlflow_store, source(folder, None), tmp_path, "gone")


def test_a_training_that_names_a_model_but_records_none_is_found(mlflow_store, tmp_path):
    with pytest.raises(BrokenError, match=r"expected model\.start_from of a training that started .*, got models:/a/1"):
        check(mlflow_store, None, tmp_path, "models:/a/1")


def test_what_a_training_started_from_is_in_its_lineage_and_compared_with_it(folder, mlflow_store, tmp_path):
    recorded = source(folder)
    model = {"start_from": f"models:/{NAME}@champion"}
    for path in evidence.SOURCES.values():  # params.yaml among them
        atomic.write_json(tmp_path / path, {"inputs": {"start_from": recorded}, "dataset": "toy", "model": model})
    validation.write(Validation("toy", (), ()), tmp_path / evidence.SOURCES["validation.json"])
    copies = tmp_path / "evidence" / "a"
    copies.mkdir(parents=True)
    evidence.gather(tmp_path, copies, Lineage("unknown", (), {"data/raw": "a.dir"}, {}))
    assert evidence.read_lineage(copies).start_from == recorded
    version = Version(RegisteredModel(mlflow_store, "segnet-toy"), "2", {"evidence": "a"})
    subject, link = Subject(version, tmp_path, tmp_path), LINKS["started from"]
    assert link(subject) == f"models:/{NAME}/1, SHA-256 {recorded['sha256'][:16]}"
    write_model(folder, seed=1)
    with pytest.raises(BrokenError, match="expected the SHA-256 of the weights"):
        link(subject)
    evidence.write_lineage(copies, replace(subject.origin, start_from=None))
    with pytest.raises(BrokenError, match=r"expected start_from in lineage\.json to be \{'classes'.*, got None"):
        link(subject)
