import numpy as np
import pytest

from pipeline.data.scenes.canvas import Along, Camera, Canvas, Facing
from pipeline.data.scenes.labels import Label
from pipeline.data.scenes.light import Light

RED = (1.0, 0.0, 0.0)


def canvas(*, bend: float = 0.0, zoom: int = 1) -> Canvas:
    """20 x 20 samples; the horizon in the middle, the eye 1 m above the ground, 1 m at 10 m is 1 sample."""
    camera = Camera(x=0, z=0, height=1, focal=10 * zoom, column=10 * zoom, row=10 * zoom, bend=bend)
    grey, black = (0.5, 0.5, 0.5), (0.0, 0.0, 0.0)
    light = Light(grey, grey, grey, black, clouds=0.0, sun_side=1, sun_slope=1.0, dusk=False)
    return Canvas(20 * zoom, 20 * zoom, camera, light)


def painted(picture: Canvas) -> set[tuple[int, int]]:
    return {(int(row), int(column)) for row, column in np.argwhere(picture.mask != Label.VOID)}


def test_a_wall_across_the_street_is_where_the_rule_of_three_puts_it():
    picture = canvas()
    picture.fill(Facing(0, 10), (-2, 0, 2, 1), RED, Label.CAR)
    # 2 m at 10 m distance: 2 samples left and right of column 10; from the eye's height, row 10, 1 m down to row 11.
    assert painted(picture) == {(10, 8), (10, 9), (10, 10), (10, 11)}


def test_a_wall_along_the_street_shrinks_with_the_distance():
    picture = canvas()
    picture.fill(Along(2, 5, 5), (0, 0, 5, 1), RED, Label.BUILDING)
    # 2 m to the right: column 14 at 5 m, column 12 at 10 m. The centre of column 12 looks at 8 m, where the ground is
    # in row 11.25: row 10 is wall. That of column 13 looks at 5.7 m, the ground is in row 11.75: 10 and 11 are.
    assert painted(picture) == {(10, 12), (10, 13), (11, 13)}


def test_a_bend_carries_distant_things_aside():
    picture = canvas(bend=0.01)  # 0.01 * 10 * 10 = 1 m
    picture.fill(Facing(0, 10), (-2, 0, 2, 1), RED, Label.CAR)
    assert painted(picture) == {(10, 9), (10, 10), (10, 11), (10, 12)}


@pytest.mark.parametrize("plane", [Facing(0, -3), Facing(0, 1), Along(2, -9, 9), Facing(50, 10), Along(-60, 5, 9)])
def test_what_is_behind_too_near_or_beside_the_picture_is_not_painted(plane):
    picture = canvas()
    picture.fill(plane, (0, 0, 9, 5), RED, Label.CAR)
    assert not painted(picture)


def test_a_wall_that_begins_behind_the_camera_is_painted_from_one_and_a_half_metres_on():
    picture = canvas(zoom=10)
    picture.fill(Along(1, -5, 20), (0, 0, 20, 1), RED, Label.FENCE)
    # 1 m to the right: column 100 + 100 / 1.5 = 166.7 at 1.5 m, 106.7 at 15 m.
    columns = np.flatnonzero((picture.mask == Label.FENCE).any(axis=0))
    assert (columns.min(), columns.max()) == (107, 166)


def test_what_is_painted_later_hides_what_was_there():
    picture = canvas()
    picture.fill(Facing(0, 10), (-2, 0, 2, 1), RED, Label.CAR)
    picture.fill(Facing(0, 5), (-0.5, 0, 0.5, 1), RED, Label.PEDESTRIAN)  # columns 9 and 10, rows 10 and 11
    assert picture.mask[10, 8:12].tolist() == [Label.CAR, Label.PEDESTRIAN, Label.PEDESTRIAN, Label.CAR]
    assert picture.mask[11, 8:12].tolist() == [Label.VOID, Label.PEDESTRIAN, Label.PEDESTRIAN, Label.VOID]


def test_an_ellipse_has_pi_quarters_of_its_box_and_a_triangle_half():
    box, corners = (-5, -4, 5, 6), ((-5, -4), (5, -4), (0, 6))
    picture = canvas(zoom=20)
    picture.ellipse(Facing(0, 10), box, RED, Label.TREE)
    assert len(painted(picture)) == pytest.approx(np.pi / 4 * 200 * 200, rel=0.01)
    picture = canvas(zoom=20)
    picture.polygon(Facing(0, 10), corners, RED, Label.TREE)
    assert len(painted(picture)) == pytest.approx(200 * 200 / 2, rel=0.01)


def test_a_shadow_changes_the_picture_only_and_a_bare_label_the_mask_only():
    picture = canvas()
    picture.fill(Facing(0, 10), (-2, 0, 2, 1), RED, None)
    assert not painted(picture)
    assert picture.image.any()
    picture = canvas()
    picture.fill(Facing(0, 10), (-2, 0, 2, 1), None, Label.ROAD)
    assert len(painted(picture)) == 4
    assert not picture.image.any()


@pytest.mark.parametrize(
    ("plane", "column", "expected"),
    [
        (Along(-2, 5, 5), 7, 0.5 + 0.8 * 0.5),  # the sun stands on the right and shines on the left wall
        (Along(2, 5, 5), 12, 0.5),
        (Facing(0, 8), 10, 0.5 + 0.4 * 0.5),
    ],
)
def test_walls_are_lit_as_they_stand_to_the_sun_and_fade_in_the_haze(plane, column, expected):
    picture = canvas()
    picture.fill(plane, (0, 0, 5, 1), RED, Label.BUILDING)
    # All are seen at 8 m: 8 / 250 of the colour is the haze, black here.
    np.testing.assert_allclose(picture.image[10, column], [expected * (1 - 8 / 250), 0, 0], rtol=1e-5)


def test_what_glows_is_not_darkened():
    picture = canvas()
    picture.fill(Facing(0, 8), (0, 0, 5, 1), RED, Label.BUILDING, glows=True)
    np.testing.assert_allclose(picture.image[10, 10], [1 - 8 / 250, 0, 0], rtol=1e-5)
