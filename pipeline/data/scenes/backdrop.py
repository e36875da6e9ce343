"""The background of a scene: the sky, the skyline and the ground."""

import numpy as np

from pipeline.data.scenes.canvas import Canvas, Facing, Hits
from pipeline.data.scenes.houses import pick
from pipeline.data.scenes.labels import Label
from pipeline.data.scenes.light import Colour
from pipeline.data.scenes.noise import Floats, Purpose, generator, hashed, smooth
from pipeline.data.scenes.street import BLOCK, SIGHT, Street, eaves

_ASPHALT: tuple[Colour, ...] = ((0.36, 0.36, 0.37), (0.46, 0.45, 0.44), (0.42, 0.38, 0.36), (0.30, 0.31, 0.33))
_SLABS: tuple[Colour, ...] = ((0.56, 0.55, 0.53), (0.48, 0.48, 0.48), (0.58, 0.46, 0.40), (0.66, 0.63, 0.57))
_GRASS: tuple[Colour, ...] = ((0.30, 0.42, 0.18), (0.40, 0.42, 0.22))
_PAINT: Colour = (0.85, 0.85, 0.82)


def sky(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint the sky down to the horizon."""
    height, width = canvas.mask.shape
    rows = min(height, int(canvas.camera.row) + 1)
    down = np.arange(rows, dtype=np.float32)[:, None, None] * (1 / rows)
    zenith, haze = np.asarray(canvas.light.zenith, np.float32), np.asarray(canvas.light.haze, np.float32)
    clouds = smooth(rng, (rows, width), (4, 5)) * 0.6 + smooth(rng, (rows, width), (10, 9)) * 0.4
    clouds = np.clip((clouds - 0.45) * 4, 0, 1)[..., None] * canvas.light.clouds
    clear = zenith + (haze - zenith) * down
    canvas.image[:rows] = clear + (haze * 1.04 - clear) * clouds
    canvas.mask[:rows] = Label.SKY


def skyline(canvas: Canvas, street: Street, rng: np.random.Generator) -> None:
    """Paint the houses and trees at the end of sight."""
    look = int(rng.integers(2**31))
    plane = Facing(0.0, canvas.camera.z + SIGHT)

    def roofs(across: Floats, up: Floats) -> Hits:
        return up < 4 + 3 * street.storeys * hashed(look, across * 0.1, across * 0)

    def crowns(across: Floats, up: Floats) -> Hits:
        return up < 10 * hashed(look + 1, across * 0.2, across * 0) + hashed(look, across, up * 0)

    box = (-200.0, 0.0, 200.0, 30.0)
    canvas.fill(plane, box, pick(rng, ((0.50, 0.46, 0.42), (0.60, 0.60, 0.60))), Label.BUILDING, inside=roofs)
    canvas.fill(plane, box, pick(rng, ((0.20, 0.28, 0.15), (0.32, 0.33, 0.18))), Label.TREE, inside=crowns)


def ground(canvas: Canvas, street: Street) -> None:
    """Paint road, pavements and grass below the horizon, with the shadows of the houses."""
    camera = canvas.camera
    top = max(0, int(camera.row) + 1)
    rows = np.arange(top, canvas.mask.shape[0], dtype=np.float32)[:, None] + 0.5
    columns = np.arange(canvas.mask.shape[1], dtype=np.float32)[None, :] + 0.5
    ahead = np.minimum(camera.height * camera.focal / (rows - camera.row), np.float32(2 * SIGHT))
    x = (columns - camera.column) * ahead * (1 / camera.focal) + camera.x - ahead * ahead * camera.bend
    z = np.broadcast_to(ahead + camera.z, x.shape)
    beside = np.abs(x)
    label = np.select([beside < street.half_road, beside < street.edge], [Label.ROAD, Label.PAVEMENT], Label.TREE)
    detail = np.minimum(12 / ahead, np.float32(1))
    colours = _colours(street, x, z, detail)
    lit = np.stack([canvas.light.on(0.9), canvas.light.on(0.0)])[_shadowed(canvas, street, x, z).astype(np.intp)]
    haze = np.minimum(ahead * (1 / 250), np.float32(0.5))[..., None]
    canvas.image[top:] = colours * lit * (1 - haze) + np.asarray(canvas.light.haze, np.float32) * haze
    canvas.mask[top:] = label


def _colours(street: Street, x: Floats, z: Floats, detail: Floats) -> Floats:
    """Return the reflectance of the ground at (x, z), (h, w, 3); detail fades with the distance."""
    rng = generator(*street.key, Purpose.GROUND)
    look, lined = int(rng.integers(2**31)), rng.random() < 0.5
    colours = np.asarray([pick(rng, _GRASS), pick(rng, _SLABS), pick(rng, _ASPHALT), _PAINT], np.float32)
    beside = np.abs(x)
    dash, block = z * (1 / 6), z * (1 / BLOCK)
    marked = (beside < 0.09) & (_part(dash) < 0.5)
    if lined:
        marked |= np.abs(beside - (street.half_road - 0.35)) < 0.07
    crossing = (_part(block) < 0.25) & (hashed(look, block, block * 0) < 0.1)
    marked |= crossing & (_part(x) < 0.5)
    paved, road = beside < street.edge, beside < street.half_road
    kind = paved.astype(np.intp) + road + (road & marked)

    grain = (hashed(look + 1, x * 12, z * 12) - 0.5) * detail
    joint = (np.minimum(_part(x * 1.4), _part(z * 1.4)) < 0.09) * detail
    kerb = beside < street.half_road + 0.25
    patch = hashed(look + 2, x * 0.5, z * 0.15) < 0.12
    tone = np.where(road, 1 + 0.22 * grain - 0.15 * patch, 1 + 0.3 * grain - (0.22 * joint - 0.3 * kerb) * paved)
    return colours[kind] * tone[..., None]


def _part(value: Floats) -> Floats:
    """Return the fractional part."""
    return value - np.floor(value)


def _shadowed(canvas: Canvas, street: Street, x: Floats, z: Floats) -> Hits:
    """Return which points of the ground are in the shadow of the houses on the sun's side."""
    light = canvas.light
    first = int(canvas.camera.z // BLOCK)
    heights = [eaves(street, light.sun_side, first + i) for i in range(int(3 * SIGHT / BLOCK))]
    reach = np.abs(light.sun_side * street.edge - x)
    block = ((z + 0.4 * reach) * (1 / BLOCK)).astype(np.int64) - first
    height = np.asarray(heights, np.float32)[np.clip(block, 0, len(heights) - 1)]
    shadowed: Hits = height > reach * light.sun_slope
    return shadowed
