import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from pipeline.data.annotations import coco

IMAGE = {"id": 7, "file_name": "a.jpg", "height": 4, "width": 5, "licence": 1}
COW = {"id": 21, "name": "cow", "supercategory": "animal"}
SQUARE = {"id": 1, "image_id": 7, "category_id": 21, "segmentation": [[1, 1, 3, 1, 3, 3, 1, 3]], "iscrowd": 0}
COVERED = [[0] * 5, [0, 1, 1, 0, 0], [0, 1, 1, 0, 0], [0] * 5]


def write(path, **changes):
    tree = {"images": [IMAGE], "categories": [COW, {"id": 90, "name": "field"}], "annotations": [SQUARE]} | changes
    path.write_text(json.dumps(tree))
    return path


def drawn(path, **changes):
    return coco.read(write(path / "instances.json", **changes))["a.jpg"].draw(b"", None)


def test_polygons_are_drawn_under_their_categories_name(tmp_path):
    labelled = drawn(tmp_path)
    assert (labelled.codes.tolist(), labelled.names, labelled.orientation) == (COVERED, (None, "cow"), 1)


def test_an_image_without_annotations_is_covered_by_none(tmp_path):
    labelled = drawn(tmp_path, annotations=[])
    assert (labelled.codes.any(), labelled.codes.shape, labelled.names) == (False, (4, 5), (None,))


@pytest.mark.parametrize("compressed", [False, True])
def test_runs_go_down_the_columns_as_pycocotools_writes_them(tmp_path, compressed):
    wanted = np.array(COVERED, np.uint8)
    runs = {"size": [4, 5], "counts": [5, 2, 2, 2, 9]}  # 4 + 1 above the first of the two columns of two
    if compressed:
        runs = coco_mask.encode(np.asfortranarray(wanted))
        runs["counts"] = runs["counts"].decode()
    assert (drawn(tmp_path, annotations=[SQUARE | {"segmentation": runs}]).codes == wanted).all()


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ([], "annotation 1: expected a polygon, got none; correct the file"),
        (None, "annotation 1: expected a polygon, got none"),
        ({"size": [5, 4], "counts": [20]}, "annotation 1: expected runs of 5 x 4 pixels, got 4 x 5"),
        ({"size": [4, 5], "counts": [21]}, "annotation 1: expected runs of 20 pixels together, got 21"),
        ({"size": [4, 5], "counts": "0" * 40 + "oooooo"}, "annotation 1: "),
    ],
)
def test_a_shape_that_cannot_be_drawn_is_named(tmp_path, shape, reason):
    with pytest.raises(ValueError, match=f"instances.json: image a.jpg: {reason}"):
        drawn(tmp_path, annotations=[SQUARE | {"segmentation": shape}])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"categories": []}, "expected a category of the file, got 21; correct the file"),
        ({"images": []}, "expected annotations of the images listed, got one of 7"),
        (
            {"images": [IMAGE, IMAGE | {"file_name": "b.jpg"}]},
            "expected each id of an image once, got 7 twice; merge the",
        ),
        (
            {"images": [IMAGE, IMAGE | {"id": 8}]},
            "expected each image once, got 'a.jpg' twice; merge the two, or remove",
        ),
        ({"categories": [COW, COW | {"name": "ox"}]}, "expected each id of a category once, got 21 twice; merge the"),
        ({"annotations": 3}, r"expected COCO's annotations with polygons, got something else at annotations: Input"),
    ],
)
def test_a_file_that_does_not_hold_together_is_refused(tmp_path, changes, reason):
    with pytest.raises(ValueError, match=f"instances.json: {reason}"):
        coco.read(write(tmp_path / "instances.json", **changes))


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path):
    path = write(tmp_path / "instances.json")
    path.write_text(path.read_text(), "utf-8-sig")
    assert list(coco.read(path)) == ["a.jpg"]


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"x.json: expected COCO's annotations with polygons, which can be read: "):
        coco.read(tmp_path / "x.json")
