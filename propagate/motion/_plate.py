"""The clean plate: what lies where the objects are, as it looked before they came there.

What an object uncovers, because it moves on or leaves the picture, is easily taken for a part of
it where it resembles it, or where it is a thing of its own. But it has been seen before, in its
place. Film has the term for it: the plate is the scene without its actors.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from propagate.coords import Size
from propagate.motion import _dense, _objects
from propagate.types import BoolArray, FloatArray, ImageArray

_ROOM = 2  # cells around an object that its blurred edge and its shadow may change
_CAME = 0.3  # of an object, from which on a cell that it moved to is its own
_AROUND = 0.25  # of the picture's width: how far around a cell tells how the scene moves there
_PATCH = 7  # cells, of the squares that are compared
_ALIKE = 0.85  # correlation of two squares from which on they show the same
_TEXTURE, _LEVELS = 4.0, 12.0  # of grey: the least deviation in a square, the most between two
_KNOWN = 0.5
_SPARSE = 2  # every n-th cell is enough for a median
_OUTVOTED = 0.1  # is forgotten of what an answer contradicts, each frame


@dataclass(frozen=True, eq=False)
class Plate:
    """The scene without the objects, on the cells of their covers.

    Attributes:
        grey: (h, w) float32, 0..255.
        known: (h, w) float32, 0..1, above a half where it was seen.
    """

    grey: FloatArray
    known: FloatArray

    @staticmethod
    def first(grey: ImageArray, hidden: BoolArray) -> Plate:
        """What a picture (H, W) shows; `hidden` (h, w) is what its objects hide."""
        return Plate(_fitted(grey, hidden.shape), (~hidden).astype(np.float32))

    def moved(self, flow: FloatArray, hidden: BoolArray) -> Plate:
        """The plate in the next picture: it moves there as the scene moves around the objects.

        Args:
            flow: (h, w, 2) float32, backward, cells.
            hidden: (h, w), what the objects hid in the picture before.
        """
        came = _dense.fetch(hidden.astype(np.float32), _dense.sources(flow)) > _CAME
        x, y = _dense.sources(_behind(flow, hidden | _wider(came)))
        grey = cv2.remap(self.grey, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        known = cv2.remap(self.known, x, y, cv2.INTER_LINEAR, borderValue=0)
        return Plate(np.asarray(grey, np.float32), np.asarray(known, np.float32))

    def seen_in(self, grey: ImageArray) -> FloatArray:
        """(h, w) 1 where a picture (H, W) shows what the plate shows; 0 elsewhere or if unsure.

        Squares are compared by normalised correlation; what has no texture cannot be told.
        """
        now = _fitted(grey, self.grey.shape)
        mean, deviation = _statistics(now)
        own_mean, own_deviation = _statistics(self.grey)
        shared = _square(now * self.grey) - mean * own_mean
        alike = (
            (self.known > _KNOWN)
            & (np.minimum(deviation, own_deviation) > _TEXTURE)
            & (np.abs(mean - own_mean) < _LEVELS)
            & (shared > _ALIKE * deviation * own_deviation)
        )
        return np.asarray(alike, np.float32)

    def learned(self, grey: ImageArray, hidden: BoolArray, seen: FloatArray) -> Plate:
        """The plate after a picture: all that no object hides is seen anew.

        Where an answer goes on to say that it is the object that is seen there, it is right in the
        end: what was missed of an object for some time may have got into the plate.

        Args:
            grey: (H, W), the picture.
            hidden: (h, w), what its objects hide.
            seen: (h, w), see `seen_in`.
        """
        return Plate(
            np.where(hidden, self.grey, _fitted(grey, hidden.shape)),
            np.where(hidden, self.known * (1 - _OUTVOTED * seen), np.float32(1)),
        )

    def without(self, places: BoolArray) -> Plate:
        """Nothing is known of some places (h, w)."""
        return replace(self, known=np.where(places, np.float32(0), self.known))


def hidden_by(objects: Iterable[_objects.Seen], cells_hw: Size) -> BoolArray:
    """(h, w) what some objects hide, and a little around them."""
    hidden = np.zeros(cells_hw, bool)
    for one in objects:
        hidden |= one.cover > _objects.SOME
    return _wider(hidden)


def _fitted(grey: ImageArray, cells_hw: Size) -> FloatArray:
    small = cv2.resize(grey, cells_hw[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def _wider(places: BoolArray) -> BoolArray:
    side = 2 * _ROOM + 1
    return cv2.dilate(places.astype(np.uint8), np.ones((side, side), np.uint8)) > 0


def _behind(flow: FloatArray, hidden: BoolArray) -> FloatArray:
    """A flow (h, w, 2), which where things are hidden is that of what surrounds them."""
    if not hidden.any() or hidden[::_SPARSE, ::_SPARSE].all():
        return flow
    in_sight = (~hidden).astype(np.float32)
    camera = np.median(flow[::_SPARSE, ::_SPARSE][~hidden[::_SPARSE, ::_SPARSE]], axis=0)
    side = max(round(_AROUND * flow.shape[1]), 1)
    moves = cv2.blur((flow - camera) * in_sight[..., None], (side, side))
    share = cv2.blur(in_sight, (side, side))
    behind = flow.copy()
    behind[hidden] = camera + moves[hidden] / np.maximum(share[hidden], 1e-3)[:, None]
    return behind


def _square(values: FloatArray) -> FloatArray:
    """Means over squares around each pixel."""
    return np.asarray(cv2.blur(values, (_PATCH, _PATCH), borderType=cv2.BORDER_REFLECT), np.float32)


def _statistics(grey: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and deviation in the square around each pixel."""
    mean = _square(grey)
    variance = np.maximum(_square(grey * grey) - mean * mean, 0)
    return mean, np.asarray(np.sqrt(variance), np.float32)
