import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from pipeline.data.annotations import labelme

SQUARE = {"label": "cow", "points": [[1, 1], [3, 1], [3, 3], [1, 3]], "shape_type": "polygon", "group_id": None}
COVERED = [[0] * 5, [0, 1, 1, 0, 0], [0, 1, 1, 0, 0], [0] * 5]


def drawn(folder, *shapes, **changes):
    tree = {"version": "5.4.1", "shapes": shapes, "imagePath": "a.jpg", "imageHeight": 4, "imageWidth": 5} | changes
    (folder / "a.json").write_text(json.dumps(tree))
    drawing = labelme.drawing_of(folder / "a.json")
    return drawing.draw(drawing.content(), None)


@pytest.mark.parametrize("changes", [{}, {"shape_type": None}, {"shape_type": "rectangle", "points": [[3, 3], [1, 1]]}])
def test_polygons_and_rectangles_are_drawn_under_their_label(tmp_path, changes):
    labelled = drawn(tmp_path, SQUARE | changes)
    assert (labelled.codes.tolist(), labelled.names) == (COVERED, (None, "cow"))


def test_a_circle_is_drawn_from_its_centre_and_a_point_on_it(tmp_path):
    labelled = drawn(tmp_path, SQUARE | {"shape_type": "circle", "points": [[2, 2], [2, 3.6]]})
    # Its radius is 1.6. The pixels' centres are 0.71, 1.58 or, in the corners of the square of four by four, 2.12 away.
    assert labelled.codes.tolist() == [[0, 1, 1, 0, 0], [1, 1, 1, 1, 0], [1, 1, 1, 1, 0], [0, 1, 1, 0, 0]]


def encoded(rows, mode="1"):
    file = io.BytesIO()
    Image.fromarray(np.array(rows, np.uint8) * 255).convert(mode).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@pytest.mark.parametrize("mode", ["1", "L"])
def test_a_mask_lies_between_its_first_and_its_last_pixel(tmp_path, mode):
    mask = {"shape_type": "mask", "points": [[2.0, 1.9], [4.4, 2.0]], "mask": encoded([[1, 0, 1], [0, 1, 0]], mode)}
    labelled = drawn(tmp_path, SQUARE | mask)
    assert labelled.codes.tolist() == [[0] * 5, [0, 0, 1, 0, 1], [0, 0, 0, 1, 0], [0] * 5]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"points": [[1, 1], [3, 3]]},
            r"expected the mask's first and last pixel .* as its points, got .*mask of 3 x 2",
        ),
        ({"points": [[3, 1], [5, 2]]}, r"expected the mask's first and last pixel within the image"),
        ({"points": [[1, 1]]}, r"expected the mask's first and last pixel within the image"),
        ({"points": [[1, float("nan")], [3, 2]]}, "expected LabelMe's annotations"),
        ({"mask": encoded([[1, 0, 1], [0, 1, 0]], "RGB")}, "expected the mask as a grey image, got 3 channels"),
        ({"mask": None}, "expected the mask as an image in base64: expected an image"),
        ({"mask": "?"}, "expected the mask as an image in base64: "),
        (
            {"mask": base64.b64encode(b"no image").decode()},
            "expected the mask as an image in base64: expected an image",
        ),
    ],
)
def test_a_mask_that_is_none_or_does_not_fit_is_refused(tmp_path, changes, reason):
    mask = {"shape_type": "mask", "points": [[1, 1], [3, 2]], "mask": encoded([[1, 0, 1], [0, 1, 0]])}
    with pytest.raises(ValueError, match=reason):
        drawn(tmp_path, SQUARE | mask | changes)


def test_a_turned_rectangle_is_its_four_corners(tmp_path):
    labelled = drawn(tmp_path, SQUARE | {"shape_type": "oriented_rectangle"})
    assert labelled.codes.tolist() == COVERED


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        *(
            (
                {"shape_type": each},
                f"expected a polygon, a mask, or a rectangle or circle of two points, got a {each} of 4; c",
            )
            for each in ("circle", "rectangle", "cube")
        ),
        *(
            ({"shape_type": each}, f"expected a shape with an area, got a {each}; draw around what it shows, or remove")
            for each in ("line", "linestrip", "point", "points")
        ),
        (
            {"shape_type": "circle", "points": [[1, 1], [1, 1]]},
            r"expected numbers and radii above 0, got 0 and 0 at \(1.0, 1.0\); correct",
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
