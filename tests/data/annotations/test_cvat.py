import pytest

from pipeline.data.annotations import cvat

SQUARE = '<polygon label="cow" points="1,1;3,1;3,3;1,3" z_order="{}"/>'
ACROSS, DOWN = [(y, x) for y in (1, 2) for x in range(4)], [(y, x) for y in range(4) for x in (1, 2)]
COVERED = [[0] * 5, [0, 1, 1, 0, 0], [0, 1, 1, 0, 0], [0] * 5]


def write(folder, shapes, start='<?xml version="1.0"?>'):
    path = folder / "annotations.xml"
    image = f'<image id="0" name="sub/a.jpg" width="5" height="4">{shapes}</image>'
    path.write_text(f"{start}<annotations><version>1.1</version><meta/>{image}</annotations>")
    return path


def drawn(folder, shapes):
    return cvat.read(write(folder, shapes))["sub/a.jpg"].draw(b"", None)


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


@pytest.mark.parametrize(
    ("shape", "covered"),
    [  # in an image of 5 x 4, about the centre (2, 2)
        ('<box label="cow" xtl="0" ytl="1" xbr="4" ybr="3" rotation="0.0"/>', ACROSS),
        ('<box label="cow" xtl="0" ytl="1" xbr="4" ybr="3" rotation="90"/>', DOWN),
        ('<ellipse label="cow" cx="2" cy="2" rx="2" ry="0.9"/>', ACROSS),
        ('<ellipse label="cow" cx="2" cy="2" rx="2" ry="0.9" rotation="90.0"/>', DOWN),
        ('<ellipse label="cow" cx="2" cy="2" rx="2.5" ry="0.6" rotation="45"/>', [(0, 0), (1, 1), (2, 2), (3, 3)]),
    ],
)
def test_what_is_turned_is_turned_clockwise(tmp_path, shape, covered):
    rows, columns = drawn(tmp_path, shape).codes.nonzero()
    assert sorted(zip(rows.tolist(), columns.tolist(), strict=True)) == covered


@pytest.mark.parametrize(("order", "covering"), [(1, "cow"), (-1, "field")])
def test_what_lies_above_by_z_order_covers(tmp_path, order, covering):
    field = '<box label="field" xtl="0" ytl="0" xbr="5" ybr="4"/>'
    labelled = drawn(tmp_path, SQUARE.format(order) + field)
    assert labelled.names[labelled.codes[1, 1]] == covering


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ('<cuboid label="cow" xtl1="1"/>', "expected polygon, box, ellipse, mask, got a cuboid; correct the file"),
        ('<polyline label="cow" points="1,1;3,1"/>', "expected a shape with an area, got a polyline; draw around what"),
        ('<points label="cow" points="1,1"/>', "expected a shape with an area, got a points; draw around what it"),
        ('<ellipse label="cow" cx="1" cy="1" rx="0" ry="1"/>', "expected numbers and radii above 0, got 0 and 1 at"),
        ('<ellipse label="cow" cx="1" cy="1" rx="1"/>', "expected a shape with the attribute 'ry'; correct the file"),
        ('<polygon points="1,1;3,1;3,3"/>', "expected a shape with the attribute 'label'; correct the file"),
        ('<polygon label="cow" points="1,1;3,x"/>', "expected a number, got 'x'; correct the file"),
        (
            '<mask label="cow" left="1.5" top="1" width="2" height="2" rle="0,4"/>',
            "expected a number, got '1.5'; corre",
        ),
        ('<mask label="cow" left="1" top="1" width="2" height="2" rle="0,,4"/>', "expected a number, got ''; correct"),
        ('<box label="cow" xtl="1" ytl="1" xbr="1,2" ybr="2"/>', "expected a number, got '1,2'; correct the file"),
        ('<box label="cow" xtl="1" ytl="1" xbr="2" ybr="2" rotation="?"/>', r"expected a number, got '\?'; correct"),
        ('<box label=" " xtl="1" ytl="1" xbr="2" ybr="2"/>', "expected a label for each shape, got ' '; correct the"),
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


def test_an_image_that_is_there_twice_is_refused(tmp_path):
    image = '<image name="a.jpg" width="5" height="4"/>'
    (tmp_path / "a.xml").write_text(f"<annotations>{image}{image}</annotations>")
    with pytest.raises(
        ValueError, match=r"a\.xml: expected each image once, got 'a\.jpg' twice; merge the two, or remove"
    ):
        cvat.read(tmp_path / "a.xml")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<annotations><track/></annotations>", "tracks of CVAT for video"),
        ("<annotations><version>1.1</version></annotations>", "no images in annotations"),
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
