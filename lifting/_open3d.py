"""Open3D, met in this file only: rays against meshes, and meshes of surfaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lifting.types import DoubleArray, LabelArray
from propagate.errors import MissingPackageError
from propagate.types import BoolArray, FloatArray

_ANY_DEVICE = "CPU:0"


def open3d_for(purpose: str) -> Any:
    """The package, for `purpose`.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        import open3d
    except ImportError as error:
        raise MissingPackageError("open3d", "lift", purpose) from error
    return open3d


@dataclass(frozen=True, eq=False)
class Hits:
    """Where rays met meshes, one entry a ray.

    Attributes:
        distance: (N,) float32, in lengths of the ray's direction; infinite where it met nothing.
        meshes: (N,) int32, the mesh that was met, -1 for none.
        triangles: (N,) int32, the triangle of that mesh, 0 for none.
        corner_weights: (N, 3) float32, how near each corner of the triangle is; they add up to 1.
    """

    distance: FloatArray
    meshes: LabelArray
    triangles: LabelArray
    corner_weights: FloatArray


class Raycaster:
    """Meshes that rays can be shot at (Embree, on the CPU)."""

    def __init__(self, meshes: Sequence[tuple[DoubleArray, LabelArray]]) -> None:
        """Take vertices (V, 3) in metres and triangles (T, 3), the rows of their corners, of each.

        Raises:
            MissingPackageError: Open3D is not installed.
        """
        self._open3d = open3d_for("rendering a scene")
        self._scene = self._open3d.t.geometry.RaycastingScene()
        for vertices, triangles in meshes:
            self._scene.add_triangles(
                self._tensor(vertices.astype(np.float32)), self._tensor(triangles.astype(np.uint32))
            )

    def _tensor(self, array: npt.NDArray[Any]) -> Any:
        return self._open3d.core.Tensor(np.ascontiguousarray(array))

    def cast(self, origins: npt.ArrayLike, directions: FloatArray) -> Hits:
        """What rays (N, 3) meet first; NaN directions meet nothing."""
        rays = np.empty((len(directions), 6), np.float32)
        rays[:, :3], rays[:, 3:] = origins, directions
        found = self._scene.cast_rays(self._tensor(rays))
        distance, weights = found["t_hit"].numpy(), found["primitive_uvs"].numpy()
        met = np.isfinite(distance)
        corners = np.column_stack([1 - weights.sum(axis=1), weights]).astype(np.float32)
        return Hits(
            distance,
            np.where(met, found["geometry_ids"].numpy(), 0).astype(np.int32) - ~met,
            np.where(met, found["primitive_ids"].numpy(), 0).astype(np.int32),
            corners,
        )

    def is_blocked(self, origins: npt.NDArray[Any], ends: npt.NDArray[Any]) -> BoolArray:
        """(N,) bool: whether anything lies strictly between the points (N, 3) and (N, 3)."""
        rays = np.empty((len(origins), 6), np.float32)
        rays[:, :3], rays[:, 3:] = origins, ends - origins
        blocked: BoolArray = self._scene.test_occlusions(
            self._tensor(rays), tnear=1e-3, tfar=1 - 1e-3
        ).numpy()
        return blocked

    def nearest(self, points: npt.ArrayLike) -> tuple[LabelArray, FloatArray]:
        """The mesh nearest to each point (N, 3), (N,), and how far away that is, (N,) metres."""
        wanted = np.asarray(points, np.float32).reshape(-1, 3)
        found = self._scene.compute_closest_points(self._tensor(wanted))
        apart: FloatArray = np.linalg.norm(found["points"].numpy() - wanted, axis=1)
        return found["geometry_ids"].numpy().astype(np.int32), apart.astype(np.float32)
