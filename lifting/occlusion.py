"""Which points of a cloud a view shows: by agreement with its depth, or by what stands in front."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from lifting.settings import Settings
from lifting.types import DoubleArray, View
from propagate.errors import SceneError
from propagate.types import BoolArray, FloatArray, ImageArray

_SAMPLE = 2000  # points on which a cloud's spacing is measured


@dataclass(frozen=True, eq=False)
class Target:
    """A given cloud whose points are to be labelled, prepared once.

    Attributes:
        points: (N, 3) metres.
        spacing_m: how far neighbouring points lie apart, as a rule.
        colours: (N, 3) uint8, or None.
    """

    points: FloatArray
    spacing_m: float
    colours: ImageArray | None = None

    @staticmethod
    def of(points: FloatArray, colours: ImageArray | None = None) -> Target:
        """Measure the spacing on a sample of the points (N, 3).

        Raises:
            SceneError: fewer than two points.
        """
        if len(points) < 2:
            raise SceneError(f"the cloud to label has {len(points)} points; give at least 2")
        some = points[:: max(1, len(points) // _SAMPLE)]
        apart, _ = cKDTree(points).query(some, k=2)
        return Target(points, max(float(np.median(np.asarray(apart)[:, 1])), 1e-9), colours)


def is_visible(
    view: View, places: DoubleArray, depth: DoubleArray, spacing_m: float, settings: Settings
) -> BoolArray:
    """(N,) bool: which points at pixels `places` (N, 2) and `depth` (N,) nothing hides.

    With depth, a point is seen where the picture's depth is the same within the tolerance; a hole
    in the depth shows nothing. Without, points hide those behind them: see `hidden_by_points`.

    Args:
        view: with or without depth; the places lie in its picture.
        places: pixels.
        depth: metres.
        spacing_m: of the points, where they are to hide each other.
        settings: tolerances.
    """
    if view.depth is None:
        gap_px = spacing_m * max(view.camera.focal_xy)
        return ~hidden_by_points(places, depth, gap_px, tolerance(depth, settings) + 2 * spacing_m)
    measured = view.depth[places[:, 1].astype(np.intp), places[:, 0].astype(np.intp)]
    agree: BoolArray = np.abs(measured - depth) < tolerance(depth, settings)
    return agree & (measured > 0)


def tolerance(depth: DoubleArray, settings: Settings) -> DoubleArray:
    """(N,) metres by which two depths may differ and still be the same surface."""
    return settings.depth_tolerance_m + settings.depth_tolerance_share * depth


def hidden_by_points(
    places: DoubleArray, depth: DoubleArray, gap_px: float, tolerance_m: DoubleArray
) -> BoolArray:
    """(N,) bool: which of a cloud's points lie behind others of it.

    Every point hides what lies behind its cell of the picture, and cells are twice as wide as the
    gaps between points look at that depth, so that no ray slips through a surface: depth buffers
    whose cells double, one for each range of depth.

    Args:
        places: (N, 2) pixels.
        depth: (N,) metres.
        gap_px: the gap between neighbouring points, in pixels, as seen from 1 m.
        tolerance_m: (N,) how far behind is still the same surface.
    """
    nearest = np.full(len(depth), np.inf)
    level = np.ceil(np.log2(np.maximum(2 * gap_px / depth, 1.0))).astype(np.intp)
    for one in np.unique(level):
        cells = np.floor(places / 2.0**one).astype(np.int64)
        keys = (cells[:, 1] << 32) | cells[:, 0]
        mine = level == one
        order = np.lexsort((depth[mine], keys[mine]))
        held, front = keys[mine][order], depth[mine][order]
        first = np.append(True, held[1:] != held[:-1])
        held, front = held[first], front[first]
        at = np.minimum(np.searchsorted(held, keys), len(held) - 1)
        nearest = np.where(held[at] == keys, np.minimum(nearest, front[at]), nearest)
    hidden: BoolArray = depth > nearest + tolerance_m
    return hidden
