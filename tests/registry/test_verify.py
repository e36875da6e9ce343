import json
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.files import digest
from pipeline.registry import champion, evidence, file_record, versions
from pipeline.registry.versions import RegisteredModel
from pipeline.tracking import store
from tests.support.verified import LOG, MODEL, ORDER, changed, flipped, honest, links, stored


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    with honest(tmp_path_factory.mktemp("verified")) as uri:
        yield uri


def assert_broken(uri, name, detail):
    checked = links(uri)
    assert list(checked) == ORDER[: ORDER.index(name) + 1]  # ends at the first broken link
    assert [link.state for link in checked.values()][-1] == "broken"
    assert detail in checked[name].detail


def test_every_link_of_an_honest_version_holds(uri):
    for number in ("1", "2"):
        checked = links(uri, number)
        assert list(checked) == ORDER
        assert {name: link.state for name, link in checked.items()} == dict.fromkeys(ORDER, "holds"), checked
    assert checked["data"].detail == "data/raw in the working tree, data/raw in DVC's cache"
    assert checked["verdict"].detail == "entry 2, HOLD"
    run = store.client(uri).get_run(versions.version(RegisteredModel(uri, MODEL), "2").run_id)
    determined = [key for key in run.data.params if key.startswith(("model.", "train."))]
    assert checked["params"].detail == f"{len(determined)} values"


def test_changed_weights_are_found(uri):
    with flipped(stored(uri) / "artifacts/segnet/model.safetensors"):
        assert_broken(uri, "weights", "expected the MD5 of models/segnet to be")


def test_changed_scores_are_found(uri):
    name = versions.version(RegisteredModel(uri, MODEL), "1").tags["evidence"]
    with flipped(stored(uri) / "evidence" / name / "images.parquet"):
        assert_broken(uri, "evidence", f"expected the digest of the evidence to be {name}, got")


def test_changed_code_that_serves_the_version_is_found(uri):
    with flipped(stored(uri) / "code/pipeline/inference/predict.py"):
        assert_broken(uri, "served code", "expected the MD5 of the version's pipeline/inference/predict.py to be")


def test_a_changed_score_in_a_tag_is_found(uri):
    client = store.client(uri)
    client.set_model_version_tag(MODEL, "1", "test_miou", "0.9")
    assert_broken(uri, "scores", "expected the tag test_miou to be that of the counts, 0.375, got 0.9")
    client.set_model_version_tag(MODEL, "1", "test_miou", "0.375")


def test_changed_params_are_found_beside_the_version_and_in_its_run(uri):
    name = versions.version(RegisteredModel(uri, MODEL), "1").tags["evidence"]
    with changed(
        stored(uri) / "evidence" / name / "params.yaml", lambda text: text.replace(b"epochs: 1", b"epochs: 2")
    ):
        assert_broken(uri, "evidence", "expected the digest of the evidence")
    with sqlite3.connect(uri.removeprefix("sqlite:///")) as database:  # MLflow itself refuses to change a param
        (before,) = database.execute("SELECT value FROM params WHERE key = 'train.seed' LIMIT 1").fetchone()
        database.execute("UPDATE params SET value = '77' WHERE key = 'train.seed'")
    assert_broken(uri, "params", f"expected the param train.seed of the training run to be {before}, got 77")
    with sqlite3.connect(uri.removeprefix("sqlite:///")) as database:
        database.execute("UPDATE params SET value = ? WHERE key = 'train.seed'", (before,))


@pytest.mark.parametrize("place", ["data/raw/images/test/0.png", "data/raw/manifest.parquet"])
def test_changed_data_is_found_in_the_working_tree(uri, place):
    with flipped(Path(place)):
        assert_broken(uri, "data", "expected data/raw to have the MD5")


