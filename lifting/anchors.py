"""Objects as they were pointed at: what a tracker took for them elsewhere is left out.

A tracker that loses an object may go on with something alike, over there. Votes cannot tell, as
nobody else claims those points; but the view in which the object was clicked shows where it is.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.spatial import cKDTree

from lifting import camera as cameras
from lifting.fragments import pieces
from lifting.fuse import voxel_keys
from lifting.occlusion import Target, is_visible
from lifting.settings import Settings
from lifting.types import LabelArray, LabelledCloud, View
from propagate.errors import SceneError
from propagate.types import BoolArray, FloatArray

_CELL = 1.5  # gaps between points; pieces are looked at with cells twice as large


def anchored(
    cloud: LabelledCloud,
    views: View | Iterable[View],
    *,
    reach: float = 0.5,
    settings: Settings | None = None,
) -> LabelledCloud:
    """The cloud, with each object only where the views show it in which it was pointed at.

    Of each object those pieces stay that such a view shows under the object's mask, and what lies
    near them; all else gets label 0 and confidence 0. Objects that these views do not show are left
    as they are.

    Args:
        cloud: labelled.
        views: where the objects were clicked, with the masks of the clicks as labels; with depth,
            or the points hide each other.
        reach: how near other pieces must lie, in diagonals of the box around what is shown.
        settings: the tolerances of depth.

    Raises:
        SceneError: a view without labels, or a cloud with fewer than two points.
    """
    settings = settings or Settings()
    target = Target.of(cloud.points)
    keys = voxel_keys(cloud.points, _CELL * target.spacing_m)
    shown = np.zeros(len(cloud), bool)
    for view in [views] if isinstance(views, View) else views:
        shown |= _shown(view, cloud, target, settings)
    order = np.argsort(keys, kind="stable")
    labels = cloud.labels.copy()
    for key in np.unique(cloud.labels[shown]):
        mine = order[cloud.labels[order] == key]
        piece = pieces(keys[mine], cloud.labels[mine])
        meant = np.isin(piece, piece[shown[mine]])
        labels[mine[~_near(cloud.points[mine], meant, reach)]] = 0
    confidence = np.where(labels == cloud.labels, cloud.confidence, 0).astype(np.float32)
    return LabelledCloud(cloud.points, labels, confidence, cloud.colours, cloud.view_counts)


def _shown(view: View, cloud: LabelledCloud, target: Target, settings: Settings) -> BoolArray:
    """(N,) bool: which points the view shows under the mask of their own object."""
    if view.labels is None:
        raise SceneError(f"{view} has no labels; give the masks of the clicks")
    in_cam = cameras.to_camera(view.camera, cloud.points)
    pixels, _ = cameras.project(view.camera, cloud.points)
    inside = np.flatnonzero(cameras.in_picture(view.camera, pixels, in_cam) & (cloud.labels > 0))
    places, depth = pixels[inside], in_cam[inside, 2]
    column, row = places.astype(np.intp).T
    under: LabelArray = view.labels[row, column]
    seen = is_visible(view, places, depth, target.spacing_m, settings)
    shown = np.zeros(len(cloud), bool)
    shown[inside] = seen & (under == cloud.labels[inside])
    return shown


def _near(points: FloatArray, meant: BoolArray, reach: float) -> BoolArray:
    """(N,) bool: which points are meant or lie within `reach` diagonals of those that are."""
    core = points[meant]
    diagonal = float(np.linalg.norm(np.ptp(core, axis=0)))
    near = meant.copy()
    rest = np.flatnonzero(~meant)
    apart, _ = cKDTree(core).query(points[rest], distance_upper_bound=reach * diagonal + 1e-6)
    near[rest] = np.isfinite(apart)
    return near
