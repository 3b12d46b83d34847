"""`transforms.json` as nerfstudio, instant-ngp and Blender's exporters write it.

Exports of Polycam and Record3D become this with `ns-process-data`. Poses are camera to world with
OpenGL's axes (y up, looking along -z); intrinsics (fl_x, fl_y, cx, cy, w, h, k1, k2, k3, p1, p2, or
camera_angle_x) stand at the top or with each frame; pixel centres are at 0.5. Depth is
`depth_file_path`, stored in units of `depth_unit_scale_factor` metres (nerfstudio; 0.001 where it
is not given, for PNG and .npy alike), or `depth_path` in units of `integer_depth_scale`
(instant-ngp). Without depth nothing says that lengths are metres; most such scenes are COLMAP's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lifting import camera as cameras
from lifting.formats._files import Look, lens, look, matrix, natural, read_json
from lifting.formats._pictures import picture_size
from lifting.formats._scene import DepthPicture, Draft, Scene, gathered
from lifting.types import Camera
from propagate.errors import SceneError

_NAMES = ("transforms.json", "transforms_train.json")
_PINHOLES = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "PERSPECTIVE")
_SUFFIXES = ("", ".png", ".jpg", ".jpeg")
_UNIT = 0.001


@dataclass(frozen=True)
class Config:
    """Settings.

    Attributes:
        metres_per_unit: of depth; None: what the file says.
    """

    metres_per_unit: float | None = None


def build(config: Config) -> TransformsJson:
    """Make the format."""
    return TransformsJson(config)


@dataclass(frozen=True)
class TransformsJson:
    """See the module."""

    config: Config

    def look(self, scene: Path) -> Look:
        """The file."""
        return look([("transforms.json", _file(scene) is not None)])

    def open(self, scene: Path) -> Scene:
        """See `lifting.formats.Format`."""
        path = _file(scene)
        assert path is not None  # `look` has seen it
        values = read_json(path)
        frames = values.get("frames")
        if not isinstance(frames, list) or not all(isinstance(one, dict) for one in frames):
            raise SceneError(f'{path}: must have a list "frames" of objects')
        drafts = [self._draft(path, values, frame) for frame in frames]
        drafts.sort(key=lambda draft: natural(draft.name))
        measured = any(draft.depth is not None for draft in drafts)
        return replace(gathered(scene, drafts), metric=measured)

    def _draft(self, path: Path, values: Mapping[str, Any], frame: Mapping[str, Any]) -> Draft:
        """One frame; what it does not say, the whole file says."""
        name = frame.get("file_path")
        if not isinstance(name, str) or not name:
            raise SceneError(f"{path}: a frame has no file_path")
        where = f"{path}: frame {name!r}"
        if "transform_matrix" not in frame:
            raise SceneError(f"{where} has no transform_matrix, the pose; add it")
        try:
            pose = np.array(frame["transform_matrix"], np.float64)
        except (TypeError, ValueError) as error:
            raise SceneError(f"{where}: transform_matrix must be 4 x 4 numbers") from error
        if pose.shape == (3, 4):
            pose = np.vstack([pose, [0, 0, 0, 1]])
        if pose.shape != (4, 4):
            raise SceneError(f"{where}: transform_matrix must be 4 x 4 numbers, got {pose.shape}")
        image = _image(path.parent, name)
        with np.errstate(invalid="ignore"):
            pose = cameras.from_opengl(pose)
        told = {**values, **frame}
        camera = _camera(where, told, image)
        return Draft(name, camera, pose, image, self._depth(where, path.parent, told))

    def _depth(self, where: str, folder: Path, told: Mapping[str, Any]) -> DepthPicture | None:
        """The depth picture that a frame names."""
        name = told.get("depth_file_path", told.get("depth_path"))
        if name is None:
            return None
        if not isinstance(name, str):
            raise SceneError(f"{where}: the path of its depth must be text, got {name!r}")
        ngp = "depth_file_path" not in told
        key = "integer_depth_scale" if ngp else "depth_unit_scale_factor"
        unit = self.config.metres_per_unit
        unit = _number(where, told, key, _UNIT) if unit is None else unit
        if not unit > 0:
            raise SceneError(f"{where}: {key} must be above 0, got {unit:g}")
        return DepthPicture(folder / name, unit, unit)


def _file(scene: Path) -> Path | None:
    """The file that describes the scene."""
    if scene.is_file():
        return scene if scene.suffix == ".json" and "transforms" in scene.name else None
    return next((scene / name for name in _NAMES if (scene / name).is_file()), None)


def _image(folder: Path, name: str) -> Path:
    """The picture; Blender's exporters leave the suffix out."""
    paths = [folder / f"{name}{suffix}" for suffix in _SUFFIXES]
    return next((path for path in paths if path.is_file()), folder / name)


def _camera(where: str, told: Mapping[str, Any], image: Path) -> Camera:
    """The camera of a frame, without its pose."""
    model = str(told.get("camera_model", "OPENCV")).upper()
    if "FISHEYE" in model or told.get("is_fisheye") or model not in _PINHOLES:
        raise SceneError(
            f"{where}: the camera is {model if model not in _PINHOLES else 'a fisheye'}; only "
            "perspective cameras can be lifted: undistort the pictures"
        )
    if "w" in told and "h" in told:
        width, height = int(_number(where, told, "w")), int(_number(where, told, "h"))
    elif image.is_file():
        height, width = picture_size(image)
    else:
        raise SceneError(f"{where}: {image} is missing, and no size (w, h) is given")
    focal_x, focal_y = _focal(where, told, (height, width))
    cx = _number(where, told, "cx", width / 2)
    cy = _number(where, told, "cy", height / 2)
    bend = [_number(where, told, key, 0.0) for key in ("k1", "k2", "p1", "p2", "k3")]
    if _number(where, told, "k4", 0.0):
        raise SceneError(f"{where}: k4 of the lens is not known here; undistort the pictures")
    return lens(where, matrix(focal_x, focal_y, cx, cy), (height, width), bend if any(bend) else ())


def _focal(where: str, told: Mapping[str, Any], size_hw: tuple[int, int]) -> tuple[float, float]:
    """Focal lengths in pixels; from an angle of view where they are not given."""
    found: list[float | None] = []
    for key, angle, side in (("fl_x", "camera_angle_x", 1), ("fl_y", "camera_angle_y", 0)):
        if key in told:
            found.append(_number(where, told, key))
        elif angle in told:
            half = _number(where, told, angle) / 2
            if not 0 < half < math.pi / 2:
                raise SceneError(f"{where}: {angle} must be between 0 and pi, got {2 * half:g}")
            found.append(size_hw[side] / 2 / math.tan(half))
        else:
            found.append(None)
    x, y = found
    if x is None and y is None:
        raise SceneError(f"{where} has no intrinsics: give fl_x or camera_angle_x")
    only = y if x is None else x
    assert only is not None
    return (only if x is None else x), (only if y is None else y)


def _number(where: str, told: Mapping[str, Any], key: str, default: float | None = None) -> float:
    value = told.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SceneError(f"{where}: {key} must be a finite number, got {value!r}")
    return float(value)
