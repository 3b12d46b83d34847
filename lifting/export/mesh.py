"""Surfaces of lifted objects: the depth of all views, fused around the object's points."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from lifting import camera as cameras
from lifting._open3d import Fusion
from lifting.export.ply import write_elements
from lifting.types import DoubleArray, LabelArray, LabelledCloud, View
from propagate.errors import SceneError
from propagate.types import BoolArray, FloatArray, ImageArray

_REACH = 2.5  # voxels from the object's points that depth is still taken for its own
_MARGIN = 4.0  # pixels


@dataclass(frozen=True, eq=False)
class ObjectMesh:
    """The surface of one object.

    Attributes:
        object_id: 1 or more.
        vertices: (V, 3) float32, metres, world.
        triangles: (T, 3) int32, rows of `vertices`, seen from outside anticlockwise.
        colours: (V, 3) uint8, or None.
    """

    object_id: int
    vertices: FloatArray
    triangles: LabelArray
    colours: ImageArray | None = None


def object_meshes(
    views: Iterable[View],
    cloud: LabelledCloud,
    object_ids: Sequence[int] | None = None,
    *,
    voxel_m: float = 0.01,
) -> tuple[ObjectMesh, ...]:
    """A mesh an object, from the depth of views.

    Signed distances are averaged over the views (Curless and Levoy, "A volumetric method for
    building complex models from range images", 1996), in Open3D's hash of voxel blocks. Depth
    counts for an object where it lies near the object's points in the cloud, which many views have
    agreed on, so that one view's bad mask brings no wall with it.

    Args:
        views: posed, with depth; those without are passed over. Read once, one at a time.
        cloud: lifted from them.
        object_ids: which; by default all.
        voxel_m: metres; not finer than the depth's noise.

    Returns:
        One for each object that gave a surface, by id.

    Raises:
        SceneError: an id that the cloud does not have, or no view with depth.
        MissingPackageError: Open3D is not installed.
    """
    wanted = cloud.object_ids if object_ids is None else tuple(object_ids)
    missing = set(wanted) - set(cloud.object_ids)
    if missing:
        raise SceneError(f"the cloud has no object {min(missing)}; it has {cloud.object_ids}")
    parts = {key: _Part.of(cloud, key, voxel_m) for key in wanted}
    used = 0
    for view in views:
        if view.depth is not None:
            used += 1
            for part in parts.values():
                part.take(view, view.depth)
    if not used:
        raise SceneError("no view has depth, of which a mesh could be made")
    made = ((key, part.fusion.surface()) for key, part in parts.items())
    return tuple(ObjectMesh(key, *surface) for key, surface in made if surface is not None)


def write_mesh(path: str | os.PathLike[str], mesh: ObjectMesh) -> None:
    """Write a mesh as a binary PLY file.

    Raises:
        OutputError: it cannot be written.
    """
    fields = [("x", "<f4"), ("y", "<f4"), ("z", "<f4")]
    names = ["float x", "float y", "float z"]
    if mesh.colours is not None:
        fields += [(name, "u1") for name in ("red", "green", "blue")]
        names += ["uchar red", "uchar green", "uchar blue"]
    rows = np.empty(len(mesh.vertices), np.dtype(fields))
    columns = [*mesh.vertices.T, *([] if mesh.colours is None else mesh.colours.T)]
    for (name, _), column in zip(fields, columns, strict=True):
        rows[name] = column
    faces = np.empty(len(mesh.triangles), np.dtype([("n", "u1"), ("corners", "<i4", 3)]))
    faces["n"], faces["corners"] = 3, mesh.triangles
    lists = ["list uchar int vertex_indices"]
    write_elements(path, [("vertex", rows, names), ("face", faces, lists)])


@dataclass(frozen=True, eq=False)
class _Part:
    """An object's points, and what is fused around them.

    Attributes:
        points: (P, 3) of the object.
        near: the tree of all points of the cloud in the object's box.
        own: (N,) which of those are the object's.
        reach: metres.
        fusion: of the depth.
    """

    points: FloatArray
    near: cKDTree
    own: BoolArray
    reach: float
    fusion: Fusion

    @staticmethod
    def of(cloud: LabelledCloud, key: int, voxel_m: float) -> _Part:
        points = cloud.points[cloud.labels == key]
        # the cloud may be coarser than the mesh is to be
        apart, _ = cKDTree(points).query(points[:: max(1, len(points) // 500)], k=[2])
        gap = float(np.median(apart)) if len(points) > 1 else voxel_m
        reach = _REACH * max(gap, voxel_m)
        around = _in_box(cloud.points, points, reach)
        own = cloud.labels[around] == key
        return _Part(points, cKDTree(cloud.points[around]), own, reach, Fusion(voxel_m))

    def take(self, view: View, depth: FloatArray) -> None:
        """Fuse the part of a depth picture that shows the object."""
        window = self._window(view)
        if window is None:
            return
        mine = np.zeros_like(depth)
        mine[window] = np.where(self._is_own(view, depth, window), depth[window], 0)
        if mine.any():
            self.fusion.integrate(view, mine)

    def _window(self, view: View) -> tuple[slice, slice] | None:
        """The rows and columns of the picture that may show the object."""
        pixels, away = cameras.project(view.camera, self.points)
        inside = cameras.in_picture(
            view.camera, pixels, cameras.to_camera(view.camera, self.points)
        )
        if not inside.any():
            return None
        margin = _MARGIN + self.reach * max(view.camera.focal_xy) / float(away[inside].min())
        low = np.maximum(pixels[inside].min(axis=0) - margin, 0).astype(int)
        high = (pixels[inside].max(axis=0) + margin).astype(int) + 1
        return slice(low[1], high[1]), slice(low[0], high[0])

    def _is_own(self, view: View, depth: FloatArray, window: tuple[slice, slice]) -> BoolArray:
        """Which pixels of the window lie nearest to a point of the object, and near it."""
        part, rays = depth[window], cameras.pixel_rays(view.camera)[window]
        flat = np.concatenate([rays * part[..., None], part[..., None]], axis=-1)
        world: DoubleArray = flat.reshape(-1, 3) @ view.camera.world_T_cam[:3, :3].T
        world = world + view.camera.place
        own = (part > 0).ravel() & _in_box(world, self.points, self.reach)
        rows = np.flatnonzero(own)
        _, nearest = self.near.query(world[rows], distance_upper_bound=self.reach)
        own[rows] = np.append(self.own, False)[nearest]  # beyond the reach it is one past the end
        found: BoolArray = own.reshape(part.shape)
        return found


def _in_box(points: FloatArray | DoubleArray, around: FloatArray, margin: float) -> BoolArray:
    """(N,) which points lie in the box around other points, and so far beyond it."""
    low, high = around.min(axis=0) - margin, around.max(axis=0) + margin
    inside: BoolArray = ((points > low) & (points < high)).all(axis=1)
    return inside
