import random

import numpy as np
import pytest

from pipeline.core.metrics import scores
from pipeline.evaluation.report.selection import Selection


def matrix(right, wrong):
    """Return two classes' counts: the first has right / (right + wrong) as IoU, the second 0, or none without wrong."""
    return np.array([[right, wrong], [0, 0]])


def shown(images, **options):
    """Return the ids of the images that are left, of {id: (confusion matrix, classes in its truth)}."""
    selection, left = Selection(2, **options), set()
    for name, (counts, present) in images.items():
        is_shown, dropped = selection.offer(name, scores(counts), present)
        assert set(dropped) <= left
        left = (left | {name} if is_shown else left) - set(dropped)
    return left, selection.described()


def test_the_worst_are_shown_and_the_worst_of_each_class():
    images = {f"a{i}": (matrix(10 + i, 10), (0,)) for i in range(5)}  # mean IoU of 0.25 and more
    images |= {
        f"b{i}": (np.array([[99, 0], [1, i]]), (0, 1)) for i in range(4)
    }  # of 0.495 (i = 0: 0.5 * 0.99) and more
    left, described = shown(images, worst=2, of_classes=2)
    # The two worst are a0 and a1; of the first class a0 has the lowest IoU, of the second b0.
    assert left == {"a0", "a1", "b0"}
    assert described == (
        "3 of 9 images: the 2 with the lowest mean IoU, and of each class the 1 in which its IoU is lowest."
    )


def test_few_images_are_all_shown_and_nothing_is_said():
    images = {f"a{i}": (matrix(i, 10), (0,)) for i in range(3)}
    assert shown(images, worst=3, of_classes=2) == ({"a0", "a1", "a2"}, "")


def test_an_image_without_a_score_is_the_last_to_be_shown():
    nothing = np.zeros((2, 2), np.int64)
    images = {"none": (nothing, ()), "good": (matrix(9, 1), (0,)), "bad": (matrix(1, 9), (0,))}
    assert shown(images, worst=2, of_classes=2)[0] == {"good", "bad"}


@pytest.mark.parametrize("seed", range(5))
def test_what_is_shown_does_not_depend_on_the_order(seed):
    rng = np.random.default_rng(0)
    images = {f"{i:03}": (rng.integers(0, 4, (2, 2)), (0, 1)) for i in range(200)}  # many of equal scores
    shuffled = dict(random.Random(seed).sample(sorted(images.items()), len(images)))
    left, _ = shown(shuffled, worst=20, of_classes=10)

    def worst(value, number):
        known = [name for name in images if not np.isnan(value(name))]
        return set(sorted(known, key=lambda name: (value(name), name))[:number])

    expected = worst(lambda name: scores(images[name][0]).miou, 20)
    for label in (0, 1):
        expected |= worst(lambda name, label=label: scores(images[name][0]).class_ious[label], 5)
    assert left == expected
