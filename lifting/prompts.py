"""From 3D back to pictures: where an object that was lifted is to be found in a view.

So an object that was pointed at in one view can be asked for in all others, and again when it comes
back into a video.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from lifting import camera as cameras
from lifting.occlusion import Target, is_visible
from lifting.settings import Settings
from lifting.types import Camera, DoubleArray, LabelledCloud, View
from propagate.errors import SceneError
from propagate.types import FloatArray, Prompt

_POINTS = 3
_TRIM = 0.01  # of the points on each side may stick out of the box
_GAPS = 1.5  # cells are as many gaps between points wide, so that a surface has no holes
_FEWEST = 4


@dataclass(frozen=True, eq=False)
class Sighting:
    """Where a view should show an object.

    Attributes:
        object_id: 1 or more.
        box: (4,) float32 pixels (x0, y0, x1, y1), around what is visible.
        points_xy: (N, 2) float32 pixels, 1 to 3, well inside what is visible, best first.
        in_picture: 0..1, the part of the object's points that fall in the picture.
        visible: 0..1, the part of the object's points that fall in the picture and are not hidden;
            a solid body hides about half of itself.
    """

    object_id: int
    box: FloatArray
    points_xy: FloatArray
    in_picture: float
    visible: float


def prompts_for(
    view: View | Camera,
    cloud: LabelledCloud,
    object_ids: Sequence[int] | None = None,
    *,
    frame_index: int = 0,
    least_visible: float = 0.05,
) -> tuple[Prompt, ...]:
    """Prompts for the objects of a cloud that a view shows: a box and points on each.

    Args:
        view: the picture to ask in; its depth, where it has one, says what is hidden. Without, the
            points of the cloud hide each other.
        cloud: labelled, may hold a part of each object only.
        object_ids: which; by default all that the cloud has.
        frame_index: of the prompts.
        least_visible: objects of which less than this part is visible get no prompt.

    Returns:
        One `propagate.Prompt` an object, in the order of the ids; none for objects that are out of
        the picture or hidden.

    Raises:
        SceneError: an id that the cloud does not have, or a cloud with fewer than two points.
    """
    seen = sightings(view, cloud, object_ids)
    return tuple(
        Prompt(frame_index, one.object_id, points_xy=one.points_xy, box=one.box)
        for one in seen
        if one.visible >= least_visible
    )


def sightings(
    view: View | Camera,
    cloud: LabelledCloud,
    object_ids: Sequence[int] | None = None,
    *,
    settings: Settings | None = None,
) -> tuple[Sighting, ...]:
    """Where a view shows the objects of a cloud; those it does not show are left out.

    Args:
        view: see `prompts_for`.
        cloud: labelled.
        object_ids: which; by default all that the cloud has.
        settings: the tolerances of depth.

    Raises:
        SceneError: as `prompts_for`.
    """
    view = View(view) if isinstance(view, Camera) else view
    wanted = cloud.object_ids if object_ids is None else tuple(object_ids)
    missing = set(wanted) - set(cloud.object_ids)
    if missing:
        raise SceneError(
            f"the cloud has no object {min(missing)}; it has {list(cloud.object_ids) or 'none'}"
        )
    settings = settings or Settings()
    target = Target.of(cloud.points)
    in_cam = cameras.to_camera(view.camera, cloud.points)
    pixels, _ = cameras.project(view.camera, cloud.points)
    inside = np.flatnonzero(cameras.in_picture(view.camera, pixels, in_cam))
    places, depth, labels = pixels[inside], in_cam[inside, 2], cloud.labels[inside]
    visible = is_visible(view, places, depth, target.spacing_m, settings)
    gaps = target.spacing_m * max(view.camera.focal_xy) / depth
    found = []
    for key in wanted:
        mine = labels == key
        shown = mine & visible
        if shown.sum() >= _FEWEST:
            whole = int((cloud.labels == key).sum())
            gap = float(np.median(gaps[shown]))
            found.append(
                Sighting(
                    int(key),
                    _box(places[shown], gap, view.size_hw),
                    _inner_points(places[shown], max(1.0, _GAPS * gap)),
                    float(mine.sum() / whole),
                    float(shown.sum() / whole),
                )
            )
    return tuple(found)


def _box(places: DoubleArray, gap: float, size_hw: tuple[int, int]) -> FloatArray:
    """(4,) around nearly all places (N, 2), with half a gap between points to each side."""
    low, high = np.quantile(places, [_TRIM, 1 - _TRIM], axis=0)
    half = max(gap, 1.0) / 2
    corners = np.concatenate([low - half, high + half])
    box: FloatArray = np.clip(corners, 0, np.tile(size_hw[::-1], 2)).astype(np.float32)
    return box


def _inner_points(places: DoubleArray, cell: float) -> FloatArray:
    """(1..3, 2) places that are far from the outline of what the places (N, 2) cover.

    Args:
        places: pixels.
        cell: pixels; as wide as a surface of points needs to have no holes.
    """
    start = places.min(axis=0) - cell
    cells = ((places - start) / cell).astype(np.intp)
    covered = np.zeros(tuple(cells.max(axis=0) + 2), bool)
    covered[cells[:, 0], cells[:, 1]] = True
    depth = distance_transform_edt(covered)
    middles = (np.argwhere(covered) + 0.5) * cell + start
    inner = depth[covered]
    chosen: list[DoubleArray] = []
    least = inner.max() / 2
    for _ in range(_POINTS):
        best = int(np.argmax(inner))
        if inner[best] < least or inner[best] <= 0:
            break
        chosen.append(_nearest(places, middles[best]))
        apart = np.linalg.norm(middles - middles[best], axis=1)
        inner = np.where(apart < 2 * least * cell, 0, inner)
    return np.stack(chosen).astype(np.float32)


def _nearest(places: DoubleArray, point: DoubleArray) -> DoubleArray:
    """The one of the places (N, 2) that is nearest to a point: surely on the object."""
    nearest: DoubleArray = places[np.argmin(((places - point) ** 2).sum(axis=1))]
    return nearest
