import numpy as np
import pytest

from pipeline.artifacts.verdict import Outcome, Verdict
from pipeline.registry.advice import advice, weak_classes
from pipeline.registry.versions import RegisteredModel, Version
from tests.support.scored import scores

VERSION = Version(RegisteredModel("sqlite://", "segnet-toy"), "3", {})


def said(outcome, **changes):
    return advice(VERSION, Verdict(outcome, (), "data", {}, {}), scores(**changes), "reports/evaluation.html")


@pytest.mark.parametrize(
    ("outcome", "words", "address"),
    [
        (Outcome.PROMOTE, "it is the champion now: predictions by models:/segnet-toy@champion", "segnet-toy@champion"),
        (Outcome.HOLD, "it may be good, but there is no evidence that it is better: the champion, if any, stays", "/3"),
        (Outcome.REJECT, "it misses a limit, or is worse than the champion: the champion, if any, stays", "/3"),
    ],
)
def test_the_verdict_is_said_in_words_and_where_to_look_next(outcome, words, address):
    meaning, page, attempt, more = said(outcome)
    assert meaning.startswith(words)
    assert page == "where it is wrong, image by image: reports/evaluation.html"
    assert attempt.startswith("try it on your images: segnet predict IMAGE --model models:/segnet-toy")
    assert attempt.endswith(address)
    assert more == "all versions and decisions: segnet status, segnet history"


def test_classes_that_are_hardly_recognised_are_named_the_worst_first():
    counts = np.zeros((1, 3, 3), np.int64)
    counts[0] = [[15, 0, 0], [85, 15, 0], [10, 10, 0]]  # IoU 15/110, 15/110 and 0/20
    changes = {"counts": counts, "boundaries": np.zeros((1, 3, 5), np.int64), "ids": ("a",), "sequences": ("a",)}
    assert weak_classes(scores(**changes)) == [("car", 0.0), ("road", 15 / 110), ("sky", 15 / 110)]
    assert said(Outcome.PROMOTE, **changes)[1] == (
        "test IoU below 0.2, hardly recognised: car 0.00, road 0.14, sky 0.14"
    )
    assert said(Outcome.HOLD, **changes, split="val")[1].startswith("val IoU below 0.2, hardly recognised: car 0.00")


def test_of_many_weak_classes_the_worst_are_named_and_the_others_counted(monkeypatch):
    weak = [(f"class {i}", i / 1000) for i in range(40)]
    monkeypatch.setattr("pipeline.registry.advice.weak_classes", lambda scores: weak)
    line = said(Outcome.HOLD)[1]
    assert line.startswith("test IoU below 0.2, hardly recognised: class 0 0.00, class 1 0.00, ")
    assert line.endswith(", class 11 0.01 and 28 more")
    del weak[12:]
    assert said(Outcome.HOLD)[1].endswith(", class 10 0.01, class 11 0.01")


def test_an_iou_of_exactly_the_bound_and_a_class_that_does_not_occur_are_not_named():
    counts = np.zeros((1, 3, 3), np.int64)
    counts[0, 0] = [1, 4, 0]  # road: 1 of 5; sky and car are not in the masks
    changes = {"counts": counts, "boundaries": np.zeros((1, 3, 5), np.int64), "ids": ("a",), "sequences": ("a",)}
    assert weak_classes(scores(**changes)) == []
