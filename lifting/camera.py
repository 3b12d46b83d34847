"""Where points fall in a picture, where pixels lie in the world; conversions between conventions.

Pixel (0, 0) covers [0, 1) x [0, 1), its centre is (0.5, 0.5), and so do principal points count
(`lifting.types`). Who counts otherwise:

- OpenCV, ROS `CameraInfo`, most depth sensors and data sets made with them (7-Scenes, TUM, ScanNet)
  and Open3D's `create_from_depth_image` put the first centre at (0, 0): `from_opencv` adds half a
  pixel, `to_opencv` takes it away;
- COLMAP, nerfstudio and Open3D's `create_rays_pinhole` count as here;
- nerfstudio, Blender and OpenGL let the camera look along -z with y up: `from_opengl`.

The lens is OpenCV's: x (1 + k1 r² + k2 r⁴ + k3 r⁶) / (1 + k4 r² + k5 r⁴ + k6 r⁶) and the tangential
terms of Brown, "Decentering distortion of lenses", 1966. Everything is float64 unless it says so.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from lifting.types import Camera, DoubleArray
from propagate.errors import SceneError
from propagate.types import BoolArray, FloatArray

_NEWTON_STEPS = 30
_SOLVED = 1e-7  # in units of the focal length; what is further off has no ray
_SEEN_MARGIN = 1.05


def project(camera: Camera, points: npt.ArrayLike) -> tuple[DoubleArray, DoubleArray]:
    """Where points of the world fall in the picture.

    Args:
        camera: which.
        points: (N, 3) metres, world.

    Returns:
        (N, 2) pixels, NaN for points that are not in front; (N,) depth in metres, along the axis.
    """
    in_cam = to_camera(camera, points)
    depth = in_cam[:, 2]
    front = depth > 0
    ideal = np.full((len(depth), 2), np.nan)
    np.divide(in_cam[:, :2], depth[:, None], out=ideal, where=front[:, None])
    return to_pixels(camera, distort(ideal, camera.distortion)), depth


def back_project(camera: Camera, pixels: npt.ArrayLike, depth: npt.ArrayLike) -> DoubleArray:
    """The points (N, 3) in the world that fall on `pixels` (N, 2) at `depth` (N,): the inverse.

    `pixels` are places, so the middle of pixel (0, 0) is (0.5, 0.5). Where the lens bends so much
    that no ray falls there, the point is NaN.
    """
    ideal = to_ideal(camera, pixels)
    distance = np.asarray(depth, np.float64)[:, None]
    in_cam = np.concatenate([ideal * distance, distance], axis=1)
    world: DoubleArray = in_cam @ camera.world_T_cam[:3, :3].T + camera.place
    return world


def to_camera(camera: Camera, points: npt.ArrayLike) -> DoubleArray:
    """Points (N, 3) of the world in the camera's frame, metres."""
    cam_T_world = camera.cam_T_world
    moved: DoubleArray = np.asarray(points, np.float64) @ cam_T_world[:3, :3].T
    return moved + cam_T_world[:3, 3]


def to_pixels(camera: Camera, bent: DoubleArray) -> DoubleArray:
    """Distorted coordinates (N, 2) in units of the focal length, as pixels."""
    return bent * camera.focal_xy + camera.centre_xy


def to_ideal(camera: Camera, pixels: npt.ArrayLike) -> DoubleArray:
    """Pixels (N, 2) as x / z and y / z of their rays, without the lens; NaN where there is none."""
    bent = (np.asarray(pixels, np.float64) - camera.centre_xy) / camera.focal_xy
    return undistort(bent, camera.distortion)


def distort(ideal: DoubleArray, distortion: DoubleArray) -> DoubleArray:
    """What the lens does to rays (N, 2) given as x / z and y / z.

    Args:
        ideal: in units of the focal length.
        distortion: (0,), (4,), (5,) or (8,), see `Camera`.
    """
    return ideal if not distortion.any() else _bent(ideal, distortion)[0]


def undistort(bent: DoubleArray, distortion: DoubleArray) -> DoubleArray:
    """The inverse of `distort`, by Newton's method; NaN where there is no such ray."""
    if not distortion.any():
        return bent
    ideal = bent.copy()
    for _ in range(_NEWTON_STEPS):
        found, slope = _bent(ideal, distortion)
        error = found - bent
        determinant = slope[:, 0, 0] * slope[:, 1, 1] - slope[:, 0, 1] * slope[:, 1, 0]
        determinant = np.where(np.abs(determinant) < 1e-6, np.nan, determinant)
        step_x = (slope[:, 1, 1] * error[:, 0] - slope[:, 0, 1] * error[:, 1]) / determinant
        step_y = (slope[:, 0, 0] * error[:, 1] - slope[:, 1, 0] * error[:, 0]) / determinant
        ideal -= np.stack([step_x, step_y], axis=1)
        if not (np.abs(error) > 1e-14).any():
            break
    with np.errstate(invalid="ignore", over="ignore"):
        found, slope = _bent(ideal, distortion)
        off = np.abs(found - bent).max(axis=1, initial=0)
        turned = (found * ideal).sum(axis=1) < 0  # beyond the fold of the polynomial
        turned |= np.linalg.det(slope) < 0
        ideal[turned | ~(off < _SOLVED)] = np.nan
    return ideal


