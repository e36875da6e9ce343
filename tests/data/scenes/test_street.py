from functools import partial

import numpy as np

from pipeline.data.scenes import street
from pipeline.data.scenes.canvas import Along, Camera, Canvas, Facing
from pipeline.data.scenes.labels import Label
from pipeline.data.scenes.light import weather
from pipeline.data.scenes.noise import generator
from pipeline.data.scenes.street import BLOCK, DETAIL, Thing

GREY = (0.5, 0.5, 0.5)


def a_street(number: int = 3) -> street.Street:
    return street.plan((number, 0), generator(number))


def places(things: list[Thing], low: float, high: float) -> set[tuple[float, float]]:
    return {(thing.far, thing.x) for thing in things if low < thing.far <= high}


def test_what_stands_in_a_street_stays_where_it_is_as_the_camera_moves_on():
    here, further = street.standing(a_street(), 0.0), street.standing(a_street(), 1.5 * BLOCK)
    seen_from_both = (BLOCK + 5, DETAIL - 1)
    assert places(here, *seen_from_both) == places(further, *seen_from_both)
    assert len(places(here, *seen_from_both)) > 4


def test_a_street_does_not_end():
    assert len(street.standing(a_street(), 1000 * BLOCK)) > 10


def test_who_moves_is_always_within_sight_and_walkers_keep_to_the_pavement():
    plan = a_street()
    for frame in range(40):
        things = street.moving(plan, frame)
        ahead = np.array([thing.far for thing in things]) - plan.pace * frame
        assert ((ahead >= 5) & (ahead <= 65)).all()
        walkers = [abs(thing.x) for thing in things[3:6]]
        assert min(walkers) > plan.half_road
        assert max(walkers) < plan.edge


def test_things_are_painted_from_far_to_near_and_from_the_sides_to_the_middle():
    canvas = Canvas(20, 20, Camera(0, 0, 1, 10, 10, 10, 0), weather(generator(1)))

    def thing(far: float, x: float, plane: Facing | Along, label: Label) -> Thing:
        return Thing(far, x, partial(Canvas.fill, plane=plane, box=(-1, 0, 9, 2), paint=GREY, label=label))

    street.paint(
        canvas,
        [
            thing(4, 0, Facing(0, 4), Label.PEDESTRIAN),
            thing(9, 3, Along(3, 4, 5), Label.BUILDING),
            thing(9, 1, Along(1, 4, 5), Label.FENCE),
            thing(8, 0, Facing(0, 8), Label.CAR),
        ],
    )
    # In row 10, from the left: nothing but the pedestrian reaches left of column 8; from column 8 on (-1 m at 4 m is
    # column 7.5) all stand behind the pedestrian, who is painted last.
    assert set(canvas.mask[10].tolist()) == {Label.VOID, Label.PEDESTRIAN}
    street.paint(canvas, [thing(9, 1, Along(1, 4, 5), Label.FENCE), thing(9, 3, Along(3, 4, 5), Label.BUILDING)])
    # Column 11.5 shows the fence at 1 / 0.15 = 6.7 m, and nothing of the building, which begins at column 13.3.
    assert canvas.mask[10, 11] == Label.FENCE
    assert canvas.mask[10, 15] == Label.BUILDING
