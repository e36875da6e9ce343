"""The street of a sequence: what stands where, and who moves through it.

A street is endless: its sides consist of blocks, each determined only by the street's key and the block's number.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from pipeline.data.scenes import houses, objects
from pipeline.data.scenes.canvas import Canvas
from pipeline.data.scenes.noise import Purpose, generator

BLOCK = 12.0  # metres
SIGHT = 84.0  # metres ahead of the camera up to which houses and gardens are drawn
DETAIL = 36.0  # metres ahead of the camera up to which smaller objects are drawn
_SIDES = (-1, 1)


@dataclass(frozen=True)
class Street:
    """The plan of one street; lengths in metres."""

    key: tuple[int, ...]
    """Seed and sequence: determine everything in the street."""
    half_road: float
    """From the centre line to the kerb."""
    pavement: float
    """Width of the pavement."""
    drive_side: int
    """-1: traffic keeps left, 1: right."""
    built: float
    """Fraction of the blocks with houses; the others are gardens."""
    storeys: int
    """Maximum storeys of a house."""
    greenery: float
    """Probability of a street tree in a block."""
    parked: float
    """Probability of a parked car in a block."""
    pace: float
    """Distance that the camera moves per frame."""

    @property
    def edge(self) -> float:
        """Return the distance from the centre line to the front walls."""
        return self.half_road + self.pavement

    @property
    def lane(self) -> float:
        """Return the x of traffic in the camera's direction."""
        return self.drive_side * self.half_road * 0.35


@dataclass(frozen=True)
class Thing:
    """An object to paint."""

    far: float
    """z of its far end."""
    x: float
    paint: Callable[[Canvas], None]


def plan(key: tuple[int, ...], rng: np.random.Generator) -> Street:
    """Return a street: a narrow or wide one, in a city or a suburb."""
    return Street(
        key=key,
        half_road=rng.uniform(4.3, 5.2),
        pavement=rng.uniform(2.6, 4.6),
        drive_side=-1 if rng.random() < 0.5 else 1,
        built=rng.uniform(0.55, 0.95),
        storeys=int(rng.integers(2, 5)),
        greenery=rng.uniform(0.1, 0.5),
        parked=rng.uniform(0.05, 0.45),
        pace=rng.uniform(1.5, 4.5),
    )


def eaves(street: Street, side: int, block: int) -> float:
    """Return the height of the house in a block, metres; 0 in a garden."""
    rng = generator(*street.key, Purpose.EAVES, block, side > 0)
    if rng.random() >= street.built:
        return 0.0
    return houses.STOREY * int(rng.integers(2, street.storeys + 1)) + 0.8


