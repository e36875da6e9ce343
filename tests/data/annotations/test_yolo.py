import pytest

from pipeline.data.annotations import yolo
from pipeline.files.images import ImageError

SQUARE = "0 0.2 0.25 0.6 0.25 0.6 0.75 0.2 0.75"  # of 5 x 4 pixels: corners (1, 1), (3, 1), (3, 3), (1, 3)
COVERED = [[0] * 5, [0, 1, 1, 0, 0], [0, 1, 1, 0, 0], [0] * 5]


def drawn(folder, text, size=(4, 5)):
    (folder / "a.txt").write_bytes(text.encode())
    drawing = yolo.drawing_of(folder / "a.txt")
    return drawing.draw(drawing.content(), lambda: (*size, 1))


@pytest.mark.parametrize("text", [SQUARE, f"\ufeff{SQUARE}\r\n\r\n", SQUARE.replace("0 ", "0.0 ", 1)])
def test_a_polygon_is_drawn_at_the_images_size(tmp_path, text):
    labelled = drawn(tmp_path, text)
    assert (labelled.codes.tolist(), labelled.names) == (COVERED, (None, "0"))


def test_of_an_image_of_twice_the_size_four_times_as_many_pixels_are_covered(tmp_path):
    codes = drawn(tmp_path, SQUARE, (8, 10)).codes
    assert codes[2:6, 2:6].all()
    assert codes.sum() == 16


def test_later_objects_cover_earlier_ones(tmp_path):
    labelled = drawn(tmp_path, f"{SQUARE}\n7 0.4 0 1 0 1 1 0.4 1\n")
    assert labelled.names == (None, "0", "7")
    assert labelled.codes.tolist() == [[0, 0, 2, 2, 2], [0, 1, 2, 2, 2], [0, 1, 2, 2, 2], [0, 0, 2, 2, 2]]


def test_an_empty_file_has_no_object(tmp_path):
    labelled = drawn(tmp_path, "")
    assert (labelled.codes.any(), labelled.names) == (False, (None,))


@pytest.mark.parametrize(
    ("line", "got"),
    [
        ("0 0.5 0.5 0.2 0.2", "a box, which does not say which of its pixels belong to the object"),
        ("0 0.5 0.5", "2 numbers"),
        ("0 0 0 1 0 1 1 0", "7 numbers"),
        ("1.5 0 0 1 0 1 1", "class 1.5"),
        ("-1 0 0 1 0 1 1", "class -1"),
        ("cat 0 0 1 0 1 1", "'cat 0 0 1 0 1 1'"),
        ("0 0 0 320 0 320 240", "320"),
        ("0 0 0 nan 0 1 1", "nan"),
        ("nan 0 0 1 0 1 1", "class nan"),
    ],
)
def test_what_is_no_polygon_is_refused(tmp_path, line, got):
    message = (
        "a.txt: line 2: expected the number of a class, and x and y of three corners or more as fractions of the "
        f"image's size, got {got}; correct the file"
    )
    with pytest.raises(ValueError, match="line 2") as caught:
        drawn(tmp_path, f"{SQUARE}\n{line}\n")
    assert str(caught.value) == f"{tmp_path}/{message}"


def test_a_file_of_another_encoding_is_refused(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe0")
    drawing = yolo.drawing_of(tmp_path / "a.txt")
    with pytest.raises(ValueError, match=r"a.txt: expected UTF-8 text, got other bytes; correct the file"):
        drawing.draw(drawing.content(), lambda: (4, 5, 1))


def test_an_image_that_cannot_be_read_is_that_images_error(tmp_path):
    def broken():
        raise ImageError("expected a complete image file")

    (tmp_path / "a.txt").write_text(SQUARE)
    drawing = yolo.drawing_of(tmp_path / "a.txt")
    with pytest.raises(ImageError, match="expected a complete image file"):
        drawing.draw(drawing.content(), broken)


@pytest.mark.parametrize(
    ("content", "expected"),
    [(SQUARE, True), ("0 0.5 0.5 0.2 0.2", False), ("", False), ("train/a.jpg", False), ("\xff", False)],
)
def test_files_with_polygons_are_recognised(content, expected):
    assert yolo.is_polygons(content.encode("latin-1")) == expected
