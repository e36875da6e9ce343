"""The class table is consistent, and equals what it writes and reads back."""

import numpy as np
import pytest

from pipeline.core.classes import CAMVID, ClassTable

NAMES = ("road", "sky")
COLOURS = ((128, 64, 128), (70, 130, 180))


def table(names=NAMES, colours=COLOURS, weights=None, void_colour=(0, 0, 0)):
    return ClassTable(names=names, colours=colours, void_colour=void_colour, published_weights=weights)


def test_void_is_the_index_after_the_last_class():
    assert len(table()) == 2
    assert table().void == 2


def test_the_palette_paints_classes_then_void():
    palette = table().palette()
    assert palette.dtype == np.uint8
    assert palette.shape == (256, 3)
    assert palette[:3].tolist() == [[128, 64, 128], [70, 130, 180], [0, 0, 0]]
    assert not palette[2:].any()


@pytest.mark.parametrize("count", [2, 255])
def test_two_to_255_classes_with_any_colours_are_accepted(count):
    names = tuple(map(str, range(count)))
    colours = tuple((0, number, 255) for number in range(count))
    assert table(names, colours, void_colour=(255, 0, 255)).palette()[count].tolist() == [255, 0, 255]


@pytest.mark.parametrize("names", [("road",), tuple(str(i) for i in range(256))])
def test_too_few_or_too_many_classes_are_refused(names):
    with pytest.raises(ValueError, match=f"expected 2 to 255 classes, got {len(names)}"):
        table(names, COLOURS[:1] * len(names))


def test_the_same_name_twice_is_refused():
    with pytest.raises(ValueError, match=r"expected distinct class names, got .*road"):
        table(("road", "road"))


def test_a_colour_too_few_is_refused():
    with pytest.raises(ValueError, match="expected 2 colours, one per class, got 1"):
        table(colours=COLOURS[:1])


def test_a_weight_too_many_is_refused():
    with pytest.raises(ValueError, match="expected 2 published weights, one per class, got 3"):
        table(weights=(1.0, 1.0, 1.0))


def test_camvid_is_the_release():
    """Order, colours and weights of the SegNet tutorial: Scripts/test_segmentation_camvid.py, segnet_train.prototxt."""
    assert len(CAMVID) == CAMVID.void == 11
    assert list(zip(CAMVID.names, CAMVID.colours, CAMVID.published_weights, strict=True)) == [
        ("Sky", (128, 128, 128), 0.2595),
        ("Building", (128, 0, 0), 0.1826),
        ("Pole", (192, 192, 128), 4.5640),
        ("Road", (128, 64, 128), 0.1417),
        ("Pavement", (60, 40, 222), 0.9051),
        ("Tree", (128, 128, 0), 0.3826),
        ("SignSymbol", (192, 128, 128), 9.6446),
        ("Fence", (64, 64, 128), 1.8418),
        ("Car", (64, 0, 128), 0.6823),
        ("Pedestrian", (64, 64, 0), 6.2478),
        ("Bicyclist", (0, 128, 192), 7.3614),
    ]
    assert CAMVID.void_colour == (0, 0, 0)
    assert CAMVID.palette()[3].tolist() == [128, 64, 128]


@pytest.mark.parametrize("colour", [(0, 0, 256), (-1, 0, 0)])
def test_a_colour_out_of_range_is_refused(colour):
    with pytest.raises(ValueError, match=r"expected colour values from 0 to 255, got \(.*\); correct them"):
        table(colours=(COLOURS[0], colour))
    with pytest.raises(ValueError, match=r"expected colour values from 0 to 255, got \(.*\); correct them"):
        table(void_colour=colour)
