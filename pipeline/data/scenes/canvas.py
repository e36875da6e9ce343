"""A camera on a street, and a canvas on which upright planes of that street are painted in perspective.

Lengths are in metres, positions are (x, z): x right of the street's centre line, z along it. Objects must be painted
from far to near, so that near ones hide far ones.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.data.scenes.labels import Label
from pipeline.data.scenes.light import Colour, Light
from pipeline.data.scenes.noise import Floats

NEAREST = 1.5  # metres in front of the camera; anything nearer is not painted

Box = tuple[float, float, float, float]
"""Left, bottom, right, top on a plane, metres."""
Hits = npt.NDArray[np.bool_]
Inside = Callable[[Floats, Floats], Hits]
"""(across (1, w), up (h, w) or (h, 1)) -> which points are inside, (h, w)."""
Texture = Callable[[Floats, Floats], Floats]
"""(across (1, w), up (h, w) or (h, 1)) -> colours (h, w, 3)."""
Paint = Colour | Texture


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks along the street."""

    x: float
    z: float
    height: float
    """Above the ground, metres."""
    focal: float
    """Focal length, samples."""
    column: float
    """The street's vanishing point, samples from the left."""
    row: float
    """The horizon, samples from the top."""
    bend: float
    """The street has turned right by bend * d**2 metres at d metres ahead."""

    def offset(self, x: float, z: float) -> float:
        """Return how far (x, z) lies right of the optical axis, metres."""
        ahead = z - self.z
        return x - self.x + self.bend * ahead * ahead


@dataclass(frozen=True)
class Facing:
    """The upright plane through (x, z) that faces the camera; places across it are measured from x to the right."""

    x: float
    z: float

    def visible_from(self, camera: Camera) -> float:
        """Return the smallest place across that is in front of the camera, metres."""
        return -np.inf if self.z - camera.z >= NEAREST else np.inf

    def project(self, camera: Camera, across: float) -> tuple[float, float]:
        """Return the column (samples) and distance (metres) of a vertical line of the plane."""
        ahead = self.z - camera.z
        return camera.column + camera.focal * (camera.offset(self.x, self.z) + across) / ahead, ahead

    def locate(self, camera: Camera, columns: Floats) -> tuple[Floats, Floats]:
        """Return the place across (1, w) that each column (1, w) shows, and its distance (1, 1), metres."""
        ahead = self.z - camera.z
        across = (columns - camera.column) * (ahead / camera.focal) - camera.offset(self.x, self.z)
        return across, np.full((1, 1), ahead, np.float32)


@dataclass(frozen=True)
class Along:
    """The upright plane along the street at x; places across it are measured from its near end z, away from us."""

    x: float
    z: float
    length: float

    def visible_from(self, camera: Camera) -> float:
        """Return the smallest place across that is in front of the camera, metres."""
        return camera.z + NEAREST - self.z

    def project(self, camera: Camera, across: float) -> tuple[float, float]:
        """Return the column (samples) and distance (metres) of a vertical line of the plane."""
        start, slope = self._chord(camera)
        ahead = self.z + across - camera.z
        return camera.column + camera.focal * (start / ahead + slope), ahead

    def locate(self, camera: Camera, columns: Floats) -> tuple[Floats, Floats]:
        """Return the place across (1, w) that each column (1, w) shows, and its distance (1, w), metres."""
        start, slope = self._chord(camera)
        bearing: Floats = (columns - camera.column) / camera.focal - slope
        bearing[np.abs(bearing) < 1e-4] = 1e-4  # edge-on, out of sight
        ahead = start / bearing
        return ahead - (self.z - camera.z), ahead

    def _chord(self, camera: Camera) -> tuple[float, float]:
        """Return the line through both ends: its offset beside the camera, metres, and its slope."""
        near, far = camera.offset(self.x, self.z), camera.offset(self.x, self.z + self.length)
        slope = (far - near) / self.length
        return near - slope * (self.z - camera.z), slope


Plane = Facing | Along


