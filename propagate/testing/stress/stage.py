"""What the scenarios are built with: a background, objects with skins, and paths."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from propagate.testing.stress import outlines, textures
from propagate.testing.stress.drawing import draw
from propagate.testing.stress.outlines import Outline, Points
from propagate.testing.stress.scene import Actor, Light, Scene
from propagate.types import ImageArray

_CLUTTER = 9  # still things in the background
_HUES = 37  # that the first object of a clip may have
_CYCLE = 20  # frames of a step or a beat of a tail


@dataclass(frozen=True, eq=False)
class Stage:
    """Where a scenario is played.

    Attributes:
        size_hw: (H, W) pixels.
        length: frames.
        random: where everything is drawn from; asking changes it.
        seed: of the sensor's noise.
    """

    size_hw: tuple[int, int]
    length: int
    random: np.random.Generator
    seed: int

    @staticmethod
    def named(name: str, size_hw: tuple[int, int], length: int, seed: int) -> Stage:
        """The stage of a scenario: each name has random numbers of its own."""
        own = (seed, zlib.crc32(name.encode()))
        random = np.random.default_rng(own)
        return Stage(size_hw, length, random, int(random.integers(2**31)))

    @property
    def height(self) -> float:
        """Pixels; lengths are given as shares of it."""
        return float(self.size_hw[0])

    @property
    def width(self) -> float:
        """Pixels."""
        return float(self.size_hw[1])

    def skin(self, number: int) -> tuple[ImageArray, ...]:
        """A texture unlike those of the neighbouring numbers."""
        colour = textures.bright_colour(self.random, number + self.seed % _HUES)
        pattern = textures.PATTERNS[number % len(textures.PATTERNS)]
        size = (textures.TILE, textures.TILE)
        return textures.levels(textures.surface(self.random, size, colour, pattern))

    def lively(self, number: int) -> Outline:
        """An ordinary object's shape."""
        return outlines.LIVELY[number % len(outlines.LIVELY)](self.random)

    def hider(self, x: Points | float, half_width: float) -> Actor:
        """A pillar from top to bottom, in pixels."""
        size = (textures.TILE, textures.TILE)
        colour = textures.dull_colour(self.random)
        tile = textures.levels(textures.surface(self.random, size, colour, "striped"))
        shape = outlines.panel(half_width / self.height, 0.8)
        return Actor(0, shape, tile, self.path(x, self.height / 2, self.height, still=True))

    def path(
        self,
        x: Points | float,
        y: Points | float,
        scale: Points | float,
        angle: Points | float = 0.0,
        *,
        still: bool = False,
    ) -> Points:
        """(T, 5) poses; a number is for all frames, and still things do not move their parts."""
        phase = self.random.uniform(0, 6.3) + 2 * np.pi * self.frames / _CYCLE
        columns = (x, y, scale, angle, 0.0 if still else phase)
        return np.stack([np.broadcast_to(one, self.length) for one in columns], axis=1)

    def wander(self, x: float, y: float, reach: float) -> tuple[Points, Points]:
        """A smooth way about a place, at most `reach` pixels away."""
        random = self.random
        waves = [
            0.7 * np.sin(2 * np.pi * self.frames / random.uniform(30, 60) + random.uniform(0, 6.3))
            + 0.3
            * np.sin(2 * np.pi * self.frames / random.uniform(12, 20) + random.uniform(0, 6.3))
            for _ in range(2)
        ]
        return x + reach * waves[0], y + reach * waves[1]

    @property
    def frames(self) -> Points:
        """(T,) 0, 1, 2, ..."""
        return np.arange(self.length, dtype=np.float64)

    def scene(self, actors: Sequence[Actor]) -> Scene:
        """The actors, from back to front, before a cluttered background that drifts a little."""
        height, width = self.size_hw
        margin = max(4, round(0.05 * height))
        large = (height + 2 * margin, width + 2 * margin)
        empty = textures.landscape(self.random, large)
        flat = Scene(large, empty, np.zeros((1, 2)), self._clutter(large), Light(1, 0, 0))
        background = cv2.GaussianBlur(draw(flat, 0).image, (0, 0), max(0.3, 0.0018 * height))
        x, y = self.wander(margin, margin, 0.8 * margin)
        return Scene(
            self.size_hw,
            np.asarray(background, np.uint8),
            np.stack([x, y], axis=1),
            tuple(actors),
            seed=self.seed,
        )

    def _clutter(self, size_hw: tuple[int, int]) -> tuple[Actor, ...]:
        """Dull things that stand about: what a mask may wrongly spread to."""
        height, width = size_hw
        one = replace(self, size_hw=size_hw, length=1)
        things = []
        for _ in range(_CLUTTER):
            colour = textures.dull_colour(self.random)
            pattern = textures.PATTERNS[int(self.random.integers(len(textures.PATTERNS)))]
            tile = textures.surface(self.random, (textures.TILE,) * 2, colour, pattern)
            x, y = self.random.uniform(0, width), self.random.uniform(0.35, 0.95) * height
            path = one.path(x, y, self.random.uniform(0.04, 0.15) * height)
            shape = outlines.blob(self.random)
            if self.random.random() < 0.4:
                shape = outlines.panel(self.random.uniform(0.4, 0.9), self.random.uniform(0.4, 1))
            things.append(Actor(0, shape, textures.levels(tile), path))
        return tuple(things)
