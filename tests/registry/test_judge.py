"""What a verdict on registered versions is based on."""

from dataclasses import replace

import pytest

from pipeline.inference import predict
from pipeline.registry import champion, judge, versions
from pipeline.registry.versions import RegisteredModel
from tests.support import project as tree
from tests.support.tiny_model import write_model

KEYS = ("verdict", "reasons", "rule", "difference")


@pytest.fixture
def made(tmp_path, mlflow_store, monkeypatch, request):
    """Make a working tree as left by the earlier stages, with other limits; return the model's spec and its name."""
    monkeypatch.chdir(tmp_path)

    def make(**gate):
        spec = tree.make(request.node.name[:60].replace("_", "-"), **gate)
        return spec, RegisteredModel(mlflow_store, f"segnet-{spec.dataset}")

    return make


def test_a_champion_is_not_scored_again_on_other_images_than_the_candidates(made):
    spec, model = made()
    tree.registered(tree.named(spec, "a"), hits=3, test_data="d" * 64)
    held = tree.registered(tree.named(spec, "b"), hits=4, test_data="e" * 64)  # data/raw holds neither
    assert held["verdict"] == "HOLD"
    assert f"was scored on other test data, {'d' * 64}, than it, {'e' * 64}, and data/raw does" in held["reasons"][0]
    assert champion.read(model)[-1].evidence["champion"] is None
    assert [key for key in versions.version(model, "1").tags if key.startswith("evidence_on_")] == []


def test_a_verdict_is_recomputed_whole(registered):
    model = registered(3, 4)
    for entry, before in zip(champion.read(model), (None, "1"), strict=True):
        verdict = entry.verdict.to_json()
        assert judge.judge_again(model, entry, before) == {key: verdict[key] for key in KEYS}
    for unread in ({"kind": "found", "verdict": None}, {"version": None}):
        with pytest.raises(ValueError, match=r"expected an entry with a verdict, got entry 2, (found|decided)"):
            judge.judge_again(model, replace(entry, **unread), "1")


@pytest.mark.slow
def test_a_verdict_is_recomputed_without_measuring_latency(made, monkeypatch):
    spec, model = made(max_latency_ms=1e9)
    monkeypatch.setattr(predict, "latency_ms", lambda predictor, repeats: 10.0 * repeats)
    tree.registered(tree.named(spec, "a"), hits=3)
    tree.registered(tree.named(spec, "b"), hits=4)
    entry = champion.read(model)[-1]
    assert "its time for an image in ms, 50.0, keeps within" in " ".join(entry.verdict.reasons)
    monkeypatch.setattr(predict, "latency_ms", lambda *_, **__: pytest.fail("latency was measured"))
    difference = entry.verdict.to_json()["difference"]
    assert difference["miou"]["estimate"] == 0.625
    assert judge.judge_again(model, entry, "1") == {"difference": difference}


def test_where_no_version_became_champion_there_is_none_to_compare_with(made):
    spec, model = made()
    assert tree.registered(tree.named(spec, "a"), hits=1)["verdict"] == "REJECT"
    promoted = tree.registered(tree.named(spec, "b"), hits=3)
    assert (promoted["verdict"], promoted["reasons"][-1]) == ("PROMOTE", "there is no champion yet")
    assert [entry.evidence.keys() for entry in champion.read(model)] == [{"candidate"}] * 2


@pytest.mark.slow
def test_a_megabyte_is_a_million_bytes(made, tmp_path):
    spec, _ = made()
    megabytes = (write_model(tmp_path / "as large", spec) / "model.safetensors").stat().st_size / 1e6
    for limit, verdict in (((1 - 1e-7) * megabytes, "REJECT"), (megabytes, "PROMOTE")):
        spec, _ = made(max_megabytes=limit)
        assert tree.registered(spec, hits=3)["verdict"] == verdict
