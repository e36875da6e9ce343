import json

import pytest

from pipeline.data.annotations import labelme

SQUARE = {"label": "cow", "points": [[1, 1], [3, 1], [3, 3], [1, 3]], "shape_type": "polygon", "group_id": None}
COVERED = [[0] * 5, [0, 1, 1, 0, 0], [0, 1, 1, 0, 0], [0] * 5]


def drawn(folder, *shapes, **changes):
    tree = {"version": "5.4.1", "shapes": shapes, "imagePath": "a.jpg", "imageHeight": 4, "imageWidth": 5} | changes
    (folder / "a.json").write_text(json.dumps(tree))
    return labelme.draw(folder / "a.json")


@pytest.mark.parametrize("changes", [{}, {"shape_type": None}, {"shape_type": "rectangle", "points": [[3, 3], [1, 1]]}])
def test_polygons_and_rectangles_are_drawn_under_their_label(tmp_path, changes):
    labelled = drawn(tmp_path, SQUARE | changes)
    assert (labelled.codes.tolist(), labelled.names) == (COVERED, (None, "cow"))


def test_a_circle_is_its_centre_and_a_point_on_it(tmp_path):
    labelled = drawn(tmp_path, SQUARE | {"shape_type": "circle", "points": [[2.5, 2], [2.5, 3.2]]})
    # Centres of pixels at most 1.2 from (2.5, 2): those half a pixel above and below, up to one to the left and right.
    assert labelled.codes.tolist() == [[0] * 5, [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0] * 5]


@pytest.mark.parametrize("shape", ["line", "linestrip", "point", "points"])
def test_a_shape_without_an_area_is_refused_with_what_to_do(tmp_path, shape):
    reason = f"expected a shape with an area, got a {shape}, which gives no pixel a class; draw a polygon in its place"
    with pytest.raises(ValueError, match=rf"a.json: shape cow: {reason}, or remove it; correct the file"):
        drawn(tmp_path, SQUARE | {"shape_type": shape, "points": [[1, 1], [3, 1]]})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"shape_type": "circle"},
            "expected a polygon, or a rectangle or circle of two points, got a circle of 4; correct",
        ),
        (
            {"shape_type": "rectangle"},
            "expected a polygon, or a rectangle or circle of two points, got a rectangle of 4; correct",
        ),
        (
            {"shape_type": "circle", "points": [[1, 1], [1, 1]]},
            "expected an ellipse within 40,000 pixels, with radii above 0, got the centre 1, 1, the radii 0, 0 and a",
        ),
        ({"points": [[1, 1], [3, 3]]}, "expected x and y of three corners or more, got 4 numbers; correct the file"),
    ],
)
def test_another_shape_is_refused(tmp_path, changes, reason):
    with pytest.raises(ValueError, match=f"a.json: shape cow: {reason}"):
        drawn(tmp_path, SQUARE | changes)


def test_another_document_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"a.json: expected LabelMe's annotations, got something else at imageHeight"):
        drawn(tmp_path, imageHeight=None)
