"""A model that has seen what is held out is refused, as far back as trainings are recorded."""

import re

import pytest

from pipeline.crossvalidation import ancestry

RECORDED = {
    "scenes-1": {"dataset": "scenes", "model.start_from": "null"},
    "camvid-1": {"dataset": "camvid", "start_from.run": "scenes-1"},
    "mine-1": {"dataset": "mine", "start_from.run": "camvid-1"},
    "mine-2": {"dataset": "mine", "start_from.run": "elsewhere"},
}


def check(held_out, dataset, run):
    return ancestry.check(held_out, dataset, run, RECORDED.get)


@pytest.mark.parametrize(("dataset", "run"), [("scenes", "scenes-1"), ("camvid", "camvid-1"), ("mine", "mine-1")])
def test_a_model_whose_data_sets_are_all_others_is_taken(dataset, run):
    assert check("streets", dataset, run) is None


@pytest.mark.parametrize(
    ("held_out", "dataset", "run", "got"),
    [
        ("scenes", "scenes", "scenes-1", "scenes-1 on it"),
        ("scenes", "scenes", "elsewhere", "elsewhere on it"),  # its own model.json says so
        ("scenes", "camvid", "camvid-1", "scenes-1 on it, from which that of camvid-1 started"),
        ("scenes", "mine", "mine-1", "scenes-1 on it, from which that of mine-1 started"),
        ("camvid", "mine", "mine-1", "camvid-1 on it, from which that of mine-1 started"),
    ],
)
def test_a_model_that_has_learnt_from_the_data_set_is_refused(held_out, dataset, run, got):
    message = (
        f"model.start_from: expected a model that has not learnt from the data set {held_out}, of which images are "
        f"held out, got that of training {got}; start from a model of another data set, or from none "
        "(-S model.start_from=null)"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check(held_out, dataset, run)


@pytest.mark.parametrize(("dataset", "run"), [("camvid", "elsewhere"), ("mine", "mine-2")])
def test_where_the_record_ends_what_is_not_known_is_said(dataset, run):
    assert check("scenes", dataset, run) == (
        "model.start_from: training elsewhere is not in the MLflow store: whether a model that it started from, or "
        "itself, has learnt from the data set scenes, of which images are held out, is not known"
    )
