"""The sides of a street: houses, fences and hedges."""

from dataclasses import dataclass

import numpy as np

from pipeline.data.scenes.canvas import Along, Canvas, Facing, Hits, Texture
from pipeline.data.scenes.labels import Label
from pipeline.data.scenes.light import Colour
from pipeline.data.scenes.noise import Floats, generator, hashed

DEPTH = 9.0  # metres from the front wall of a house to its back
STOREY = 3.1  # metres

_WALLS: tuple[Colour, ...] = (
    (0.56, 0.31, 0.25), (0.48, 0.38, 0.31), (0.70, 0.60, 0.43), (0.55, 0.55, 0.55), (0.66, 0.65, 0.62),
    (0.83, 0.80, 0.73), (0.90, 0.90, 0.88), (0.38, 0.38, 0.40), (0.72, 0.56, 0.50), (0.52, 0.56, 0.62),
)  # fmt: skip
_ROOFS: tuple[Colour, ...] = ((0.30, 0.30, 0.33), (0.48, 0.26, 0.20), (0.40, 0.33, 0.28), (0.22, 0.22, 0.24))
_BOARDS: tuple[Colour, ...] = ((0.75, 0.12, 0.12), (0.10, 0.25, 0.62), (0.93, 0.80, 0.15), (0.08, 0.40, 0.22))
_FENCES: tuple[Colour, ...] = (
    (0.45, 0.33, 0.22), (0.60, 0.50, 0.38), (0.85, 0.85, 0.83), (0.20, 0.22, 0.22), (0.22, 0.36, 0.26),
    (0.50, 0.50, 0.52),
)  # fmt: skip
LEAVES: tuple[Colour, ...] = (
    (0.22, 0.34, 0.13), (0.30, 0.40, 0.18), (0.16, 0.26, 0.14), (0.38, 0.40, 0.16), (0.44, 0.34, 0.16),
)  # fmt: skip


