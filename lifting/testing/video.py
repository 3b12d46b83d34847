"""Rendered views as what a tracker takes and gives: frames, clicks, and masks of other hands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from lifting.types import View
from propagate.errors import SceneError
from propagate.types import Frame, Prompt


def frames(views: Iterable[View]) -> Iterator[Frame]:
    """The pictures of views as a video, for `propagate.track`.

    Raises:
        SceneError: a view without a picture.
    """
    for index, view in enumerate(views):
        if view.image is None:
            raise SceneError(f"{view} has no picture")
        yield Frame(index, view.image, view.time_s, view.name or None)


def clearest(views: Sequence[View]) -> int:
    """The index of the view to click in: the one in which no object is much hidden.

    That is where the least visible object shows most of the pixels that it shows at best.

    Raises:
        SceneError: no views, or one without labels.
    """
    areas = []
    for view in views:
        if view.labels is None:
            raise SceneError(f"{view} has no labels")
        areas.append(np.bincount(view.labels.ravel(), minlength=1)[1:])
    if not areas:
        raise SceneError("there are no views to click in")
    table = np.zeros((len(areas), max(len(one) for one in areas)))
    for row, one in zip(table, areas, strict=True):
        row[: len(one)] = one
    best = table.max(axis=0)
    if not best.any():
        return 0
    return int(np.argmax((table[:, best > 0] / best[best > 0]).min(axis=1)))


def clicks(view: View, frame_index: int = 0, object_ids: Sequence[int] = ()) -> list[Prompt]:
    """One click on each object that a view shows: on its pixel farthest from its edge.

    Args:
        view: with labels.
        frame_index: of the prompts.
        object_ids: which; by default all that are seen.

    Raises:
        SceneError: a view without labels.
    """
    from scipy.ndimage import distance_transform_edt

    if view.labels is None:
        raise SceneError(f"{view} has no labels")
    wanted = object_ids or [int(key) for key in np.unique(view.labels) if key > 0]
    prompts = []
    for key in wanted:
        inside = np.pad(view.labels == key, 1)
        depth = distance_transform_edt(inside)[1:-1, 1:-1]
        if depth.any():
            y, x = np.unravel_index(int(np.argmax(depth)), depth.shape)
            point = np.array([[x + 0.5, y + 0.5]], np.float32)
            prompts.append(Prompt(frame_index, key, points_xy=point))
    return prompts