def test_a_training_of_other_params_is_found(uri, tmp_path):
    """All of the evidence was rewritten, so its digest is correct."""
    name = versions.version(RegisteredModel(uri, MODEL), "1").tags["evidence"]
    folder, client = stored(uri) / "evidence", store.client(uri)
    shutil.copytree(folder / name, tmp_path / "forged")
    tree_json = json.loads((tmp_path / "forged/train.json").read_text())
    tree_json["inputs"]["train"]["seed"] = 77
    (tmp_path / "forged/train.json").write_text(json.dumps(tree_json))
    origin = evidence.read_lineage(tmp_path / "forged")
    hashes = {**origin.hashes, "reports/train.json": digest.file_md5(tmp_path / "forged/train.json")}
    evidence.write_lineage(tmp_path / "forged", replace(origin, hashes=hashes))
    forged = file_record.evidence_name(tmp_path / "forged")
    shutil.copytree(tmp_path / "forged", folder / forged)
    client.set_model_version_tag(MODEL, "1", "evidence", forged)
    assert_broken(uri, "training run", "expected the training's name to be")
    client.set_model_version_tag(MODEL, "1", "evidence", name)


def test_changed_data_is_found_in_the_cache(uri):
    name = digest.file_md5(Path("data/raw/images/test/0.png"))
    with flipped(Path(".dvc/cache/files/md5") / name[:2] / name[2:]):
        assert_broken(uri, "data", f"expected data/raw/images/test/0.png in DVC's cache to have the MD5 {name}")


def test_a_verdict_that_the_evidence_does_not_support_is_found(uri):
    _, second = champion.read(RegisteredModel(uri, MODEL))
    text = second.text.replace('"estimate": 0.0', '"estimate": 0.5')
    assert text != second.text
    client, path = store.client(uri), stored(uri, "2") / "decisions/000002/verdict.json"
    client.set_model_version_tag(LOG, "2", "entry", text)
    assert "expected the entry of the log to be" in links(uri, "2")["verdict"].detail
    before = f"000002:{digest.content_sha256(path.parent)}"
    with changed(path, lambda before: json.dumps({"number": 2, **json.loads(text)}).encode()):
        assert "a changed decisions/000002" in links(uri, "2")["files"].detail
        client.set_model_version_tag(MODEL, "2", "decision_files", f"000002:{digest.content_sha256(path.parent)}")
        assert "the recomputed verdict's difference" in links(uri, "2")["verdict"].detail
    client.set_model_version_tag(LOG, "2", "entry", second.text)
    client.set_model_version_tag(MODEL, "2", "decision_files", before)


def test_a_changed_entry_of_the_log_is_found_by_the_next_one(uri):
    first = champion.read(RegisteredModel(uri, MODEL))[0]
    client, name = store.client(uri), LOG
    client.set_model_version_tag(name, "1", "entry", first.text.replace("there is no champion yet", "it is the best"))
    assert_broken(uri, "log", "expected entry 1 of the log as the next one recorded it")
    client.set_model_version_tag(name, "1", "entry", first.text)


def test_an_entry_that_was_deleted_is_found(uri):
    first = champion.read(RegisteredModel(uri, MODEL))[0]
    client, name = store.client(uri), LOG
    client.set_model_version_tag(name, "1", "entry", "not an entry")
    assert_broken(
        uri, "log", "expected entry 1 of the log, got none: entry 1: expected a decision logged by this program"
    )
    client.set_model_version_tag(name, "1", "entry", first.text)


@pytest.mark.parametrize("name", ["requirements.txt", "MLmodel"])
def test_a_changed_file_that_is_loaded_with_the_model_is_found(uri, name):
    with changed(stored(uri) / name, lambda text: text + b"\n"):
        assert_broken(uri, "files", f"got a changed {name}")


def test_an_alias_that_was_moved_is_found(uri):
    versions.set_alias(RegisteredModel(uri, MODEL), "champion", "2")
    assert_broken(uri, "log", "expected the aliases to be Reign(champion='1'")
    versions.set_alias(RegisteredModel(uri, MODEL), "champion", "1")


def test_what_is_not_available_is_reported_and_skipped(uri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checked = links(uri)
    assert {name for name, link in checked.items() if link.state == "not at hand"} == {"commit", "data"}
    assert checked["data"].detail == "neither the working tree nor DVC's cache holds the data"
