import pytest

from pipeline.data.annotations import cvat

SQUARE = '<polygon label="cow" points="1,1;3,1;3,3;1,3" z_order="{}"/>'
COVERED = [[0] * 5, [0, 1, 1, 0, 0], [0, 1, 1, 0, 0], [0] * 5]


def write(folder, shapes, start='<?xml version="1.0"?>'):
    path = folder / "annotations.xml"
    image = f'<image id="0" name="sub/a.jpg" width="5" height="4">{shapes}</image>'
    path.write_text(f"{start}<annotations><version>1.1</version><meta/>{image}</annotations>")
    return path


def drawn(folder, shapes):
    return cvat.read(write(folder, shapes))["sub/a.jpg"]()


@pytest.mark.parametrize(
    "shape",
    [
        SQUARE.format(0),
        '<box label="cow" xtl="1" ytl="1" xbr="3" ybr="3"/>',
        '<mask label="cow" left="1" top="1" width="2" height="2" rle="0, 4"/>',
        f'<tag label="outdoors"/>{SQUARE.format(0)}',
    ],
)
def test_shapes_are_drawn_under_their_label(tmp_path, shape):
    labelled = drawn(tmp_path, shape)
    assert (labelled.codes.tolist(), labelled.names) == (COVERED, (None, "cow"))


def test_a_mask_is_runs_row_by_row_within_its_box(tmp_path):
    labelled = drawn(tmp_path, '<mask label="cow" left="1" top="1" width="3" height="2" rle="1,2,3"/>')
    assert labelled.codes.tolist() == [[0] * 5, [0, 0, 1, 1, 0], [0] * 5, [0] * 5]


ELLIPSE = '<ellipse label="cow" cx="2.5" cy="2" rx="1.8" ry="0.8"{}/>'
DIAGONAL = '<ellipse label="cow" cx="2" cy="2" rx="2.5" ry="0.6" rotation="45.00"/>'


@pytest.mark.parametrize(
    ("shape", "covered"),
    [
        (ELLIPSE.format(""), [[0] * 5, [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0] * 5]),
        (ELLIPSE.format(' rotation="90"'), [[0, 0, 1, 0, 0]] * 4),
        (DIAGONAL, [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0]]),
        (
            '<box label="cow" xtl="1" ytl="0" xbr="3" ybr="4" rotation="90.00"/>',
            [[0] * 5, [1, 1, 1, 1, 0], [1, 1, 1, 1, 0], [0] * 5],
        ),
    ],
)
def test_ellipses_and_boxes_may_be_turned_clockwise_around_their_centre(tmp_path, shape, covered):
    assert drawn(tmp_path, shape).codes.tolist() == covered


@pytest.mark.parametrize("shape", ["polyline", "points", "skeleton"])
def test_a_shape_without_an_area_is_refused_with_what_to_do(tmp_path, shape):
    reason = f"expected a shape with an area, got a {shape}, which gives no pixel a class; draw a polygon in its place"
    with pytest.raises(ValueError, match=rf"image sub/a.jpg: {reason}, or remove it; correct the file"):
        drawn(tmp_path, f'<{shape} label="cow" points="1,1;3,1"/>')


@pytest.mark.parametrize(("order", "covering"), [(1, "cow"), (-1, "field")])
def test_what_lies_above_by_z_order_covers(tmp_path, order, covering):
    field = '<box label="field" xtl="0" ytl="0" xbr="5" ybr="4"/>'
    labelled = drawn(tmp_path, SQUARE.format(order) + field)
    assert labelled.names[labelled.codes[1, 1]] == covering


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ('<cuboid label="cow"/>', "expected polygon, box, ellipse, mask, got a cuboid; correct the file"),
        (
            '<ellipse label="cow" cx="1" cy="1" rx="1" ry="nan"/>',
            "expected an ellipse within 40,000 pixels, with radii above 0, got the centre 1, 1, the radii 1, nan and a",
        ),
        ('<polygon points="1,1;3,1;3,3"/>', "expected a shape with the attribute 'label'; correct the file"),
        ('<polygon label="cow" points="1,1;3,x"/>', "could not convert string to float: 'x'; correct the file"),
        (
            '<mask label="cow" left="4" top="1" width="2" height="2" rle="0,4"/>',
            "expected a mask within 5 x 4, got 2 x 2 at 4, 1",
        ),
        ('<mask label="cow" left="1" top="1" width="2" height="2" rle="0,3"/>', "expected runs of 4 pixels together"),
    ],
)
def test_a_shape_that_cannot_be_drawn_is_named(tmp_path, shape, reason):
    with pytest.raises(ValueError, match=f"annotations.xml: image sub/a.jpg: {reason}"):
        drawn(tmp_path, shape)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<annotations><track/></annotations>", "a annotations without images"),
        ("{}", "not well-formed"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations><image name="&b;"/></annotations>', "EntitiesForbidden"),
        ('<annotations><image name="a" width="5"/></annotations>', "'height'"),
    ],
)
def test_another_document_is_refused(tmp_path, text, reason):
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(
        ValueError, match=r"expected CVAT's annotations, exported as CVAT for images, got .*; correct"
    ) as e:
        cvat.read(tmp_path / "a.xml")
    assert reason in str(e.value)
