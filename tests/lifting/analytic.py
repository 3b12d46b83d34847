"""A room of planes, boxes and balls whose every point is known exactly: an independent oracle.

Rays are met with the shapes in closed form, and the truth about a point is the shape whose surface
lies nearest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial.transform import Rotation

from lifting.types import Camera, View


@dataclass(frozen=True)
class Box:
    """Axes-parallel; seen from inside where `hollow` (a room)."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    label: int
    hollow: bool = False

    def meet(self, start, rays):
        with np.errstate(divide="ignore", invalid="ignore"):
            one, other = (np.array(self.low) - start) / rays, (np.array(self.high) - start) / rays
        enter, leave = np.minimum(one, other).max(-1), np.maximum(one, other).min(-1)
        at = leave if self.hollow else enter
        return np.where((enter <= leave) & (at > 0), at, np.inf)

    def distance(self, points):
        middle, half = np.add(self.low, self.high) / 2, np.subtract(self.high, self.low) / 2
        beyond = np.abs(points - middle) - half
        outside = np.linalg.norm(np.maximum(beyond, 0), axis=-1)
        return np.abs(outside + np.minimum(beyond.max(-1), 0))


@dataclass(frozen=True)
class Ball:
    middle: tuple[float, float, float]
    radius: float
    label: int

    def meet(self, start, rays):
        towards = start - np.array(self.middle)
        a, b = (rays**2).sum(-1), (rays * towards).sum(-1)
        c = (towards**2).sum() - self.radius**2
        with np.errstate(invalid="ignore"):
            at = (-b - np.sqrt(b * b - a * c)) / a
        return np.where(at > 0, at, np.inf)

    def distance(self, points):
        return np.abs(np.linalg.norm(points - self.middle, axis=-1) - self.radius)


ROOM = (
    Box((-2.5, -2.0, 0.0), (2.5, 2.0, 2.6), 0, hollow=True),
    Box((-0.7, -0.5, 0.70), (0.7, 0.5, 0.75), 1),  # a table top
    Box((-0.65, -0.45, 0.0), (-0.55, -0.35, 0.70), 1),
    Box((0.55, -0.45, 0.0), (0.65, -0.35, 0.70), 1),
    Box((-0.65, 0.35, 0.0), (-0.55, 0.45, 0.70), 1),
    Box((0.55, 0.35, 0.0), (0.65, 0.45, 0.70), 1),
    Ball((-0.4, 0.1, 0.87), 0.12, 2),
    Box((-0.1, -0.2, 0.75), (0.15, 0.1, 1.05), 3),
    Box((0.15, -0.2, 0.75), (0.40, 0.1, 0.95), 4),  # touches 3
    Ball((0.5, 0.3, 0.83), 0.08, 5),
    Box((-2.4, -1.0, 0.0), (-1.9, 0.2, 1.1), 6),
    Box((-2.4, 0.2, 0.0), (-1.9, 1.0, 0.8), 7),  # touches 6
    Box((1.6, 1.0, 0.0), (2.4, 1.9, 0.45), 8),
    Ball((1.9, 1.5, 0.70), 0.25, 9),
    Box((0.9, -1.95, 0.0), (1.9, -1.5, 1.6), 10),
    Ball((-1.2, 1.5, 0.30), 0.30, 300),
)  # ids beyond 255 are ids like any other


@dataclass(frozen=True)
class Scene:
    shapes: tuple = ROOM

    def look(self, camera: Camera, *, whole: bool = False) -> View:
        """Exact depth and labels, and a picture that tells colours of labels."""
        height, width = camera.size_hw
        y, x = np.mgrid[:height, :width] + 0.5
        focal, centre = camera.focal_xy, camera.centre_xy
        rays = np.stack(
            [(x - centre[0]) / focal[0], (y - centre[1]) / focal[1], np.ones_like(x)], -1
        )
        rays = rays @ camera.world_T_cam[:3, :3].T
        depth = np.full((height, width), np.inf)
        labels = np.zeros((height, width), np.int32)
        for shape in self.shapes:
            met = shape.meet(camera.place, rays)
            nearer = met < depth
            depth[nearer], labels[nearer] = met[nearer], shape.label
        if whole:
            labels = labels + 1
        image = np.stack([labels * 37, labels * 91, labels * 53], -1).astype(np.uint8)
        return View(camera, depth.astype(np.float32), labels, image=image)

    def truth(self, points) -> tuple[np.ndarray, np.ndarray]:
        """(N,) the label of the nearest surface, and how far away that is."""
        points = np.asarray(points, np.float64)
        apart = np.stack([shape.distance(points) for shape in self.shapes])
        labels = np.array([shape.label for shape in self.shapes])
        return labels[apart.argmin(0)], apart.min(0)


