"""What a view shows of the world, and how far each pixel of it may be believed.

`seen_by_depth` reads the pixels of a depth picture; `seen_of_cloud` finds which points of a given
cloud the view shows, by agreement with its depth or, where it has none, by letting the points
hide each other. Both say what each sample saw and with which weight, and hold arrays of one length.

A sample weighs less the flatter it sees the surface, the farther away it is and the nearer it lies
to the edge of a mask.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lifting import camera as cameras
from lifting.occlusion import Target, is_visible
from lifting.settings import Settings
from lifting.types import LabelArray, View
from propagate.errors import SceneError
from propagate.types import FloatArray, ImageArray

NO_VOTE = -1
"""The label of a sample that says nothing about objects."""

_EDGE_STEPS = ((0.125, 0.25), (0.5, 0.6), (1.0, 1.0))  # (of edge_px: no edge so near, weight)
_AT_EDGE = 0.1
_WIDTH = 640  # of the picture that `edge_px` speaks of
_MOST_STRIDE = 3
_FLATTEST = 0.05
_FILL = 0.75  # of a voxel, at most, between neighbouring samples


@dataclass(frozen=True, eq=False)
class Samples:
    """What one view saw, one entry a sample.

    Attributes:
        points: (N, 3) float32, metres, world.
        labels: (N,) int32, the id, 0 for background, `NO_VOTE` where nothing is said.
        weights: (N,) float32, above 0: how well the sample was seen.
        votes: (N,) float32: how far its label may be believed.
        colours: (N, 3) uint8, or None.
        indices: (N,) which points of the given cloud these are; None for samples of depth.
    """

    points: FloatArray
    labels: LabelArray
    weights: FloatArray
    votes: FloatArray
    colours: ImageArray | None
    indices: npt.NDArray[np.intp] | None = None


@dataclass(frozen=True, eq=False)
class _Grid:
    """Some of the pixels of a picture that is read every `step` pixels.

    Attributes:
        indices: (N,) which of the pixels that are left, row by row.
        step: 1 for all pixels.
    """

    indices: npt.NDArray[np.intp]
    step: int

    def pick(self, coarse: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(N, ...) of what has been thinned out already."""
        return coarse.reshape(-1, *coarse.shape[2:]).take(self.indices, axis=0)

    def read(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(N, ...) of what has the size of the picture."""
        start = self.step // 2
        return self.pick(pixels[start :: self.step, start :: self.step])


def seen_by_depth(view: View, settings: Settings) -> Samples:
    """The points that the pixels of a depth picture show.

    Raises:
        SceneError: the view has no depth.
    """
    if view.depth is None:
        raise SceneError(
            f"{view} has no depth to make points of; give depth, or a cloud whose points it labels"
        )
    step = settings.stride or _stride(view, view.depth, settings)
    start = step // 2
    rays = cameras.pixel_rays(view.camera)[start::step, start::step]
    depth = smoothed(view.depth, step, settings.smoothing)
    focal = view.camera.focal_xy
    cosines = cosines_of(depth, rays, (step / focal[0], step / focal[1]))
    used = (depth > 0) & (depth < settings.farthest_m) & (cosines > settings.least_cosine)
    at = _Grid(np.flatnonzero(used), step)
    distance = at.pick(depth)
    in_cam = np.empty((len(distance), 3), np.float32)
    np.multiply(at.pick(rays), distance[:, None], out=in_cam[:, :2])
    in_cam[:, 2] = distance
    points = in_cam @ view.camera.world_T_cam[:3, :3].T.astype(np.float32)
    points += view.camera.place.astype(np.float32)
    weights = at.pick(cosines) * _nearness(distance, settings)
    return _samples(view, settings, points, weights, at)


def _stride(view: View, depth: FloatArray, settings: Settings) -> int:
    """As many pixels as lie in most of a voxel at the depth that half of the pixels reach."""
    coarse = depth[::16, ::16]
    coarse = coarse[(coarse > 0) & (coarse < settings.farthest_m)]
    if not len(coarse):
        return 1
    pixel_m = float(np.median(coarse)) / min(view.camera.focal_xy)
    return int(np.clip(_FILL * settings.voxel_m / pixel_m, 1, _MOST_STRIDE))


def smoothed(depth: FloatArray, step: int, share: float) -> FloatArray:
    """Depth at every `step`-th pixel, the mean of the pixel and its neighbours on one surface.

    Args:
        depth: (H, W) metres, 0 for none.
        step: from `step // 2` on.
        share: of the depth; neighbours that differ by less belong to the same surface.

    Returns:
        (h, w) float32.
    """
    start = step // 2
    centre = depth[start::step, start::step]
    if not share:
        return centre
    height, width = centre.shape
    padded = np.zeros((depth.shape[0] + 2, depth.shape[1] + 2), np.float32)
    padded[1:-1, 1:-1] = depth
    limit = np.float32(share) * centre
    change, count = np.zeros_like(centre), np.ones_like(centre)
    for down, right in ((0, 1), (1, 0), (1, 2), (2, 1)):
        near = padded[start + down :: step, start + right :: step][:height, :width] - centre
        same = np.abs(near) < limit
        near *= same
        change += near
        count += same
    change /= count
    change += centre
    return change


def _nearness(depth: FloatArray, settings: Settings) -> FloatArray:
    """(N,) 0..1, float32: 1 close by, a half at `near_m`, then with the square of the distance."""
    near: FloatArray = np.float32(1) / (1 + np.square(depth / np.float32(settings.near_m)))
    return near


def cosines_of(depth: FloatArray, rays: FloatArray, step_xy: tuple[float, float]) -> FloatArray:
    """The cosine between each pixel's ray and the normal of the surface it meets.

    The normal comes from how the depth changes between neighbours; a plane z(x, y) whose slopes
    are a and b has the normal (a, b, -(z + a x + b y)) in coordinates of the focal plane, and its
    product with the ray (x, y, 1) is -z.

    Args:
        depth: (h, w) metres, 0 for none.
        rays: (h, w, 2) x / z and y / z of the pixels.
        step_xy: how far neighbours lie apart in units of the focal length.

    Returns:
        (h, w) float32, 0..1; low where a neighbour has no depth.
    """
    if min(depth.shape) < 2:
        return np.ones_like(depth)
    along_x, along_y = np.empty_like(depth), np.empty_like(depth)
    np.subtract(depth[:, 2:], depth[:, :-2], out=along_x[:, 1:-1])
    along_x[:, 0], along_x[:, -1] = (
        2 * (depth[:, 1] - depth[:, 0]),
        2 * (depth[:, -1] - depth[:, -2]),
    )
    np.subtract(depth[2:], depth[:-2], out=along_y[1:-1])
    along_y[0], along_y[-1] = 2 * (depth[1] - depth[0]), 2 * (depth[-1] - depth[-2])
    along_x *= np.float32(0.5 / step_xy[0])
    along_y *= np.float32(0.5 / step_xy[1])
    x, y = rays[..., 0], rays[..., 1]
    squared = np.square(along_x) + np.square(along_y)
    squared += np.square(depth + along_x * x + along_y * y)
    squared *= np.square(x) + np.square(y) + 1
    with np.errstate(invalid="ignore", divide="ignore"):
        cosines: FloatArray = depth / np.sqrt(squared)
    return cosines


def edge_trust(labels: LabelArray, step: int, reach: float) -> FloatArray:
    """How far labels may be believed by their distance to where the label changes.

    Counts of changes in a square around each pixel come from one table of sums (Crow,
    "Summed-area tables for texture mapping", 1984).

    Args:
        labels: (H, W) ids.
        step: every how many pixels it is asked for, from `step // 2` on.
        reach: pixels; from there on a label counts fully.

    Returns:
        (h, w) float32, 0.1..1.
    """
    height, width = labels.shape
    changes = np.zeros((height + 1, width + 1), np.int32)
    inner = changes[1:, 1:]
    np.not_equal(labels[:, 1:], labels[:, :-1], out=inner[:, :-1], casting="unsafe")
    inner[:-1] |= labels[1:] != labels[:-1]
    np.cumsum(changes, axis=0, out=changes)
    np.cumsum(changes, axis=1, out=changes)
    rows, columns = (np.arange(step // 2, side, step) for side in labels.shape)
    trust = np.full((len(rows), len(columns)), _AT_EDGE, np.float32)
    for part, weight in _EDGE_STEPS:
        radius = max(1, round(part * reach))
        top, bottom = np.maximum(rows - radius, 0), np.minimum(rows + radius, height)
        left, right = np.maximum(columns - radius, 0), np.minimum(columns + radius, width)
        strips = changes.take(bottom, axis=0) - changes.take(top, axis=0)
        count = strips.take(right, axis=1) - strips.take(left, axis=1)
        np.putmask(trust, count == 0, weight)
    return trust


def _samples(
    view: View, settings: Settings, points: FloatArray, weights: FloatArray, at: _Grid
) -> Samples:
    """Read labels, their trust, and colours where the samples lie."""
    colours = None if view.image is None else at.read(view.image)
    if view.labels is None:
        silent = np.full(len(points), NO_VOTE, np.int32)
        return Samples(points, silent, weights, np.zeros_like(weights), colours)
    labels = at.read(view.labels)
    reach = settings.edge_px * view.size_hw[1] / _WIDTH
    trust = edge_trust(view.labels, at.step, reach)
    votes = weights * trust.ravel().take(at.indices)
    if view.confidence is not None:
        votes *= at.read(view.confidence)
    for key, score in view.scores.items():
        votes[labels == key] *= np.float32(score)
    if settings.unlabelled == "unknown":
        labels = np.where(labels == 0, np.int32(NO_VOTE), labels)
    return Samples(points, labels, weights, votes, colours)


def seen_of_cloud(view: View, target: Target, settings: Settings) -> Samples:
    """Which points of a given cloud the view shows, and what it says of them.

    `indices` tells which points; each appears at most once.
    """
    in_cam = cameras.to_camera(view.camera, target.points)
    pixels, _ = cameras.project(view.camera, target.points)
    inside = cameras.in_picture(view.camera, pixels, in_cam)
    inside &= in_cam[:, 2] < settings.farthest_m
    indices = np.flatnonzero(inside)
    places, depth = pixels[indices], in_cam[indices, 2]
    visible = is_visible(view, places, depth, target.spacing_m, settings)
    indices, places, depth = indices[visible], places[visible], depth[visible]
    whole = places.astype(np.intp)
    at = _Grid(whole[:, 1] * view.size_hw[1] + whole[:, 0], 1)
    weights = _nearness(depth.astype(np.float32), settings)
    if view.depth is not None:
        focal = view.camera.focal_xy
        rays = cameras.pixel_rays(view.camera)
        cosines = at.pick(cosines_of(view.depth, rays, (1 / focal[0], 1 / focal[1])))
        weights *= np.fmax(cosines, np.float32(max(settings.least_cosine, _FLATTEST)))
    found = _samples(view, settings, target.points[indices], weights, at)
    return replace(found, indices=indices)
