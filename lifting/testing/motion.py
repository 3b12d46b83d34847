"""Where cameras stand and how they move."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lifting.testing.scenes import Scene
from lifting.types import Camera
from propagate.errors import SceneError

_FOCAL = 0.82  # of the picture's width: a view angle of 63 degrees, as of depth sensors
_HEIGHTS = (0.35, 0.75)


def looking(place: npt.ArrayLike, aim: npt.ArrayLike, size_hw: tuple[int, int]) -> Camera:
    """A camera at `place` (3,) that looks at `aim` (3,), level, with a usual view angle.

    Raises:
        SceneError: straight up or down, or from where it looks at.
    """
    height, width = size_hw
    start = np.asarray(place, np.float64)
    ahead = np.asarray(aim, np.float64) - start
    right = np.cross(ahead, [0.0, 0.0, 1.0])
    if np.linalg.norm(right) < 1e-6:
        raise SceneError("a level camera cannot look straight up or down")
    ahead, right = ahead / np.linalg.norm(ahead), right / np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(ahead, right), ahead], axis=1)
    pose[:3, 3] = start
    focal = _FOCAL * width
    intrinsics = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    return Camera(intrinsics, pose, size_hw)


def around(
    scene: Scene,
    count: int,
    size_hw: tuple[int, int] = (480, 640),
    *,
    arc_degrees: float = 360.0,
    seed: int = 0,
) -> list[Camera]:
    """Cameras that go round the middle of a scene as a hand would carry one: smooth, not even.

    Args:
        scene: to look at.
        count: how many; a video's frames, or views far apart.
        size_hw: (H, W) pixels.
        arc_degrees: how far round they go; 360 comes back to where it began, without a double.
        seed: of the way.
    """
    random = np.random.default_rng(seed)
    start, phases = random.uniform(0, 360), random.uniform(0, 2 * np.pi, 5)
    found = []
    for part in np.linspace(0, 1, count, endpoint=arc_degrees < 360):
        sway = np.sin(2 * np.pi * part * np.array([1, 2, 3, 2, 1]) + phases)
        angle = np.radians(start + arc_degrees * part)
        out = scene.reach * (1 + 0.08 * sway[0])
        high = np.mean(_HEIGHTS) + sway[1] * np.ptp(_HEIGHTS) / 2
        flat = out * np.array([np.cos(angle), np.sin(angle), 0])
        aim = scene.middle + 0.06 * scene.reach * np.array([sway[2], sway[3], 0.5 * sway[4]])
        found.append(looking(scene.middle + flat + [0, 0, high * scene.reach], aim, size_hw))
    return found
