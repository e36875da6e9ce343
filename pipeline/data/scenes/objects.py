"""The objects in a street: trees, poles, signs, cars and people. Each is painted at (x, z), metres."""

import numpy as np

from pipeline.data.scenes.canvas import Along, Canvas, Facing, Hits
from pipeline.data.scenes.houses import LEAVES, mottled, pick
from pipeline.data.scenes.labels import Label
from pipeline.data.scenes.light import Colour
from pipeline.data.scenes.noise import Floats, generator, hashed

CAR_LENGTH = 4.4  # metres

_BARK: tuple[Colour, ...] = ((0.30, 0.24, 0.18), (0.38, 0.36, 0.32))
_METAL: tuple[Colour, ...] = ((0.20, 0.22, 0.23), (0.14, 0.22, 0.18), (0.30, 0.31, 0.32), (0.60, 0.62, 0.64))
_CARS: tuple[Colour, ...] = (
    (0.90, 0.90, 0.90), (0.70, 0.71, 0.73), (0.42, 0.43, 0.45), (0.10, 0.10, 0.12), (0.62, 0.08, 0.08),
    (0.12, 0.22, 0.52), (0.12, 0.34, 0.24), (0.72, 0.64, 0.50),
)  # fmt: skip
_CLOTHES: tuple[Colour, ...] = (
    (0.10, 0.10, 0.12), (0.12, 0.17, 0.36), (0.62, 0.12, 0.14), (0.85, 0.85, 0.82), (0.58, 0.50, 0.40),
    (0.40, 0.40, 0.42), (0.16, 0.36, 0.24), (0.24, 0.42, 0.70), (0.86, 0.70, 0.16),
)  # fmt: skip
_SKIN: tuple[Colour, ...] = ((0.85, 0.65, 0.54), (0.70, 0.50, 0.38), (0.42, 0.28, 0.20))
_HAIR: tuple[Colour, ...] = ((0.10, 0.08, 0.07), (0.34, 0.23, 0.13), (0.70, 0.58, 0.36), (0.55, 0.55, 0.55))
_BINS: tuple[Colour, ...] = ((0.15, 0.30, 0.18), (0.18, 0.18, 0.20), (0.60, 0.10, 0.10), (0.85, 0.45, 0.10))
_RED, _WHITE, _BLUE = (0.80, 0.08, 0.08), (0.93, 0.93, 0.92), (0.08, 0.22, 0.62)
_BLACK, _GLASS = (0.06, 0.06, 0.07), (0.14, 0.17, 0.20)


def tree(canvas: Canvas, x: float, z: float, *, look: int) -> None:
    """Paint a tree with a ragged crown."""
    rng = generator(look)
    plane, crown, radius, trunk = Facing(x, z), rng.uniform(3.8, 6.0), rng.uniform(1.4, 2.6), rng.uniform(0.14, 0.26)
    leaves = mottled(pick(rng, LEAVES), look, (0.11, 0.11), 0.3)
    canvas.fill(plane, (-trunk, 0, trunk, crown), pick(rng, _BARK), Label.TREE)
    balls = [
        (rng.uniform(-0.8, 0.8) * radius, crown + rng.uniform(-0.6, 0.9) * radius, radius * rng.uniform(0.55, 0.9))
        for _ in range(6)
    ]

    def inside(across: Floats, up: Floats) -> Hits:
        nearest = np.full(np.broadcast_shapes(across.shape, up.shape), np.inf, np.float32)
        for left, height, size in balls:
            dx, dy = (across - left) * (1 / size), (up - height) * (1 / size)
            np.minimum(nearest, dx * dx + dy * dy, out=nearest)
        return nearest < 1 - 0.5 * hashed(look, across * 7, up * 7)

    def paint(across: Floats, up: Floats) -> Floats:
        brightness: Floats = 0.75 + np.clip((up - (crown - radius)) * (0.25 / radius), 0, 0.5)
        return leaves(across, up) * brightness[..., None]

    reach = 2 * radius
    canvas.fill(plane, (-reach, crown - reach, reach, crown + reach), paint, Label.TREE, inside=inside)


def lamp(canvas: Canvas, x: float, z: float, *, look: int) -> None:
    """Paint a lamp post whose arm reaches over the road."""
    rng = generator(look)
    plane, metal, half, height = Facing(x, z), pick(rng, _METAL), rng.uniform(0.16, 0.22), rng.uniform(5.5, 8.0)
    inwards = -1.4 if x > 0 else 1.4
    canvas.fill(plane, (-half, 0, half, height), metal, Label.POLE)
    canvas.fill(plane, (-half * 1.6, 0, half * 1.6, 1.0), metal, Label.POLE)
    canvas.fill(plane, (min(0, inwards), height - 0.14, max(0, inwards), height), metal, Label.POLE)
    head = (inwards - 0.4, height - 0.28, inwards + 0.4, height + 0.02)
    canvas.fill(plane, head, (1.0, 0.9, 0.6) if canvas.light.dusk else metal, Label.POLE, glows=canvas.light.dusk)


