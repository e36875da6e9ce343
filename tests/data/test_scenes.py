import hashlib
import re

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from pipeline.core.classes import CAMVID
from pipeline.data.scenes import CLASSES, draw
from pipeline.data.scenes.labels import Label

# CamVid's training pixels of each class, then of void: SegNet release, 367 masks of 480 x 360.
CAMVID_PIXELS = (
    10_682_767, 14_750_079, 623_349, 20_076_880, 2_845_085, 6_166_762,
    743_859, 714_595, 3_719_877, 405_385, 184_967, 2_503_995,
)  # fmt: skip


@pytest.fixture(scope="module")
def scenes() -> tuple[np.ndarray, np.ndarray]:
    """48 images and masks: 2 frames of each of 24 sequences."""
    drawn = [draw(7, sequence, frame, height=96, width=128) for sequence in range(24) for frame in (0, 3)]
    return np.stack([image for image, _ in drawn]), np.stack([mask for _, mask in drawn])


def test_labels_are_the_classes_of_camvid_and_void():
    names = [name.upper() for name in (*CAMVID.names, "void")]
    assert [label.name.replace("_", "") for label in Label] == names
    assert (CLASSES.names, CLASSES.colours, CLASSES.published_weights) == (CAMVID.names, CAMVID.colours, None)


def test_a_seed_gives_these_bytes_on_every_machine():
    image, mask = draw(7, 0, 0, height=96, width=128)
    digest = hashlib.sha256(image.tobytes() + mask.tobytes()).hexdigest()
    assert digest == "a942c95b2f3264d4da450bebefb7f3daba7fbf16dd148f9091f1c7b13be0e210", (
        "the scenes look different now: record new results in docs/results.md, and this digest"
    )


@pytest.mark.parametrize("other", [(8, 0, 0), (7, 1, 0), (7, 0, 1)])
def test_another_seed_sequence_or_frame_is_another_picture(other):
    image, mask = draw(7, 0, 0, height=48, width=64)
    other_image, other_mask = draw(*other, height=48, width=64)
    assert (image != other_image).mean() > 0.5
    assert (mask != other_mask).mean() > 0.02


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (32, 200), (200, 32), (97, 131)])
def test_any_size_from_32_pixels_on_can_be_drawn(size):
    for sequence in range(4):
        image, mask = draw(1, sequence, 5, height=size[0], width=size[1])
        assert (image.shape, image.dtype) == ((*size, 3), np.uint8)
        assert (mask.shape, mask.dtype) == (size, np.uint8)
        assert mask.max() <= Label.VOID
        assert {Label.SKY, Label.ROAD} <= set(np.unique(mask).tolist())


def test_a_larger_picture_shows_the_same_scene():
    _, small = draw(7, 2, 1, height=96, width=128)
    _, large = draw(7, 2, 1, height=288, width=384)
    labelled = (small != Label.VOID) & (large[1::3, 1::3] != Label.VOID)
    assert (small == large[1::3, 1::3])[labelled].mean() > 0.9


def test_most_pictures_show_every_class(scenes):
    shown = np.array([(scenes[1] == label).any(axis=(1, 2)).mean() for label in Label])
    assert shown.min() > 0.7
    assert shown[[Label.SKY, Label.BUILDING, Label.ROAD, Label.PAVEMENT, Label.TREE, Label.CAR]].min() > 0.9


def test_classes_are_as_uneven_as_in_camvid(scenes):
    shares = np.bincount(scenes[1].ravel(), minlength=12) / scenes[1].size
    ratio = shares / (np.array(CAMVID_PIXELS) / sum(CAMVID_PIXELS))
    frequent = [Label.SKY, Label.BUILDING, Label.ROAD, Label.TREE]
    assert 1 / 1.5 < ratio[frequent].min() <= ratio[frequent].max() < 1.5
    assert 1 / 2.5 < ratio.min() <= ratio.max() < 2.5


def test_colour_alone_does_not_tell_the_classes(scenes):
    colours, labels = (part.reshape(24, -1, *part.shape[3:]) for part in scenes)  # sequences, their pixels
    train = slice(0, 16), slice(None, None, 7)
    known = labels[train] != Label.VOID
    tree = DecisionTreeClassifier(max_depth=12, min_samples_leaf=10, random_state=0)
    tree.fit(colours[train][known], labels[train][known])
    test = slice(16, 24), slice(None, None, 5)
    known = labels[test] != Label.VOID
    guess, truth = tree.predict(colours[test][known]), labels[test][known]
    both = np.bincount(truth.astype(int) * 11 + guess, minlength=121).reshape(11, 11)
    iou = np.diag(both) / (both.sum(axis=0) + both.sum(axis=1) - np.diag(both))
    assert iou.mean() < 0.33


def test_void_lies_on_borders_between_classes(scenes):
    around = []
    for mask in scenes[1][:8]:
        void = np.argwhere(mask[2:-2, 2:-2] == Label.VOID) + 2
        around += [len(np.unique(mask[y - 2 : y + 3, x - 2 : x + 3])) for y, x in void]
    assert np.mean(np.array(around) > 2) > 0.75  # void and two classes; litter bins are void as well


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1, 0, 0, 32, 32), "expected seed, sequence and frame >= 0, got -1, 0 and 0"),
        ((0, 0, 0, 31, 64), "expected height and width >= 32 pixels, got 31 x 64; draw a larger scene"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        draw(*arguments[:3], height=arguments[3], width=arguments[4])
