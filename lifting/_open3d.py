"""Open3D, met in this file only: rays against meshes, and meshes of surfaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lifting.camera import back_project, distort, to_opencv, to_pixels
from lifting.types import Camera, DoubleArray, LabelArray, View
from propagate.errors import MissingPackageError
from propagate.types import BoolArray, FloatArray, ImageArray

_DEVICE = "CPU:0"
_BLOCKS = 2000  # to begin with; the hash grows
_TRUNCATION = 4.0  # voxels


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


class Fusion:
    """Depth of many views as one surface: a truncated signed distance in a hash of voxel blocks."""

    def __init__(self, voxel_m: float) -> None:
        """Start with nothing known; voxels are `voxel_m` metres wide.

        Raises:
            MissingPackageError: Open3D is not installed.
        """
        self._open3d = open3d_for("making meshes")
        self._voxel_m = voxel_m
        core = self._open3d.core
        self._grid = self._open3d.t.geometry.VoxelBlockGrid(
            attr_names=("tsdf", "weight", "color"),
            attr_dtypes=(core.float32, core.float32, core.float32),
            attr_channels=((1), (1), (3)),
            voxel_size=voxel_m,
            block_resolution=8,
            block_count=_BLOCKS,
            device=core.Device(_DEVICE),
        )
        self._coloured = True
        self._views = 0

    def integrate(self, view: View, depth: FloatArray) -> None:
        """Add a view, with this depth (H, W) metres instead of its own."""
        camera, core = view.camera, self._open3d.core
        self._coloured &= view.image is not None
        grey = np.zeros((*view.size_hw, 3), np.uint8)
        colours = (grey if view.image is None else view.image).astype(np.float32)
        colours /= np.float32(255)
        picture = self._open3d.t.geometry.Image
        depth_picture, colour_picture = (
            picture(core.Tensor(np.ascontiguousarray(straightened(camera, pixels))))
            for pixels in (depth, colours)
        )
        K, pose = core.Tensor(to_opencv(camera.K)), core.Tensor(camera.cam_T_world)
        far = float(depth.max()) + self._voxel_m
        rows, columns = np.nonzero(depth)
        pixels = np.stack([columns, rows], axis=1) + 0.5
        # Open3D would look at every fourth pixel only, and small things have too few for that.
        points = back_project(camera, pixels, depth[rows, columns]).astype(np.float32)
        cloud = self._open3d.t.geometry.PointCloud(core.Tensor(points))
        blocks = self._grid.compute_unique_block_coordinates(cloud, _TRUNCATION)
        self._grid.integrate(
            blocks, depth_picture, colour_picture, K, K, pose, 1.0, far, _TRUNCATION
        )
        self._views += 1

    def surface(self) -> tuple[FloatArray, LabelArray, ImageArray | None] | None:
        """Vertices (V, 3), triangles (T, 3) and colours (V, 3) or None; None without a surface."""
        if not self._views:
            return None
        mesh = self._grid.extract_triangle_mesh(weight_threshold=min(2.0, self._views - 0.5))
        if not len(mesh.triangle.indices) or not len(mesh.vertex.positions):
            return None
        triangles = mesh.triangle.indices.numpy().astype(np.int32)
        colours = None
        if self._coloured:
            bright = 255 * mesh.vertex.colors.numpy()
            colours = np.clip(np.rint(bright), 0, 255).astype(np.uint8)
        return mesh.vertex.positions.numpy().astype(np.float32), triangles, colours


def straightened(camera: Camera, pixels: FloatArray) -> FloatArray:
    """The picture (H, W, ...) as a lens without distortion shows it; 0 where nothing is known."""
    if not camera.distortion.any():
        return pixels
    height, width = camera.size_hw
    y, x = np.mgrid[:height, :width] + 0.5
    ideal = (np.stack([x.ravel(), y.ravel()], axis=1) - camera.centre_xy) / camera.focal_xy
    bent = to_pixels(camera, distort(ideal, camera.distortion))
    inside: BoolArray = np.all((bent >= 0) & (bent < (width, height)), axis=1)
    column, row = np.where(inside[:, None], bent, 0).astype(int).T
    straight: FloatArray = pixels[row, column]
    straight[~inside] = 0
    return straight.reshape(pixels.shape)
