"""What a real sensor, a real tracker and real poses do to exact views."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lifting.types import Camera, DoubleArray, LabelArray, View
from propagate.types import BoolArray, FloatArray, ImageArray

_WIDTH = 640  # of the picture that pixels of errors speak of


@dataclass(frozen=True)
class Sensor:
    """How views are spoilt; by default not at all.

    Attributes:
        depth_share: standard deviation of the depth's noise, as a part of the depth.
        holes: 0..1, the part of the pixels that lose their depth in patches, besides those at
            jumps of the depth and on surfaces seen at a flat angle, where sensors fail first.
        farthest_m: no depth beyond.
        grey_levels: standard deviation of the picture's noise.
        edge_px: how far edges of labels are off, r.m.s., in pixels of a picture 640 wide.
        pose_degrees: by how much each pose is turned, about a random axis.
        pose_m: by how much each camera is displaced.
    """

    depth_share: float = 0.0
    holes: float = 0.0
    farthest_m: float = np.inf
    grey_levels: float = 0.0
    edge_px: float = 0.0
    pose_degrees: float = 0.0
    pose_m: float = 0.0

    def spoilt(self, view: View, seed: int) -> View:
        """The view as this sensor gives it; the same seed spoils in the same way."""
        random = np.random.default_rng(seed)
        depth, labels, image = view.depth, view.labels, view.image
        if depth is not None:
            depth = self._depth(depth, random)
        if labels is not None and self.edge_px > 0:
            labels = wobbled(labels, self.edge_px * view.size_hw[1] / _WIDTH, random)
        if image is not None and self.grey_levels > 0:
            image = _noisy(image, self.grey_levels, random)
        camera = _off(view.camera, self.pose_degrees, self.pose_m, random)
        return replace(view, camera=camera, depth=depth, labels=labels, image=image)

    def _depth(self, depth: FloatArray, random: np.random.Generator) -> FloatArray:
        noise = self.depth_share * random.standard_normal(depth.shape)
        noisy = np.maximum(depth * (1 + noise), 0).astype(np.float32)
        noisy[depth > self.farthest_m] = 0
        if self.holes > 0:
            noisy[_holes(depth, self.holes, random)] = 0
        return noisy


KINECT = Sensor(depth_share=0.005, holes=0.04, farthest_m=6.0, grey_levels=2.0)
"""About what a hand-held depth sensor of the first generation gives; poses and labels exact."""


def _holes(depth: FloatArray, share: float, random: np.random.Generator) -> BoolArray:
    """(H, W) bool: jumps, flat angles, and patches on a part `share` of the pixels."""
    from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter

    patches = gaussian_filter(random.standard_normal(depth.shape), depth.shape[1] / 100)
    spread = maximum_filter(depth, 3) - minimum_filter(depth, 3)
    lost: BoolArray = patches > np.quantile(patches, 1 - share)
    return lost | (spread > 0.03 * depth)


def wobbled(labels: LabelArray, pixels: float, random: np.random.Generator) -> LabelArray:
    """Labels (H, W) whose edges are moved by `pixels`, r.m.s., smoothly along them."""
    from scipy.ndimage import gaussian_filter, map_coordinates

    moves = [gaussian_filter(random.standard_normal(labels.shape), 4 * pixels) for _ in range(2)]
    scaled = [move / move.std() * pixels / np.sqrt(2) for move in moves]
    places = np.mgrid[: labels.shape[0], : labels.shape[1]] + np.stack(scaled)
    moved: LabelArray = map_coordinates(labels, places, order=0, mode="nearest")
    return moved


def _noisy(image: ImageArray, levels: float, random: np.random.Generator) -> ImageArray:
    noise = levels * random.standard_normal(image.shape, np.float32)
    noisy: ImageArray = np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)
    return noisy


def _off(camera: Camera, degrees: float, metres: float, random: np.random.Generator) -> Camera:
    """The camera with an error in its pose, of exactly this size, in a random direction."""
    axis, shift = (_direction(random) for _ in range(2))
    if degrees == 0 and metres == 0:
        return camera
    pose = camera.world_T_cam.copy()
    pose[:3, :3] = _turn(axis, np.radians(degrees)) @ pose[:3, :3]
    pose[:3, 3] += metres * shift
    return replace(camera, world_T_cam=pose)


def _direction(random: np.random.Generator) -> DoubleArray:
    one = random.standard_normal(3)
    unit: DoubleArray = one / np.linalg.norm(one)
    return unit


def _turn(axis: DoubleArray, angle: float) -> npt.NDArray[np.float64]:
    """(3, 3): a turn about a unit axis by an angle in radians (Rodrigues' formula)."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn: DoubleArray = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return turn