class Canvas:
    """The image and mask being painted."""

    def __init__(self, height: int, width: int, camera: Camera, light: Light) -> None:
        """Create a black image and a void mask; height and width are in samples."""
        self.camera = camera
        self.light = light
        self.image: Floats = np.zeros((height, width, 3), np.float32)
        self.mask: npt.NDArray[np.uint8] = np.full((height, width), Label.VOID, np.uint8)

    def fill(
        self,
        plane: Plane,
        box: Box,
        paint: Paint | None,
        label: Label | None,
        *,
        inside: Inside | None = None,
        glows: bool = False,
    ) -> None:
        """Paint a box of a plane, or the points `inside` of it.

        Args:
            plane: the plane.
            box: the part of it.
            paint: unlit colour; None changes only the mask.
            label: mask value; None changes only the image, as a shadow does.
            inside: which points of the box; None: all.
            glows: show the colour unchanged, whatever the light.
        """
        left, bottom, right, top = max(box[0], plane.visible_from(self.camera)), *box[1:]
        if left >= right:
            return
        rows, columns = self._window(plane, (left, bottom, right, top))
        if rows.start == rows.stop or columns.start == columns.stop:
            return
        across, ahead = plane.locate(self.camera, _centres(columns)[None, :])
        up = self.camera.height - (_centres(rows)[:, None] - self.camera.row) / self.camera.focal * ahead
        hit = (across >= left) & (across <= right) & (up >= bottom) & (up <= top)
        if inside is not None:
            hit &= inside(across, up)
        if paint is not None:
            colour = paint(across, up) if callable(paint) else np.asarray(paint, np.float32)
            lit = self._lit(colour, plane, ahead, glows=glows)
            np.copyto(self.image[rows, columns], lit, where=hit[..., None])
        if label is not None:
            self.mask[rows, columns][hit] = label

    def ellipse(self, plane: Plane, box: Box, paint: Paint | None, label: Label | None, *, glows: bool = False) -> None:
        """Paint the ellipse that touches the sides of `box`."""
        self.fill(plane, box, paint, label, inside=ellipse(box), glows=glows)

    def polygon(self, plane: Plane, corners: tuple[tuple[float, float], ...], paint: Paint, label: Label) -> None:
        """Paint a convex polygon; its corners (across, up) run counter-clockwise."""

        def inside(across: Floats, up: Floats) -> Hits:
            hit = np.ones(np.broadcast_shapes(across.shape, up.shape), np.bool_)
            for (a, b), (c, d) in zip(corners, (*corners[1:], corners[0]), strict=True):
                hit &= (up - b) * (c - a) >= (across - a) * (d - b)
            return hit

        places, heights = zip(*corners, strict=True)
        self.fill(plane, (min(places), min(heights), max(places), max(heights)), paint, label, inside=inside)

    def _window(self, plane: Plane, box: Box) -> tuple[slice, slice]:
        """Return the rows and columns of the canvas that contain the box; empty if it is out of sight."""
        left, bottom, right, top = box
        ends = (plane.project(self.camera, left), plane.project(self.camera, right))
        rows = [
            self.camera.row + self.camera.focal * (self.camera.height - up) / ahead
            for _, ahead in ends
            for up in (bottom, top)
        ]
        columns = [column for column, _ in ends]
        height, width = self.mask.shape
        return _span(min(rows), max(rows), height), _span(min(columns), max(columns), width)

    def _lit(self, colour: Floats, plane: Plane, ahead: Floats, *, glows: bool) -> Floats:
        """Return the visible colour: shaded by the plane's angle to the sun, hazy in the distance."""
        sun = 0.4
        if isinstance(plane, Along):
            sun = 0.8 if plane.x * self.light.sun_side < 0 else 0.0
        haze = np.minimum(ahead * (1 / 250), np.float32(0.5))[..., None]
        light = (np.float32(1) if glows else self.light.on(sun)) * (1 - haze)
        visible: Floats = colour * light + np.asarray(self.light.haze, np.float32) * haze
        return visible


def ellipse(box: Box) -> Inside:
    """Return the test for the ellipse that touches the sides of `box`."""
    left, bottom, right, top = box

    def inside(across: Floats, up: Floats) -> Hits:
        x = (across * 2 - (left + right)) * (1 / (right - left))
        y = (up * 2 - (bottom + top)) * (1 / (top - bottom))
        return x * x + y * y <= 1

    return inside


def _centres(span: slice) -> Floats:
    return np.arange(span.start, span.stop, dtype=np.float32) + np.float32(0.5)


def _span(low: float, high: float, size: int) -> slice:
    start = min(max(int(low), 0), size)
    return slice(start, max(start, min(int(high) + 1, size)))