def _bent(ideal: DoubleArray, distortion: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """(N, 2) where rays go through the lens, and (N, 2, 2) how that changes with the ray."""
    k1, k2, p1, p2, k3, k4, k5, k6 = np.pad(distortion, (0, 8 - len(distortion)))
    x, y = ideal[:, 0], ideal[:, 1]
    r2 = x * x + y * y
    top, bottom = 1 + r2 * (k1 + r2 * (k2 + r2 * k3)), 1 + r2 * (k4 + r2 * (k5 + r2 * k6))
    scale = top / bottom
    top_slope, bottom_slope = k1 + r2 * (2 * k2 + 3 * r2 * k3), k4 + r2 * (2 * k5 + 3 * r2 * k6)
    growth = 2 * (top_slope - scale * bottom_slope) / bottom  # of the scale, divided by x or by y
    bent = np.stack(
        [
            x * scale + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
            y * scale + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
        ],
        axis=1,
    )
    across = x * y * growth + 2 * p1 * x + 2 * p2 * y
    x_x = scale + x * x * growth + 2 * p1 * y + 6 * p2 * x
    y_y = scale + y * y * growth + 6 * p1 * y + 2 * p2 * x
    slope = np.stack([x_x, across, across, y_y], axis=1).reshape(-1, 2, 2)
    return bent, slope


def pixel_rays(camera: Camera) -> FloatArray:
    """(H, W, 2) float32: x / z and y / z of the ray through the middle of every pixel.

    Times the depth these are the points in the camera's frame. NaN where the lens leaves no ray.
    The last few cameras' rays are kept and shared: do not write to them.
    """
    return _rays(camera.K.tobytes(), camera.distortion.tobytes(), camera.size_hw)


@lru_cache(maxsize=4)
def _rays(K: bytes, distortion: bytes, size_hw: tuple[int, int]) -> FloatArray:  # noqa: N803
    height, width = size_hw
    matrix = np.frombuffer(K).reshape(3, 3)
    camera = Camera(matrix, np.eye(4), size_hw, np.frombuffer(distortion))
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    ideal = to_ideal(camera, np.stack([x.ravel(), y.ravel()], axis=1))
    rays = ideal.reshape(height, width, 2).astype(np.float32)
    rays.flags.writeable = False
    return rays


def in_picture(camera: Camera, pixels: DoubleArray, points: DoubleArray) -> BoolArray:
    """(N,) bool: which points (N, 3) in the camera's frame are in front and fall in the picture.

    A polynomial lens bends rays from far outside back into the picture; those are refused.

    Args:
        camera: which.
        pixels: (N, 2) from `project`.
        points: (N, 3) metres, from `to_camera`.
    """
    height, width = camera.size_hw
    with np.errstate(invalid="ignore"):
        inside = (pixels >= 0).all(axis=1) & (pixels < (width, height)).all(axis=1)
        inside &= points[:, 2] > 0
    if camera.distortion.any():
        reach = (widest_ray(camera) * points[:, 2]) ** 2
        inside &= points[:, 0] ** 2 + points[:, 1] ** 2 <= reach
    return inside


def widest_ray(camera: Camera) -> float:
    """The greatest distance from the axis, in units of z, of what the picture shows."""
    rays = pixel_rays(camera)
    edges = np.concatenate([rays[0], rays[-1], rays[:, 0], rays[:, -1]])
    far = np.hypot(edges[:, 0], edges[:, 1])
    return _SEEN_MARGIN * float(np.nanmax(far, initial=0.0))


def resized(camera: Camera, size_hw: tuple[int, int]) -> Camera:
    """The camera of the same pictures at another size; each axis scales by its own ratio.

    Raises:
        SceneError: a size without a pixel.
    """
    if min(size_hw) < 1:
        raise SceneError(f"camera: size_hw must be 1 or more, got {size_hw}")
    scale_y, scale_x = np.divide(size_hw, camera.size_hw)
    return replace(camera, K=np.diag([scale_x, scale_y, 1.0]) @ camera.K, size_hw=size_hw)


def from_opencv(K: npt.ArrayLike) -> DoubleArray:  # noqa: N803
    """K (3, 3) whose principal point counts from the centre of the first pixel, as K of here."""
    ours: DoubleArray = np.asarray(K, np.float64) + _HALF
    return ours


def to_opencv(K: npt.ArrayLike) -> DoubleArray:  # noqa: N803
    """K of here, as OpenCV and Open3D's `PinholeCameraIntrinsic` for pictures count it."""
    theirs: DoubleArray = np.asarray(K, np.float64) - _HALF
    return theirs


_HALF = np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])


def from_opengl(world_T_cam: npt.ArrayLike) -> DoubleArray:
    """The pose (4, 4) of a camera that looks along -z with y up, as a pose of here."""
    pose: DoubleArray = np.asarray(world_T_cam, np.float64) @ _OPENGL
    return pose


def to_opengl(world_T_cam: npt.ArrayLike) -> DoubleArray:
    """The inverse of `from_opengl`, which is the same flip."""
    return from_opengl(world_T_cam)
