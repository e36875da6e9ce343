"""What masks hold: palettes that differ, values that are ambiguous, and depths beyond 8 bits."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from pipeline.data.pairing import Pair
from pipeline.planning import contents
from pipeline.planning.listing import Listing
from pipeline.planning.names import class_table

RED, GREEN = (250, 50, 83), (51, 221, 55)


@pytest.fixture
def masks(tmp_path):
    """Return what is found in masks, which a function writes as files of a suffix."""

    def found(*images, suffix=".png", **options):
        for i, image in enumerate(images):
            image.save(tmp_path / f"{i}{suffix}", **options)
        pairs = [Pair(f"{i}.jpg", f"{i}{suffix}") for i in range(len(images))]
        return contents.of_masks(tmp_path, pairs)

    return found


def table_of(found):
    return class_table.propose(found, Listing(None, (), ()), "0.png")


def coded(*values):
    return Image.fromarray(np.array([values], np.uint8))


def coloured(*colours):
    return Image.fromarray(np.array([colours], np.uint8))


@pytest.mark.parametrize("suffix", [".png", ".gif"])
def test_where_each_mask_has_a_palette_of_its_own_the_colours_tell_the_classes(masks, suffix):
    images = [coloured((0, 0, 0), RED).quantize(), coloured((0, 0, 0), GREEN).quantize()]
    found = masks(*images, suffix=suffix)
    assert found.kind == "colour"
    assert found.pixels == {0: 2, 0xFA3253: 1, 0x33DD37: 1}
    [question] = found.questions
    assert question.startswith("Do colours or values tell the classes? Value ")
    assert f"in 0{suffix} and " in question
    assert question.endswith(f"in 1{suffix}. Default: colours, since palettes differ")
    assert question in table_of(found).questions


def bit(*values):
    return Image.fromarray(np.array([values], bool))


def negative(*values):
    image = coded(*values)
    image.putpalette([255, 255, 255, 0, 0, 0])
    return image


@pytest.mark.parametrize("suffix", [".png", ".bmp"])
def test_where_0_is_black_in_some_masks_and_white_in_others_the_colours_tell_the_classes(masks, suffix):
    found = masks(bit(0, 0, 1), negative(1, 1, 0), suffix=suffix)
    assert (found.kind, found.pixels) == ("colour", {0: 4, 0xFFFFFF: 2})
    assert found.questions == (
        f"Do colours or values tell the classes? Value 0 is lighter than 1 in 1{suffix} and darker in 0{suffix}. "
        "Default: colours",
    )


def test_a_tiff_may_store_white_as_0_too(masks, tmp_path):
    assert masks(bit(0, 0, 1), suffix=".tif").kind == "index"
    bit(0, 0, 1).save(tmp_path / "white.tif", tiffinfo={262: 0})
    found = contents.of_masks(tmp_path, [Pair(name, name) for name in ("0.tif", "white.tif")])
    assert (found.kind, found.pixels) == ("colour", {0: 4, 0xFFFFFF: 2})


@pytest.mark.parametrize("images", [[negative(0, 1)] * 2, [bit(0, 1), coded(0, 1)]])
def test_masks_that_agree_on_what_is_lighter_are_told_by_values(masks, images):
    assert (masks(*images).kind, masks(*images).questions) == ("index", ())


def test_a_palette_that_all_masks_share_gives_the_classes_their_colours(masks):
    images = [coded(0, 1), coded(0, 2)]
    for image in images:
        image.putpalette([0, 0, 0, *RED, *GREEN])
    found = masks(*images)
    assert (found.kind, found.palette, found.questions) == ("index", {0: (0, 0, 0), 1: RED, 2: GREEN}, ())


def test_a_palette_with_a_transparent_entry_is_one(masks):
    images = [coded(0, 1), coded(0, 2)]
    for image in images:
        image.putpalette([0, 0, 0, *RED, *GREEN])
    assert masks(*images, transparency=0).palette[1] == RED


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_tell_the_classes_of_an_opaque_mask_in_colour(masks, mode):
    found = masks(coloured((0, 0, 0), RED).convert(mode))
    assert (found.kind, found.pixels) == ("colour", {0: 1, 0xFA3253: 1})


def test_grey_masks_among_such_in_colour_are_colours(masks):
    """As programs write them that save a mask of black and white alone in grey."""
    found = masks(coded(0, 0), coloured((0, 0, 0), RED), coded(0, 255))
    assert (found.kind, found.pixels) == ("colour", {0: 4, 0xFA3253: 1, 0xFFFFFF: 1})


def test_a_photograph_among_index_masks_is_named(masks, tmp_path):
    pixels = np.arange(300 * 3, dtype=np.uint16).reshape(1, 300, 3) // 4
    with pytest.raises(ValueError, match=rf"^{tmp_path}/1\.png: expected an index mask of one channel, got 3 \(RGB\)"):
        masks(coded(0, 1), Image.fromarray(pixels.astype(np.uint8)), coded(1, 2))


@pytest.mark.parametrize(("dtype", "suffix"), [(np.uint16, ".png"), (np.uint16, ".tif"), (np.int32, ".tif")])
def test_values_of_more_than_8_bits_are_read_where_they_are_small(masks, dtype, suffix):
    found = masks(Image.fromarray(np.array([[0, 1, 2]], dtype)), suffix=suffix)
    assert (found.kind, found.pixels) == ("index", {0: 1, 1: 1, 2: 1})


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (np.array([[0, 1000]], np.uint16), r"expected mask values 0..255, got 0..1000; renumber the classes"),
        (np.zeros((1, 2, 2), np.uint8), r"expected an index mask of one channel, got 2 \(LA\)"),
    ],
)
def test_a_grey_mask_that_cannot_be_read_is_named_with_what_is_wrong_with_its_values(masks, tmp_path, image, reason):
    with pytest.raises(ValueError, match=rf"{tmp_path}/0.png: {reason}"):
        masks(Image.fromarray(image))


def test_of_many_masks_the_one_that_lost_labels_is_named(tmp_path):
    coded(0, 1).save(tmp_path / "0.png")
    coded(0, 1).save(tmp_path / "1.jpg")
    pairs = [Pair("a.jpg", "0.png"), Pair("b.jpg", "1.jpg")]
    with pytest.raises(ValueError, match=rf"^{tmp_path}/1.jpg: expected a mask in lossless compression, got JPEG"):
        contents.of_masks(tmp_path, pairs)


def test_1_and_255_that_no_mask_holds_together_are_one_class(masks):
    table = table_of(masks(Image.fromarray(np.array([[False, True]])), coded(0, 255)))
    assert [(row.label, row.name, row.ignore) for row in table.rows] == [
        (0, "class_0", False),
        (1, "class_1", False),
        (255, "class_1", False),
    ]
    assert table.questions[0] == "What are the classes called? Default: class_0, class_1"
    assert table.questions[1] == (
        "Are 1 and 255 the same class? Default: yes: some masks hold 0 and 1, others 0 and 255, none both"
    )


@pytest.mark.parametrize(("with_void", "is_asked"), [((1, 255), False), ((0, 255), True)])
def test_255_beside_other_classes_is_ignored_and_asked_about_where_no_mask_holds_both(masks, with_void, is_asked):
    table = table_of(masks(coded(0, 1, 2), coded(*with_void)))
    assert [row.label for row in table.rows if row.ignore] == [255]
    question = "Is 255 a class? Default: no, it is ignored, though no mask holds it beside another value than 0"
    assert (question in table.questions) == is_asked


@pytest.mark.parametrize("in_colour", [False, True])
def test_soft_borders_are_asked_about(masks, in_colour):
    values = np.repeat([0, *range(40, 240, 20), 255], [500, *[2] * 10, 500]).astype(np.uint8)
    table = table_of(masks(Image.fromarray(np.stack([values] * 3, 1)[None] if in_colour else values[None])))
    what = "colours" if in_colour else "values"
    question = f"10 {what} have 1.96% of the pixels together: were the masks drawn with soft borders?"
    remedy = "If yes: write the masks anew with hard borders, those of two classes by a threshold, and run segnet init"
    assert f"{question} Default: no, each is a class. {remedy} again" in table.questions


# 24 values have 0.45% each, a tenth together; of four there are no more than twice the others, of five there are.
@pytest.mark.parametrize(("rare", "pixels", "is_asked"), [(24, 5, False), (20, 5, True), (4, 2, False), (5, 2, True)])
def test_rare_classes_may_be_classes(masks, rare, pixels, is_asked):
    values = np.repeat([0, *range(10, 10 + rare * 10, 10), 255], [500, *[pixels] * rare, 500]).astype(np.uint8)
    assert any("soft borders" in question for question in table_of(masks(Image.fromarray(values[None]))).questions) == (
        is_asked
    )


@pytest.mark.parametrize(
    ("values", "mask", "is_asked"),
    [(range(3), "2007_000032.png", True), (range(21), "2007_000032.png", False), (range(21), "0.png", True)],
)
def test_names_that_the_layout_alone_suggests_are_asked_about(masks, values, mask, is_asked):
    found = masks(coded(*values))
    table = class_table.propose(found, Listing(None, (), ()), f"SegmentationClass/{mask}")
    assert [row.name for row in table.rows][:3] == ["background", "aeroplane", "bicycle"]
    question = "Are the classes Pascal VOC's, by the layout? Default: yes; if no, correct the names in dataset.classes"
    assert (question in table.questions) == is_asked


def test_0_1_and_255_in_one_mask_are_two_classes_and_void(masks):
    table = table_of(masks(coded(0, 1, 255), coded(0, 255)))
    assert [(row.label, row.ignore) for row in table.rows] == [(0, False), (1, False), (255, True)]


def test_labels_that_nobody_tells_apart_are_one_class_and_asked_about():
    composed, decomposed = "R\u00fcbe", "Ru\u0308be"
    by_mask = {"a": Counter({None: 5, "Traffic sign": 2, "traffic  sign ": 3, composed: 2, decomposed: 1})}
    table = table_of(contents.Contents("labelme", by_mask, 1, {}))
    assert {row.label: row.name for row in table.rows} == {
        None: "background",
        "Traffic sign": "traffic sign",
        "traffic  sign ": "traffic sign",
        composed: composed,
        decomposed: composed,
    }
    assert "Are 'Traffic sign' and 'traffic  sign ' one class? Default: yes, traffic sign" in table.questions


def test_labels_that_differ_in_what_is_not_seen_are_one_class_and_lines_are_one():
    by_mask = {"a": Counter({None: 5, "sign": 3, "si\u200bgn": 2, "traffic\nlight\x1b": 1})}
    table = table_of(contents.Contents("labelme", by_mask, 1, {}))
    assert {row.label: row.name for row in table.rows} == {
        None: "background",
        "sign": "sign",
        "si\u200bgn": "sign",
        "traffic\nlight\x1b": "traffic light",
    }
    assert "Are 'sign' and 'si\\u200bgn' one class? Default: yes, sign" in table.questions


SQUARE = np.pad(np.full((10, 10), 255, np.uint8), 5)


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ([SQUARE, SQUARE, SQUARE], True),
        ([SQUARE, np.pad(np.full((10, 9), 255, np.uint8), ((5, 5), (5, 6)))], True),  # 90 of 100 pixels in both
        ([SQUARE, np.pad(np.full((10, 8), 255, np.uint8), ((5, 5), (5, 7)))], False),  # 80 of 100
        ([SQUARE, np.roll(SQUARE, 5, 1)], False),  # 50 of 150
        ([SQUARE], False),  # there is nothing to compare
        ([SQUARE, SQUARE[:-1]], False),  # of another size
        ([SQUARE // 255 * 3 + np.eye(20, dtype=np.uint8)] * 2, False),  # four labels
        ([np.dstack([SQUARE] * 3)] * 2, True),  # colours
    ],
)
def test_masks_of_one_shape_are_told_by_the_pixels_that_two_labels_cover_in_all(tmp_path, arrays, expected):
    for i, array in enumerate(arrays):
        Image.fromarray(array).save(tmp_path / f"{i}.png")
    pairs = [Pair(f"{i}.jpg", f"{i}.png") for i in range(len(arrays))]
    assert contents.are_of_one_shape(tmp_path, pairs) == expected
