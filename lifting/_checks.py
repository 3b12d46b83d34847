"""Checks of what a user gives: one line each, what is wrong and how to mend it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from propagate.errors import SceneError

DoubleArray = npt.NDArray[np.float64]

_ROTATION_TOLERANCE = 1e-3  # poses come rounded, in text files and as float32


def check_intrinsics(K: DoubleArray) -> None:
    if K[0, 0] <= 0 or K[1, 1] <= 0:
        raise SceneError(
            f"camera: focal lengths must be above 0 pixels, got {K[0, 0]:g} and {K[1, 1]:g}; "
            "check the intrinsics"
        )
    if np.any(K[[0, 1, 2, 2], [1, 0, 0, 1]] != 0) or K[2, 2] != 1:
        raise SceneError(
            f"camera: K must be [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], got {K.tolist()}"
        )


def check_pose(pose: DoubleArray) -> None:
    rotation = pose[:3, :3]
    if not np.array_equal(pose[3], [0, 0, 0, 1]):
        raise SceneError(f"camera: the pose's last row must be 0 0 0 1, got {pose[3].tolist()}")
    off = float(np.abs(rotation @ rotation.T - np.eye(3)).max())
    if off > _ROTATION_TOLERANCE or np.linalg.det(rotation) < 0:
        raise SceneError(
            f"camera: the pose is not rigid (R R^T is off by {off:.3g}, det "
            f"{np.linalg.det(rotation):.3g}); it must be a rotation without scale or mirroring"
        )


def check_int32(labels: npt.NDArray[Any], what: str) -> None:
    if labels.size and labels.max() > np.iinfo(np.int32).max:
        raise SceneError(f"{what} must be below 2^31, got {labels.max()}")


def direction(value: Any, what: str) -> DoubleArray:
    """`value` as a direction (3,) float64; SceneError where it is none."""
    found = numbers(value, (3,), what)
    if not np.linalg.norm(found) > 0:
        raise SceneError(f"{what} must be a direction, got only zeros")
    return found


def numbers(value: Any, shape: tuple[int, ...], what: str) -> DoubleArray:
    """`value` as float64 of the shape (-1: any length); SceneError when it does not fit."""
    if value is None:
        raise SceneError(f"{what} is missing")
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise SceneError(f"{what} must be numbers, got {value!r}") from error
    if array.ndim != len(shape) or (shape != (-1,) and array.shape != shape):
        raise SceneError(f"{what} must have shape {shape}, got {array.shape}")
    if not np.isfinite(array).all():
        raise SceneError(f"{what} holds NaN or infinity")
    return array


def size_text(shape: tuple[int, ...]) -> str:
    return " x ".join(str(side) for side in shape)
