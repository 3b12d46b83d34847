"""Surfaces made of noise: several octaves of it, so that there is detail at every scale."""

from __future__ import annotations

import colorsys
from typing import Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt

from propagate.types import FloatArray, ImageArray

Colour = npt.NDArray[np.float64]
"""(3,) RGB, 0..255."""

Pattern = Literal["mottled", "striped", "spotted", "patched"]
PATTERNS: tuple[Pattern, ...] = get_args(Pattern)

TILE = 256
"""Pixels of a side of a skin at its finest level."""

_SMALLEST_LEVEL = 16
_GOLDEN_RATIO = 0.618034


def noise(
    random: np.random.Generator,
    size_hw: tuple[int, int],
    cell: float,
    octaves: int = 5,
    persistence: float = 0.55,
) -> FloatArray:
    """(H, W) float32 of mean 0 and deviation 1: smooth random fields of ever finer grain.

    Paper: Perlin, "An Image Synthesizer", 1985, with random values in the place of gradients.

    Args:
        random: where it comes from.
        size_hw: pixels.
        cell: pixels between the values of the coarsest octave; each octave halves it.
        octaves: how many.
        persistence: strength of an octave by that of the one before.
    """
    total = np.zeros(size_hw, np.float32)
    for octave in range(octaves):
        grid = [int(side / max(cell / 2**octave, 1)) + 3 for side in size_hw]
        values = random.standard_normal(grid).astype(np.float32)
        field = cv2.resize(values, size_hw[::-1], interpolation=cv2.INTER_CUBIC)
        total += np.float32(persistence**octave) * field
    centred: FloatArray = (total - total.mean()) / max(float(total.std()), 1e-6)
    return centred


def bright_colour(random: np.random.Generator, number: int) -> Colour:
    """A colour for the object of a number: its hue is unlike those of its neighbours."""
    hue = (number * _GOLDEN_RATIO + random.uniform(0, 0.08)) % 1
    rgb = colorsys.hsv_to_rgb(hue, random.uniform(0.4, 0.75), random.uniform(0.55, 0.95))
    return 255 * np.array(rgb)


def dull_colour(random: np.random.Generator) -> Colour:
    """A colour of stone, wood, sand or leaves."""
    hue = random.uniform(0.05, 0.4)
    rgb = colorsys.hsv_to_rgb(hue, random.uniform(0.08, 0.35), random.uniform(0.3, 0.75))
    return 255 * np.array(rgb)


def surface(
    random: np.random.Generator, size_hw: tuple[int, int], colour: Colour, pattern: Pattern
) -> ImageArray:
    """(H, W, 3) uint8: two tones of a colour in a pattern, with grain in both.

    Args:
        random: where it comes from.
        size_hw: pixels.
        colour: the brighter tone.
        pattern: how the darker tone lies on it.
    """
    side = max(size_hw)
    broad = noise(random, size_hw, side / 4)
    share: npt.NDArray[np.floating]
    if pattern == "striped":
        x = np.linspace(0, random.uniform(18, 30) * size_hw[1] / side, size_hw[1], dtype=np.float32)
        share = 0.5 + 0.5 * np.tanh(2.5 * np.sin(x + 0.9 * broad))
    elif pattern == "spotted":
        share = 0.5 + 0.5 * np.tanh(4 * (noise(random, size_hw, side / 10, 2) - 0.7))
    elif pattern == "patched":
        share = 0.5 + 0.5 * np.tanh(6 * noise(random, size_hw, side / 3, 3))
    else:
        share = 0.5 + 0.25 * broad
    dark: Colour = colour * random.uniform(0.35, 0.6) + random.uniform(-18, 18, 3)
    tones = colour + np.clip(share, 0, 1)[..., None] * (dark - colour)
    grain = 9 * noise(random, size_hw, side / 24, 4, 0.8)[..., None]
    return np.asarray(np.clip(tones + grain + 6 * broad[..., None], 0, 255), np.uint8)


def levels(tile: ImageArray) -> tuple[ImageArray, ...]:
    """A tile and its halves: what is drawn small is taken from a small one and does not flicker."""
    found = [tile]
    while min(found[-1].shape[:2]) > _SMALLEST_LEVEL:
        found.append(np.asarray(cv2.pyrDown(found[-1]), np.uint8))
    return tuple(found)


def landscape(random: np.random.Generator, size_hw: tuple[int, int]) -> ImageArray:
    """(H, W, 3) uint8: a wall or a sky over a ground, each with its own texture and light."""
    height, width = size_hw
    far, near = dull_colour(random) * 0.6 + 90, dull_colour(random)
    upper = surface(random, size_hw, far, "mottled").astype(np.float32)
    lower = surface(random, size_hw, near, "mottled").astype(np.float32)
    soft = cv2.GaussianBlur(upper, (0, 0), 0.006 * height)
    horizon = random.uniform(0.4, 0.6) * height + 0.03 * height * noise(
        random, (1, width), width / 5
    )
    y = np.arange(height, dtype=np.float32)[:, None]
    below = 1 / (1 + np.exp(-(y - horizon) / (0.008 * height)))
    mixed = soft + below[..., None] * (lower - soft)
    slope = random.uniform(-0.25, 0.25) * np.linspace(-1, 1, width, dtype=np.float32)
    light = 1 + slope + 0.2 * np.abs(y / height - 0.5) + 0.08 * noise(random, size_hw, width / 3, 2)
    return np.clip(mixed * light[..., None], 0, 255).astype(np.uint8)