def standing(street: Street, z: float) -> list[Thing]:
    """Return everything that stands within sight ahead of z, in no particular order."""
    first = int(z // BLOCK)
    things = []
    for side in _SIDES:
        for block in range(first, first + int(SIGHT / BLOCK)):
            things += _walls(street, side, block)
        for block in range(first, first + int(DETAIL / BLOCK)):
            things += _furniture(street, side, block)
    return things


def moving(street: Street, frame: int) -> list[Thing]:
    """Return cars, walkers and cyclists within sight of the camera in a frame, in no particular order."""
    things = []
    rng = generator(*street.key, Purpose.TRAFFIC)
    for who in range(3):  # one drives ahead, two come towards the camera
        speed = rng.uniform(-9, -4) if who else rng.uniform(-0.6, 0.6)
        z, look = _passing(street, (Purpose.TRAFFIC, who), frame, speed, (7.0, 60.0 if who else 40.0))
        x = -street.lane if who else street.lane
        things.append(Thing(z + objects.CAR_LENGTH, x, partial(objects.car, x=x, z=z, look=look, oncoming=who > 0)))
    for who in range(3):
        speed = rng.uniform(-1.2, 1.2) - street.pace
        z, look = _passing(street, (Purpose.WALKERS, who), frame, speed, (6.0, 25.0))
        x = _SIDES[who % 2] * (street.half_road + street.pavement * rng.uniform(0.25, 0.85))
        things.append(Thing(z, x, partial(objects.pedestrian, x=x, z=z, look=look)))
    z, look = _passing(street, (Purpose.CYCLIST, 0), frame, rng.uniform(-2, 1), (11.0, 26.0))
    x = street.drive_side * (street.half_road - rng.uniform(1.6, 2.4))
    return [*things, Thing(z, x, partial(objects.cyclist, x=x, z=z, look=look))]


def paint(canvas: Canvas, things: list[Thing]) -> None:
    """Paint things from far to near, and at equal distance from the sides of the street to its middle."""
    for thing in sorted(things, key=lambda thing: (-thing.far, -abs(thing.x))):
        thing.paint(canvas)


def _passing(
    street: Street, who: tuple[int, int], frame: int, speed: float, reach: tuple[float, float]
) -> tuple[float, int]:
    """Return the z of someone who moves by `speed` per frame relative to the camera, and the seed of their looks.

    Whoever leaves `reach` (metres ahead of the camera) is replaced by someone else at its other end.
    """
    span = reach[1] - reach[0]
    travelled = generator(*street.key, *who).uniform(0, span) + speed * frame
    turn = travelled // span
    ahead = reach[0] + travelled - turn * span
    look = generator(*street.key, *who, int(abs(turn))).integers(2**31)
    return street.pace * frame + ahead, int(look)


def _walls(street: Street, side: int, block: int) -> list[Thing]:
    """Return what lines the street in a block: a house, or a garden with trees behind a fence or hedge."""
    rng = generator(*street.key, Purpose.WALLS, block, side > 0)
    z, wall = block * BLOCK, side * street.edge
    looks = [int(look) for look in rng.integers(2**31, size=2)]
    height = eaves(street, side, block)

    def along(paint: Callable[..., None], x: float, look: int, **size: float) -> Thing:
        return Thing(z + BLOCK, x, partial(paint, x=x, z=z, length=BLOCK, look=look, **size))

    if height:
        return [along(houses.house, wall, looks[0], height=height)]
    things = [along(houses.hedge, wall + side * 10, looks[0], height=rng.uniform(3, 7))]
    if rng.random() < 0.9:
        things.append(along(houses.fence, wall, looks[1]))
    else:
        things.append(along(houses.hedge, wall, looks[1], height=rng.uniform(1.0, 2.2)))
    for _ in range(int(rng.integers(1, 4))):
        x, place = wall + side * rng.uniform(2, 6), z + rng.uniform(0, BLOCK)
        things.append(Thing(place, x, partial(objects.tree, x=x, z=place, look=int(rng.integers(2**31)))))
    return things


def _furniture(street: Street, side: int, block: int) -> list[Thing]:
    """Return what stands at the kerb and on the pavement of a block."""
    rng = generator(*street.key, Purpose.FURNITURE, block, side > 0)
    z = block * BLOCK
    things = []

    def add(paint: Callable[..., None], x: float, place: float, length: float = 0.0, **options: bool) -> None:
        look = int(rng.integers(2**31))
        things.append(Thing(place + length, x, partial(paint, x=x, z=place, look=look, **options)))

    kerb = side * (street.half_road + 0.4)
    if rng.random() < 0.30:
        add(objects.lamp, kerb, z + rng.uniform(0, 3))
    if rng.random() < 0.22:
        add(objects.sign, kerb, z + rng.uniform(3, 6))
    if rng.random() < 0.10:
        add(objects.traffic_light, kerb, z + rng.uniform(6, 7))
    if rng.random() < street.greenery:
        add(objects.tree, side * (street.half_road + 0.7), z + rng.uniform(7, 10))
    if rng.random() < 0.25:
        add(objects.litter_bin, side * (street.edge - 0.7), z + rng.uniform(0, 12))
    if rng.random() < street.parked:
        x, oncoming = side * (street.half_road - 0.95), side != street.drive_side
        add(objects.car, x, z + rng.uniform(0, 6), objects.CAR_LENGTH, oncoming=oncoming)
    return things