def pick(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    """Return one of the colours, slightly varied."""
    red, green, blue = (min(1.0, c * rng.uniform(0.93, 1.07)) for c in colours[rng.integers(len(colours))])
    return red, green, blue


def mottled(colour: Colour, look: int, cell: tuple[float, float], strength: float) -> Texture:
    """Return the paint `colour`, lighter or darker by up to `strength` in each cell (width and height, metres)."""

    def paint(across: Floats, up: Floats) -> Floats:
        tone = 1 - strength + 2 * strength * hashed(look, across * (1 / cell[0]), up * (1 / cell[1]))
        return tone[..., None] * np.asarray(colour, np.float32)

    return paint


def house(canvas: Canvas, x: float, z: float, *, length: float, height: float, look: int) -> None:
    """Paint a house whose front wall is at x, starting at z, with windows, and perhaps a roof and a shop."""
    rng = generator(look)
    side = 1 if x > 0 else -1
    wall, roof, rise = pick(rng, _WALLS), pick(rng, _ROOFS), rng.uniform(1.5, 3.5)
    front, gable = Along(x, z, length), Facing(x, z)
    left, right = sorted((0.0, side * DEPTH))
    if rng.random() < 0.5:
        ridge = Along(x + side * DEPTH / 2, z, length)
        canvas.fill(ridge, (0, height - 1, length, height + rise), roof, Label.BUILDING)
        peak = (side * DEPTH / 2, height + rise)
        canvas.polygon(gable, ((left, height), (right, height), peak), wall, Label.BUILDING)
    canvas.fill(gable, (left, 0, right, height), mottled(wall, look, (0.5, 0.25), 0.06), Label.BUILDING)
    windows = _Windows(
        wall=wall,
        frame=pick(rng, ((0.90, 0.90, 0.88), (0.30, 0.30, 0.30), wall)),
        glass=pick(rng, ((0.16, 0.19, 0.24), (0.32, 0.38, 0.44), (0.10, 0.10, 0.12))),
        pitch=rng.uniform(1.8, 3.6),
        half=(rng.uniform(0.16, 0.36), rng.uniform(0.20, 0.34)),
        top=height - 0.5,
        shop=rng.random() < 0.45,
        look=look,
    )
    canvas.fill(front, (0, 0, length, height), windows.paint, Label.BUILDING)
    if canvas.light.dusk:
        canvas.fill(front, (0, 0, length, height), (0.98, 0.82, 0.45), None, inside=windows.lit, glows=True)
    if windows.shop:
        board = np.asarray(pick(rng, _BOARDS), np.float32)

        def lettered(across: Floats, up: Floats) -> Floats:
            letters = (np.abs(up - 3.05) < 0.25) & (hashed(look, across * 3.5, up * 4) < 0.45)
            return np.where(letters[..., None], np.float32(0.95), board)

        canvas.fill(front, (0.6, 2.6, length - 0.6, 3.5), lettered, Label.SIGN_SYMBOL)


def fence(canvas: Canvas, x: float, z: float, *, length: float, look: int) -> None:
    """Paint a fence along the street: planks, bars or railings."""
    rng = generator(look)
    height, colour, dark = rng.uniform(1.4, 2.2), pick(rng, _FENCES), rng.uniform(0.25, 0.5)
    gap, pitch = ((0.5, 0.5), (0.15, 0.6), (0.6, 0.4))[rng.integers(3)]
    wood = mottled(colour, look, (pitch, 9.0), 0.1)

    def paint(across: Floats, up: Floats) -> Floats:
        place = across * (1 / pitch)
        rails = (np.abs(up - height * 0.25) < 0.07) | (np.abs(up - height * 0.85) < 0.07)
        solid = (place - np.floor(place) >= gap) | rails
        return wood(across, up) * np.where(solid, np.float32(1), np.float32(dark))[..., None]

    canvas.fill(Along(x, z, length), (0, 0, length, height), paint, Label.FENCE)


def hedge(canvas: Canvas, x: float, z: float, *, length: float, height: float, look: int) -> None:
    """Paint a hedge along the street."""

    def inside(across: Floats, up: Floats) -> Hits:
        return up < height * (1 - 0.25 * hashed(look, across * 2, across * 0))

    leaves = mottled(pick(generator(look), LEAVES), look, (0.15, 0.15), 0.3)
    canvas.fill(Along(x, z, length), (0, 0, length, height), leaves, Label.TREE, inside=inside)


@dataclass(frozen=True)
class _Windows:
    """The front wall of a house with its windows."""

    wall: Colour
    frame: Colour
    glass: Colour
    pitch: float
    """Distance between window centres, metres."""
    half: tuple[float, float]
    """Half a window's width and height, as fractions of pitch and storey."""
    top: float
    """Height above which there are no windows, metres."""
    shop: bool
    """The ground floor is glazed."""
    look: int

    def paint(self, across: Floats, up: Floats) -> Floats:
        """Return the wall's colours, (h, w, 3)."""
        glass, frame = self._panes(across, up, 0.0), self._panes(across, up, 0.05)
        bricks = 0.94 + 0.12 * hashed(self.look, across * 2, up * 4)
        panes = 0.5 + self._by_pane(1, across, up)
        colours = np.asarray((self.wall, self.frame, self.glass), np.float32)
        return colours[glass.astype(np.intp) + frame] * np.where(glass, panes, bricks)[..., None]

    def lit(self, across: Floats, up: Floats) -> Hits:
        """Return which points are windows with light behind them."""
        return self._panes(across, up, 0.0) & (self._by_pane(2, across, up) < 0.35)

    def _by_pane(self, which: int, across: Floats, up: Floats) -> Floats:
        return hashed(self.look + which, across * (1 / self.pitch), up * (1 / STOREY))

    def _panes(self, across: Floats, up: Floats, margin: float) -> Hits:
        column, row = across * (1 / self.pitch), up * (1 / STOREY)
        beside, above = np.abs(column - np.floor(column) - 0.5), np.abs(row - np.floor(row) - 0.55)
        panes = (beside < self.half[0] + margin) & (above < self.half[1] + margin)
        if self.shop:
            panes = np.where(up < STOREY, (beside < 0.44 + margin) & (up > 0.5 - margin), panes)
        below: Hits = panes & (up < self.top)
        return below
