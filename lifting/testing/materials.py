"""What surfaces look like: colours that vary in the object's own space, by noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from propagate.types import BoolArray, FloatArray

Pattern = Literal["mottled", "wood", "stripes", "checks", "tiles", "print"]

_CELLS = 64  # of the noise along each side; it repeats after so many
_FINE = 0.12  # strength of the grain that every surface has


@dataclass(frozen=True)
class Material:
    """Two colours and how they are spread.

    Attributes:
        colour: red, green, blue, 0..1.
        second: the other colour.
        pattern: how they mix.
        scale_m: metres; how large the pattern is.
        gloss: 0..1; strength of the highlights.
        seed: places the noise.
    """

    colour: tuple[float, float, float]
    second: tuple[float, float, float]
    pattern: Pattern = "mottled"
    scale_m: float = 0.1
    gloss: float = 0.1
    seed: int = 0

    def colours(self, points: FloatArray) -> FloatArray:
        """(N, 3) float32, 0..1: the colour at points (N, 3) of the object's own space, metres."""
        shift = np.float32(self.seed * 0.37 % 1.0) * _CELLS * np.array([1, 7, 3], np.float32)
        mix = _mix(self.pattern, points / np.float32(self.scale_m), shift)[:, None]
        one, other = np.array(self.colour, np.float32), np.array(self.second, np.float32)
        grain = noise(points * np.float32(180) + shift) + noise(points * np.float32(60) - shift)
        shade = 1 + np.float32(_FINE) * (grain - 1)
        colours: FloatArray = np.clip((one + mix * (other - one)) * shade[:, None], 0, 1)
        return colours


def _mix(pattern: Pattern, places: FloatArray, shift: FloatArray) -> FloatArray:
    """(N,) 0..1: how much of the second colour is at `places`, in units of the pattern."""
    x, y, z = places.T
    if pattern == "mottled":
        return noise(2 * places + shift)
    if pattern == "wood":
        along = places * np.array([0.2, 2, 2], np.float32)
        rings = y + 0.4 * z + 1.2 * noise(along + shift)
        return _wave(rings) * (0.5 + 0.5 * noise(6 * along + shift))
    if pattern == "stripes":
        return _steep(_wave(z + 0.5 * x))
    if pattern == "checks":
        across, along = _wave(x + 0.1), _wave(y + z + 0.1)
        return _steep(across * along + (1 - across) * (1 - along))
    if pattern == "tiles":
        edge = np.maximum(np.abs(x % 1 - 0.5), np.abs(y % 1 - 0.5))
        lines: FloatArray = np.clip((edge - 0.475) * 80, 0, 1)
        return lines
    return _steep(noise(3 * places + shift))


def _wave(phase: FloatArray) -> FloatArray:
    waves: FloatArray = 0.5 + 0.5 * np.sin(np.float32(2 * np.pi) * phase)
    return waves


def _steep(value: FloatArray) -> FloatArray:
    """0..1 pushed to its ends, with soft borders."""
    pushed: FloatArray = np.clip(0.5 + 4 * (value - 0.5), 0, 1)
    return pushed


def noise(places: FloatArray) -> FloatArray:
    """(N,) float32, 0..1, mean 0.5: smooth noise at (N, 3); its grains are about 1 large."""
    from scipy.ndimage import map_coordinates

    return map_coordinates(
        _lattice(), places.T % _CELLS, np.float32, order=1, mode="grid-wrap", prefilter=False
    )


@lru_cache(maxsize=1)
def _lattice() -> FloatArray:
    """(64, 64, 64): random numbers, a little smoothed so that the lattice does not show."""
    from scipy.ndimage import gaussian_filter

    random = np.random.default_rng(0).standard_normal((_CELLS,) * 3)
    smooth = gaussian_filter(random, 0.6, mode="wrap")
    even: FloatArray = np.clip(0.5 + 0.25 * smooth / smooth.std(), 0, 1).astype(np.float32)
    return even


@dataclass(frozen=True, eq=False)
class Lamp:
    """A lamp as surfaces see it.

    Attributes:
        directions: (N, 3) of length 1, to the lamp.
        strength: of its light; 1 lights a surface that faces it fully.
        gloss: (N,) of the surfaces.
    """

    directions: FloatArray
    strength: float
    gloss: FloatArray


def shaded(
    colours: FloatArray, normals: FloatArray, to_eye: FloatArray, lamp: Lamp, lit: BoolArray
) -> FloatArray:
    """(N, 3) float32, 0..1: surfaces under a lamp and an even sky (Blinn's highlights, 1977).

    Args:
        colours: (N, 3) of the surface.
        normals: (N, 3) of length 1, towards the eye.
        to_eye: (N, 3) of length 1.
        lamp: as the surfaces see it.
        lit: (N,) where it is not hidden.
    """
    facing: FloatArray = np.maximum(dot(normals, lamp.directions), 0) * lit
    light = 0.42 + 0.18 * normals[:, 2] + np.float32(lamp.strength) * facing
    spot: FloatArray = np.maximum(dot(normals, unit(lamp.directions + to_eye)), 0)
    for _ in range(5):  # to the power of 32
        spot *= spot
    linear = np.square(colours) * light[:, None] + (spot * lit * lamp.gloss)[:, None]
    seen: FloatArray = np.sqrt(np.minimum(linear, 1))
    return seen


def dot(one: FloatArray, other: FloatArray) -> FloatArray:
    """(N,): the products of vectors (N, 3), row by row."""
    products: FloatArray = np.einsum("ni,ni->n", one, other)
    return products


def unit(vectors: FloatArray) -> FloatArray:
    """(N, 3): the same directions with length 1."""
    lengths: FloatArray = np.sqrt(np.maximum(dot(vectors, vectors), 1e-20))
    return vectors / lengths[:, None]
