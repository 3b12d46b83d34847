"""Where to look and where to ask: crops of a picture, and points spread over it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from propagate.coords import Size
from propagate.types import FloatArray

_CROP_OVERLAP = 512 / 1500  # of the shorter side


@dataclass(frozen=True)
class Crop:
    """A part of the picture.

    Attributes:
        box: (x0, y0, x1, y1) whole pixels.
        layer: 0 is all of the picture.
        cuts: left, top, right, bottom: whether the picture goes on there.
    """

    box: tuple[int, int, int, int]
    layer: int
    cuts: tuple[bool, bool, bool, bool] = (False,) * 4

    @property
    def size_hw(self) -> Size:
        """(H, W) in pixels."""
        x0, y0, x1, y1 = self.box
        return y1 - y0, x1 - x0


def crops(size_hw: Size, layers: int) -> list[Crop]:
    """The whole picture, then 4, 16, … overlapping crops of it."""
    height, width = size_hw
    made = [Crop((0, 0, width, height), 0)]
    for layer in range(1, layers + 1):
        count = 2**layer
        overlap = int(_CROP_OVERLAP * min(size_hw) * 2 / count)
        sides = [-(-(overlap * (count - 1) + side) // count) for side in (width, height)]
        starts = [[(side - overlap) * n for n in range(count)] for side in sides]
        for y, x in product(starts[1], starts[0]):
            x1, y1 = min(x + sides[0], width), min(y + sides[1], height)
            made.append(Crop((x, y, x1, y1), layer, (x > 0, y > 0, x1 < width, y1 < height)))
    return made


def grid(per_side: int) -> FloatArray:
    """(N, 2) float32 points as fractions of a picture, spread out more and more finely.

    Any first part of them covers the picture evenly, so that a mask found early saves questions.
    """
    place = (np.arange(per_side) + 0.5) / per_side
    order = sorted(range(per_side), key=lambda n: int(f"{n:032b}"[::-1], 2))
    rank = np.argsort(order)
    x, y = np.meshgrid(np.arange(per_side), np.arange(per_side))
    coarse = np.maximum(rank[x], rank[y]).ravel()
    points = np.stack([place[x.ravel()], place[y.ravel()]], 1)
    return points[np.argsort(coarse, kind="stable")].astype(np.float32)