def sign(canvas: Canvas, x: float, z: float, *, look: int) -> None:
    """Paint a traffic sign on its post: round, a triangle or a board."""
    rng = generator(look)
    plane, half, height = Facing(x, z), rng.uniform(0.45, 0.65), rng.uniform(2.4, 3.0)
    canvas.fill(plane, (-0.11, 0, 0.11, height), pick(rng, _METAL), Label.POLE)
    low, high, inner = height - half, height + half, half * 0.62
    kind = rng.integers(4)
    if kind == 0:
        canvas.ellipse(plane, (-half, low, half, high), _RED, Label.SIGN_SYMBOL)
        canvas.ellipse(plane, (-inner, height - inner, inner, height + inner), _WHITE, Label.SIGN_SYMBOL)
    elif kind == 1:
        canvas.polygon(plane, ((-half, low), (half, low), (0, high)), _RED, Label.SIGN_SYMBOL)
        corners = ((-inner, low + half * 0.25), (inner, low + half * 0.25), (0, high - half * 0.5))
        canvas.polygon(plane, corners, _WHITE, Label.SIGN_SYMBOL)
    else:
        board = pick(rng, (_BLUE, (0.90, 0.75, 0.10), (0.08, 0.38, 0.22), _WHITE))
        wide = half * rng.uniform(0.8, 1.6)
        canvas.fill(plane, (-wide, low, wide, high), board, Label.SIGN_SYMBOL)
        mark = _BLACK if kind == 2 else _WHITE
        canvas.fill(plane, (-wide * 0.6, height - half * 0.3, wide * 0.6, height + half * 0.3), mark, Label.SIGN_SYMBOL)


def traffic_light(canvas: Canvas, x: float, z: float, *, look: int) -> None:
    """Paint a traffic light; one of its three lamps is on."""
    rng = generator(look)
    plane = Facing(x, z)
    canvas.fill(plane, (-0.13, 0, 0.13, 2.5), pick(rng, _METAL), Label.POLE)
    canvas.fill(plane, (-0.32, 2.4, 0.32, 3.8), _BLACK, Label.SIGN_SYMBOL)
    lit = rng.integers(3)
    for place, colour in enumerate(((0.20, 0.85, 0.45), (1.0, 0.7, 0.1), (1.0, 0.15, 0.1))):
        low = 2.5 + 0.42 * place
        shade = 1.0 if place == lit else 0.25
        red, green, blue = (shade * channel for channel in colour)
        canvas.ellipse(plane, (-0.2, low, 0.2, low + 0.38), (red, green, blue), Label.SIGN_SYMBOL, glows=place == lit)


def litter_bin(canvas: Canvas, x: float, z: float, *, look: int) -> None:
    """Paint a litter bin, which belongs to no class: void."""
    rng = generator(look)
    half, height = rng.uniform(0.3, 0.5), rng.uniform(0.9, 1.5)
    canvas.fill(Facing(x, z), (-half, 0, half, height), mottled(pick(rng, _BINS), look, (0.2, 0.2), 0.2), Label.VOID)


def car(canvas: Canvas, x: float, z: float, *, look: int, oncoming: bool) -> None:
    """Paint a car or van whose nearer end is at z: that end, and its side if the camera sees it."""
    rng = generator(look)
    van = rng.random() < 0.2
    half, top = (0.98, rng.uniform(2.0, 2.5)) if van else (0.88, rng.uniform(1.4, 1.65))
    belt, colour = top * 0.6, pick(rng, _CARS)
    place = canvas.camera.offset(x, z)
    if abs(place) > half:
        _car_side(canvas, Along(x - half if place > 0 else x + half, z, CAR_LENGTH), colour, (belt, top), van=van)
    plane = Facing(x, z)
    canvas.ellipse(plane, (-half * 1.1, -0.15, half * 1.1, 0.3), _BLACK, None)
    for left in (-half * 0.95, half * 0.95 - 0.25):
        canvas.fill(plane, (left, 0, left + 0.25, 0.5), _BLACK, Label.CAR)
    canvas.fill(plane, (-half, 0.25, half, belt), colour, Label.CAR)
    slope = 0.05 if van else 0.2
    cabin = ((-half, belt), (half, belt), (half - slope, top), (slope - half, top))
    canvas.polygon(plane, cabin, colour, Label.CAR)
    low, high, inset = belt + 0.05, top - 0.1, 0.12
    pane = ((inset - half, low), (half - inset, low), (half - slope - inset, high), (slope + inset - half, high))
    canvas.polygon(plane, pane, _GLASS, Label.CAR)
    lights: Colour = (1.0, 0.96, 0.8) if oncoming else (0.75, 0.05, 0.05)
    for left in (-half + 0.05, half - 0.4):
        canvas.fill(plane, (left, belt - 0.32, left + 0.35, belt - 0.1), lights, Label.CAR, glows=canvas.light.dusk)
    canvas.fill(plane, (-0.28, 0.42, 0.28, 0.56), (0.9, 0.85, 0.5), Label.CAR)


