"""How the picture moved from the last frame to this one, and what that says of where things are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from propagate.motion import _dense, _objects
from propagate.motion._plate import Plate
from propagate.types import BoolArray, FloatArray, ImageArray

GHOST_LEVELS = 25.0
"""Of grey, by which a place may differ from where it came from."""

_GOING = 1.0  # cells a frame, against its surroundings, from which on an object moves
_STAYING = 0.3  # of that speed, which things that stay may have
_CALM, _SAME_LEVELS = 0.5, 8.0  # cells and grey levels within which nothing has changed


@dataclass(frozen=True, eq=False)
class Moves:
    """How the picture moved, for all objects, on the cells of their covers.

    Attributes:
        flow: (h, w, 2) float32 backward flow, in cells.
        sources_xy: (2, h, w) float32, where each cell was before, see `_dense.sources`.
        difference: (h, w) float32, 0..255, how far each cell's grey differs from where it came
            from.
        plate: what lies behind the objects in this picture.
        bare: (h, w) float32, 1 where the picture shows that.
    """

    flow: FloatArray
    sources_xy: FloatArray
    difference: FloatArray
    plate: Plate
    bare: FloatArray

    @staticmethod
    def of(
        now: ImageArray, before: ImageArray, flow: FloatArray, plate: Plate, hidden: BoolArray
    ) -> Moves:
        """From two pictures and the flow between them.

        Args:
            now: (H, W).
            before: (H, W).
            flow: (H, W, 2), backward, pixels.
            plate: what lay behind the objects before.
            hidden: (h, w) what they hid.
        """
        cells_hw = hidden.shape[0], hidden.shape[1]
        fetched = _dense.fetch(before.astype(np.float32), _dense.sources(flow))
        difference = cv2.resize(np.abs(now - fetched), cells_hw[::-1], interpolation=cv2.INTER_AREA)
        fitted = _dense.fit_flow(flow, cells_hw)
        plate = plate.moved(fitted, hidden)
        levels = np.asarray(difference, np.float32)
        return Moves(fitted, _dense.sources(fitted), levels, plate, plate.seen_in(now))

    @cached_property
    def resting(self) -> FloatArray:
        """(h, w) 1 where nothing has changed but by the camera: nothing has come there."""
        camera = np.median(self.flow, axis=(0, 1))
        calm = np.linalg.norm(self.flow - camera, axis=2) < _CALM
        return np.asarray(calm & (self.difference < _SAME_LEVELS), np.float32)

    def still_elsewhere(self, elsewhere: FloatArray) -> FloatArray:
        """(h, w) 0..1 where an object that is hidden has not come since it was seen.

        Args:
            elsewhere: the same of the frame before.
        """
        return np.asarray(_dense.fetch(elsewhere, self.sources_xy) * self.resting, np.float32)

    def still(
        self, prior: FloatArray, place: tuple[slice, slice], going: FloatArray | None
    ) -> FloatArray:
        """(h, w) 1 where an object has not come: there things rest, or stay while it moves on.

        Args:
            prior: (h, w) 0..1, the object.
            place: the part that holds it, and some around.
            going: (2,) its flow, or None where that is not sure.
        """
        off = prior[place] < _objects.SOME
        still = self.resting.copy()
        still[place] *= off
        if going is None or not prior.any():
            return still
        around = self.flow[place][off]
        staying = np.median(around, axis=0) if len(around) else going
        apart = float(np.linalg.norm(going - staying))
        if apart < _GOING:
            return still
        stays = np.linalg.norm(self.flow - staying, axis=2) < _STAYING * apart
        more = stays & (self.difference < GHOST_LEVELS)
        return np.asarray(np.maximum(still, more), np.float32)