def around(count: int, size_hw=(240, 320), seed=0) -> list[Camera]:
    """Cameras on an uneven ring in the room, looking at its middle."""
    random = np.random.default_rng(seed)
    cameras = []
    for angle in np.linspace(0, 2 * np.pi, count, endpoint=False):
        radius = random.uniform(0.85, 1.0)
        place = np.array([2.2 * radius * np.cos(angle), 1.75 * radius * np.sin(angle), 0])
        place[2] = random.uniform(1.2, 1.9)
        aim = np.array([*random.uniform(-0.6, 0.6, 2), random.uniform(0.3, 0.8)])
        cameras.append(looking(place, aim, size_hw))
    return cameras


def looking(place, aim, size_hw=(240, 320)) -> Camera:
    height, width = size_hw
    ahead = np.subtract(aim, place) / np.linalg.norm(np.subtract(aim, place))
    right = np.cross(ahead, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(ahead, right), ahead], 1)
    pose[:3, 3] = place
    focal = 525 / 640 * width
    return Camera([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]], pose, size_hw)


def spoilt(view: View, seed: int, *, depth=0.01, edge_px=5.0, degrees=0.5, metres=0.01) -> View:
    """As a real sensor: depth noise, masks whose edges are off, a pose that is a little wrong."""
    random = np.random.default_rng(seed)
    noisy = view.depth * (1 + depth * random.standard_normal(view.depth.shape))
    labels = wobbled(view.labels, edge_px, random)
    pose = view.camera.world_T_cam.copy()
    axis = random.standard_normal(3)
    turn = Rotation.from_rotvec(np.radians(degrees) * axis / np.linalg.norm(axis)).as_matrix()
    shift = random.standard_normal(3)
    pose[:3, :3] = turn @ pose[:3, :3]
    pose[:3, 3] += metres * shift / np.linalg.norm(shift)
    camera = replace(view.camera, world_T_cam=pose)
    return replace(view, camera=camera, depth=noisy.astype(np.float32), labels=labels)


def wobbled(labels, edge_px, random):
    """Every edge moved by some pixels of a 640 wide picture (r.m.s.), smoothly along it."""
    pixels = edge_px * labels.shape[1] / 640
    moves = [gaussian_filter(random.standard_normal(labels.shape), 4 * pixels) for _ in range(2)]
    moves = [move / move.std() * pixels / np.sqrt(2) for move in moves]
    at = np.mgrid[: labels.shape[0], : labels.shape[1]] + np.stack(moves)
    return map_coordinates(labels, at, order=0, mode="nearest")


def independent(view: View, seed: int, *, split=0.2, merge=0.1) -> View:
    """The masks as if made in this view alone: numbered anew, some in two parts, some swallowed."""
    random = np.random.default_rng(seed)
    truth = view.labels
    labels = truth.astype(np.int64)
    beside = neighbours(truth)
    for key in np.unique(truth[truth > 0]):
        mine, chance = truth == key, random.random()
        if chance < split:
            y, x = np.nonzero(mine)
            angle = random.uniform(0, np.pi)
            along = x * np.cos(angle) + y * np.sin(angle)
            part = along > np.quantile(along, random.uniform(0.3, 0.7))
            labels[y[part], x[part]] = 10_000 + key
        elif chance < split + merge and beside.get(key):
            other = random.choice(sorted(beside[key]))
            labels[mine] = labels[truth == other][0]
    ids, place = np.unique(labels, return_inverse=True)
    new = np.zeros(len(ids), np.int32)
    new[ids > 0] = random.permutation((ids > 0).sum()) + 1
    return view.with_labels(new[place].reshape(labels.shape))


def neighbours(labels) -> dict[int, set[int]]:
    """id → ids whose pixels touch its own."""
    beside: dict[int, set[int]] = {}
    for one, other in ((labels[:, 1:], labels[:, :-1]), (labels[1:], labels[:-1])):
        touching = (one != other) & (one > 0) & (other > 0)
        for a, b in set(zip(one[touching].tolist(), other[touching].tolist(), strict=True)):
            beside.setdefault(a, set()).add(b)
            beside.setdefault(b, set()).add(a)
    return beside


def average_precision(found, truth, scores, *, overlap=0.5, least=50) -> float:
    """Class-agnostic AP of instances, as ScanNet's benchmark counts it at one overlap.

    Args:
        found: (N,) ids of points, 0 for none.
        truth: (N,) likewise.
        scores: id → confidence, which ranks the instances.
        overlap: IoU from which an instance is found; each true one is found once.
        least: true instances with fewer points are left out.
    """
    true = [truth == key for key in np.unique(truth[truth > 0]) if (truth == key).sum() >= least]
    free, hits = set(range(len(true))), []
    for key in sorted(np.unique(found[found > 0]), key=lambda key: -scores[key]):
        mine = found == key
        iou = {n: (mine & true[n]).sum() / (mine | true[n]).sum() for n in free}
        best = max(iou, key=iou.get, default=None)
        hits.append(best is not None and iou[best] >= overlap)
        if hits[-1]:
            free.remove(best)
    right = np.cumsum(hits)
    precision = right / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((precision * np.diff(right, prepend=0)).sum() / len(true))


def mean_confidence(cloud) -> dict[int, float]:
    return {key: cloud.confidence[cloud.labels == key].mean() for key in cloud.object_ids}