def _car_side(canvas: Canvas, plane: Along, colour: Colour, heights: tuple[float, float], *, van: bool) -> None:
    belt, top = heights
    length = plane.length
    canvas.fill(plane, (0.2, -0.06, length - 0.2, 0.25), _BLACK, None)
    canvas.fill(plane, (0, 0.25, length, belt), colour, Label.CAR)
    back, front = (0.0, length * 0.85) if van else (length * 0.1, length * 0.75)
    canvas.polygon(plane, ((back, belt), (front, belt), (front - 0.6, top), (back + 0.2, top)), colour, Label.CAR)
    window = ((back + 0.25, belt), (front - 0.2, belt), (front - 0.7, top - 0.12), (back + 0.4, top - 0.12))
    canvas.polygon(plane, window, _GLASS, Label.CAR)
    for wheel in (length * 0.18, length * 0.8):
        canvas.ellipse(plane, (wheel - 0.34, 0, wheel + 0.34, 0.68), _BLACK, Label.CAR)
        canvas.ellipse(plane, (wheel - 0.17, 0.17, wheel + 0.17, 0.51), (0.6, 0.6, 0.62), Label.CAR)


def pedestrian(canvas: Canvas, x: float, z: float, *, look: int) -> None:
    """Paint a pedestrian."""
    rng = generator(look)
    plane, size, half = Facing(x, z), rng.uniform(0.92, 1.12), rng.uniform(0.27, 0.35)
    coat, trousers, stride = pick(rng, _CLOTHES), pick(rng, _CLOTHES), rng.uniform(0.02, 0.25)
    canvas.ellipse(plane, (-half * 1.4, -0.08, half * 1.4, 0.1), _BLACK, None)
    for foot in (-stride, stride):
        legs = ((foot - 0.13, 0.0), (foot + 0.13, 0.0), (0.18, 0.9 * size), (-0.18, 0.9 * size))
        canvas.polygon(plane, legs, trousers, Label.PEDESTRIAN)
    _upper_body(canvas, plane, rng, half=half, hip=0.8 * size, size=size, coat=coat, label=Label.PEDESTRIAN)
    if rng.random() < 0.4:
        canvas.fill(plane, (half * 0.7, 0.6, half * 0.7 + 0.25, 1.0), pick(rng, _CLOTHES), Label.PEDESTRIAN)


def cyclist(canvas: Canvas, x: float, z: float, *, look: int) -> None:
    """Paint a cyclist, seen from behind or from the side."""
    rng = generator(look)
    plane, metal, coat, trousers = Facing(x, z), pick(rng, _CARS), pick(rng, _CLOTHES), pick(rng, _CLOTHES)
    label = Label.BICYCLIST
    canvas.ellipse(plane, (-0.5, -0.08, 0.5, 0.08), _BLACK, None)
    if rng.random() < 0.5:
        for hub in (-0.55, 0.55):
            canvas.ellipse(plane, (hub - 0.36, 0, hub + 0.36, 0.72), _BLACK, label)
            canvas.ellipse(plane, (hub - 0.27, 0.09, hub + 0.27, 0.63), (0.5, 0.5, 0.5), label)
        canvas.polygon(plane, ((-0.55, 0.32), (0.0, 0.3), (0.5, 0.8), (-0.3, 0.85)), metal, label)
        canvas.polygon(plane, ((-0.05, 0.25), (0.15, 0.25), (0.0, 1.0), (-0.3, 1.0)), trousers, label)
        canvas.polygon(plane, ((0.4, 1.0), (0.5, 1.1), (0.1, 1.45), (-0.1, 1.4)), coat, label)
    else:
        canvas.ellipse(plane, (-0.09, 0, 0.09, 0.75), _BLACK, label)
        canvas.fill(plane, (-0.32, 0.95, 0.32, 1.05), metal, label)
        for foot in (-0.14, 0.14):
            canvas.fill(plane, (foot - 0.09, 0.3, foot + 0.09, 1.0), trousers, label)
    _upper_body(canvas, plane, rng, half=0.27, hip=0.9, size=1.05, coat=coat, label=label)


def _upper_body(
    canvas: Canvas,
    plane: Facing,
    rng: np.random.Generator,
    *,
    half: float,
    hip: float,
    size: float,
    coat: Colour,
    label: Label,
) -> None:
    """Paint trunk and head: `half` is half the width of the trunk and `hip` its lower end, metres; size 1 is 1.75 m."""
    shoulder = 1.48 * size
    canvas.fill(plane, (-half, hip, half, shoulder - 0.1), coat, label)
    canvas.ellipse(plane, (-half, shoulder - 0.3, half, shoulder + 0.04), coat, label)
    canvas.ellipse(plane, (-0.14, shoulder + 0.02, 0.14, shoulder + 0.32), pick(rng, _HAIR), label)
    canvas.ellipse(plane, (-0.11, shoulder - 0.02, 0.11, shoulder + 0.24), pick(rng, _SKIN), label)
