"""Where lifted objects are and how large: boxes, centroid, extent and volume."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lifting.types import DoubleArray, LabelledCloud
from propagate.export import replacing

_MOST_DIRECTIONS = 160


@dataclass(frozen=True, eq=False)
class ObjectShape:
    """One object of a cloud; lengths in metres, places in the world.

    Attributes:
        object_id: 1 or more.
        points: how many.
        confidence: 0..1, the mean of its points'.
        centroid: (3,) the mean of its points.
        low: (3,) the least x, y and z: with `high` the box along the axes.
        high: (3,) the greatest x, y and z.
        centre: (3,) the middle of the oriented box.
        axes: (3, 3) a rotation whose columns are the directions of the oriented box's sides; the
            longest first, right-handed.
        extent: (3,) the lengths of the sides, longest first.
        hull_volume: cubic metres inside the convex hull; 0 for what is flat.
    """

    object_id: int
    points: int
    confidence: float
    centroid: DoubleArray
    low: DoubleArray
    high: DoubleArray
    centre: DoubleArray
    axes: DoubleArray
    extent: DoubleArray
    hull_volume: float

    def as_json(self) -> dict[str, Any]:
        """The numbers under their names; `box_volume` besides, `axes` as a list of its rows."""
        return {
            "id": self.object_id,
            "points": self.points,
            "confidence": round(self.confidence, 4),
            "centroid": _rounded(self.centroid),
            "axis_aligned_box": {"low": _rounded(self.low), "high": _rounded(self.high)},
            "oriented_box": {
                "centre": _rounded(self.centre),
                "axes": [_rounded(row) for row in self.axes],
                "extent": _rounded(self.extent),
            },
            "box_volume": float(f"{np.prod(self.extent):.6g}"),
            "hull_volume": float(f"{self.hull_volume:.6g}"),
        }


def shapes_of(cloud: LabelledCloud) -> tuple[ObjectShape, ...]:
    """The shape of every object of a cloud, by id.

    The oriented box is the smallest of those with a face on a face of the convex hull, of the box
    along the principal axes, and of the one along the world's.
    """
    return tuple(_shape(cloud.select(cloud.labels == key), key) for key in cloud.object_ids)


def write_shapes(path: str | os.PathLike[str], cloud: LabelledCloud) -> None:
    """Write `{"unit": "m", "objects": [...]}`, see `ObjectShape`.

    Raises:
        OutputError: it cannot be written.
    """
    found = [one.as_json() for one in shapes_of(cloud)]
    with replacing(Path(path)) as temporary:
        temporary.write_text(json.dumps({"unit": "m", "objects": found}, indent=1) + "\n", "utf-8")


def _shape(cloud: LabelledCloud, key: int) -> ObjectShape:
    points = cloud.points.astype(np.float64)
    corners, normals, volume = _hull(points)
    candidates = [np.eye(3), _principal(points)]
    candidates += [_flat_on(corners, normal) for normal in normals]
    axes = min(candidates, key=lambda turn: float(np.prod(np.ptp(corners @ turn, axis=0))))
    spans = np.ptp(corners @ axes, axis=0)
    axes = axes[:, np.argsort(-spans, kind="stable")]
    if np.linalg.det(axes) < 0:
        axes = axes * [1, 1, -1]
    low, high = (corners @ axes).min(axis=0), (corners @ axes).max(axis=0)
    return ObjectShape(
        key,
        len(points),
        float(cloud.confidence.mean()),
        points.mean(axis=0),
        points.min(axis=0),
        points.max(axis=0),
        axes @ ((low + high) / 2),
        axes,
        high - low,
        volume,
    )


def _hull(points: DoubleArray) -> tuple[DoubleArray, DoubleArray, float]:
    """Corners of the convex hull, the normals of its larger faces, its volume.

    What is flat or has fewer than four points is given back itself, without normals.
    """
    from scipy.spatial import ConvexHull, QhullError

    try:
        hull = ConvexHull(points)
    except (QhullError, ValueError):
        return points, np.zeros((0, 3)), 0.0
    a, b, c = (points[hull.simplices[:, k]] for k in range(3))
    crosses = np.cross(b - a, c - a)
    normals = np.round(hull.equations[:, :3], 3)
    normals *= np.where(normals[:, [2]] + 1e-3 * normals[:, [1]] < 0, -1, 1)  # opposites are one
    alike, place = np.unique(normals, axis=0, return_inverse=True)
    areas = np.bincount(place.ravel(), np.linalg.norm(crosses, axis=1))
    chosen = alike[np.argsort(-areas, kind="stable")[:_MOST_DIRECTIONS]]
    chosen /= np.linalg.norm(chosen, axis=1, keepdims=True)
    return points[hull.vertices], chosen, float(hull.volume)


def _principal(points: DoubleArray) -> DoubleArray:
    """(3, 3) the principal axes of points, in columns."""
    _, axes = np.linalg.eigh(np.cov((points - points.mean(axis=0)).T, bias=True))
    principal: DoubleArray = axes
    return principal


def _flat_on(corners: DoubleArray, normal: DoubleArray) -> DoubleArray:
    """(3, 3) the axes of the smallest box that lies flat on a plane with this normal.

    In the plane one side of the smallest rectangle lies on a side of the hull (Freeman and Shapira,
    "Determining the minimum-area encasing rectangle for an arbitrary closed curve", 1975).
    """
    from scipy.spatial import ConvexHull, QhullError

    one = np.cross(normal, np.eye(3)[np.argmin(np.abs(normal))])
    one /= np.linalg.norm(one)
    plane = np.stack([one, np.cross(normal, one)], axis=1)
    flat = corners @ plane
    try:
        ring = flat[ConvexHull(flat).vertices]
    except QhullError:
        return np.column_stack([plane, normal])
    sides = np.roll(ring, -1, axis=0) - ring
    angles = np.arctan2(sides[:, 1], sides[:, 0])
    cosine, sine = np.cos(angles), np.sin(angles)
    along = ring @ np.stack([cosine, sine])
    across = ring @ np.stack([-sine, cosine])
    best = int(np.argmin(np.ptp(along, axis=0) * np.ptp(across, axis=0)))
    turn = np.array([[cosine[best], -sine[best]], [sine[best], cosine[best]]])
    return np.column_stack([plane @ turn, normal])


def _rounded(values: DoubleArray) -> list[float]:
    return [round(float(value), 6) for value in values]
