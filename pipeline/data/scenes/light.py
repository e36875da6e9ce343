"""Daylight: the colours of the sky, and the light that falls on objects."""

from dataclasses import dataclass

import numpy as np

from pipeline.data.scenes.noise import Floats

Colour = tuple[float, float, float]
"""Red, green, blue in [0, 1]: a reflectance before lighting, a brightness after."""


@dataclass(frozen=True)
class Light:
    """The light of one sequence."""

    ambient: Colour
    """Light that reaches every surface."""
    direct: Colour
    """Light that the sun adds where it shines perpendicularly."""
    zenith: Colour
    """The sky overhead."""
    haze: Colour
    """The sky at the horizon, whose colour distant objects take on."""
    clouds: float
    """Strength of the clouds, [0, 1]."""
    sun_side: int
    """-1: the sun is left of the street, 1: right of it."""
    sun_slope: float
    """Height of an object whose shadow reaches one metre across the street, metres."""
    dusk: bool
    """Some windows and all lamps are lit."""

    def on(self, sun: float) -> Floats:
        """Return the light, (3,), on a surface that receives the fraction `sun` of the direct light."""
        return np.asarray([a + sun * d for a, d in zip(self.ambient, self.direct, strict=True)], np.float32)


_SUNNY = ((0.46, 0.50, 0.58), (0.62, 0.56, 0.46), (0.30, 0.50, 0.84), (0.74, 0.84, 0.94))
_OVERCAST = ((0.82, 0.84, 0.88), (0.08, 0.08, 0.08), (0.70, 0.73, 0.78), (0.86, 0.87, 0.89))
_DUSK = ((0.48, 0.48, 0.58), (0.28, 0.17, 0.10), (0.34, 0.38, 0.56), (0.93, 0.68, 0.50))


def weather(rng: np.random.Generator) -> Light:
    """Return the light of a sunny, an overcast or a dusky sequence."""
    kind = rng.integers(5)
    ambient, direct, zenith, haze = (_vary(rng, c) for c in (_SUNNY, _SUNNY, _OVERCAST, _OVERCAST, _DUSK)[kind])
    return Light(
        ambient=ambient,
        direct=direct,
        zenith=zenith,
        haze=haze,
        clouds=rng.uniform(0.05, 0.6),
        sun_side=1 if rng.random() < 0.5 else -1,
        sun_slope=rng.uniform(0.8, 2.5),
        dusk=bool(kind == 4),
    )


def _vary(rng: np.random.Generator, colour: Colour) -> Colour:
    gain = rng.uniform(0.9, 1.1)
    red, green, blue = (gain * channel * rng.uniform(0.95, 1.05) for channel in colour)
    return red, green, blue
