import json

import numpy as np
import pytest
from PIL import Image

from pipeline.data.annotations import panoptic

# Ids 0, 5 and 5 + 256 * 2 + 65536 * 1 = 66053.
PIXELS = np.array([[[0, 0, 0], [5, 0, 0]], [[5, 2, 1], [5, 2, 1]]], np.uint8)
SEGMENTS = [{"id": 5, "category_id": 1, "area": 1}, {"id": 66_053, "category_id": 2}]
SEVEN = {"id": 7, "file_name": "7.jpg"}
ANNOTATION = {"image_id": 7, "file_name": "7.png", "segments_info": SEGMENTS}


def write(root, *, segments=SEGMENTS, folder="annotations/panoptic_val", **changes):
    path = root / "annotations/panoptic_val.json"
    (root / folder).mkdir(parents=True)
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(PIXELS).save(root / folder / "7.png")
    tree = {
        "images": [SEVEN],
        "categories": [{"id": 1, "name": "sky"}, {"id": 2, "name": "cow"}],
        "annotations": [{"image_id": 7, "file_name": "7.png", "segments_info": segments}],
    }
    path.write_text(json.dumps(tree | changes))
    return path


def drawn(drawing):
    return drawing.draw(drawing.content(), None)


@pytest.mark.parametrize("folder", ["annotations/panoptic_val", "panoptic_val"])
def test_a_colour_is_the_id_of_a_segment_with_red_as_its_lowest_byte(tmp_path, folder):
    labelled = drawn(panoptic.read(write(tmp_path, folder=folder))["7.jpg"])
    assert [[labelled.names[code] for code in row] for row in labelled.codes] == [[None, "sky"], ["cow", "cow"]]


def test_segments_of_one_category_have_one_label(tmp_path):
    segments = [{"id": 5, "category_id": 2}, {"id": 66_053, "category_id": 2}]
    labelled = drawn(panoptic.read(write(tmp_path, segments=segments))["7.jpg"])
    assert (labelled.codes.tolist(), labelled.names) == ([[0, 1], [1, 1]], (None, "cow"))


def test_a_segment_without_a_category_has_a_label_that_says_so(tmp_path):
    labelled = drawn(panoptic.read(write(tmp_path, segments=SEGMENTS[:1]))["7.jpg"])
    assert labelled.names[labelled.codes[1, 0]] == "segment 66053, of no category"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"segments": [{"id": 5, "category_id": 3}]}, "expected a category of the file, got 3; correct the file"),
        ({"images": []}, "expected annotations of the images listed, got one of 7"),
        (
            {"segments": [SEGMENTS[0], SEGMENTS[0] | {"category_id": 2}]},
            "expected each segment of 7.png once, got 5 twice",
        ),
        (
            {"images": [SEVEN, SEVEN | {"file_name": "8.jpg"}]},
            "expected each id of an image once, got 7 twice; merge the",
        ),
        ({"annotations": [ANNOTATION, ANNOTATION]}, "expected each image once, got '7.jpg' twice; merge the two, or"),
        ({"folder": "png"}, "expected a folder panoptic_val with the PNGs of its segments, beside it or its folder"),
        ({"categories": None}, "expected COCO's panoptic annotations, got something else at categories: "),
    ],
)
def test_a_file_that_does_not_hold_together_is_refused(tmp_path, changes, reason):
    with pytest.raises(ValueError, match=f"panoptic_val.json: {reason}"):
        panoptic.read(write(tmp_path, **changes))


def test_a_png_that_is_gone_is_named(tmp_path):
    drawing = panoptic.read(write(tmp_path))["7.jpg"]
    drawing.file.unlink()
    with pytest.raises(ValueError, match=r"panoptic_val/7\.png: expected annotations that can be read, got .*No such"):
        drawing.content()
