"""Plain folders: pictures anywhere, and a `scene.json` that says what they are.

    {
      "format": "lifting-scene", "version": 1,
      "pixel_centres": 0.5,              optional: 0.5 (default), or 0 as OpenCV counts them
      "axes": "opencv",                  optional: "opencv" (default) or "opengl", of the poses
      "depth_scale": 0.001,              optional: metres of a unit of depth of whole numbers
      "camera": {"fx": 525, "fy": 525, "cx": 320, "cy": 240, "width": 640, "height": 480,
                 "distortion": [k1, k2, p1, p2, k3]},       optional here or with a view; the lens
      "views": [
        {"image": "rgb/0001.png",        optional, a picture
         "depth": "depth/0001.png",      optional: 16-bit PNG or TIFF, or floats in metres: TIFF,
                                         .npy (H, W), .exr
         "world_T_cam": [[...], [...], [...], [...]],       4 x 4, camera to world
         "camera": {...},                optional: where it differs from the one above
         "name": "0001.png", "time_s": 0.033}               optional; the name is the image's
      ]
    }

Paths are from the file's folder. Views keep their order. An unknown key is an error.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lifting import camera as cameras
from lifting.formats._files import Look, lens, look, matrix, read_json
from lifting.formats._scene import DepthPicture, Draft, Scene, gathered
from lifting.types import Camera
from propagate.errors import SceneError

_NAME = "scene.json"
_TOP = ("format", "version", "pixel_centres", "axes", "depth_scale", "camera", "views")
_VIEW = ("image", "depth", "world_T_cam", "camera", "name", "time_s")
_CAMERA = ("fx", "fy", "cx", "cy", "width", "height", "distortion")


@dataclass(frozen=True)
class Config:
    """There is nothing to set: the file says it all."""


def build(config: Config) -> Plain:
    """Make the format."""
    del config
    return Plain()


@dataclass(frozen=True)
class Plain:
    """See the module."""

    def look(self, scene: Path) -> Look:
        """The file."""
        return look([(_NAME, _file(scene).is_file())])

    def open(self, scene: Path) -> Scene:
        """See `lifting.formats.Format`."""
        path = _file(scene)
        values = read_json(path)
        _known(f"{path}", values, _TOP)
        if values.get("format") != "lifting-scene" or values.get("version") != 1:
            raise SceneError(f'{path}: must say "format": "lifting-scene" and "version": 1')
        views = values.get("views")
        if not isinstance(views, list) or not views:
            raise SceneError(f'{path}: the scene is empty; give a list "views"')
        return gathered(scene, [_draft(path, values, n, view) for n, view in enumerate(views)])


def _file(scene: Path) -> Path:
    return scene if scene.is_file() and scene.name == _NAME else scene / _NAME


def _draft(path: Path, values: Mapping[str, Any], number: int, view: Any) -> Draft:
    where = f"{path}: view {number}"
    if not isinstance(view, dict):
        raise SceneError(f"{where} must be an object")
    _known(where, view, _VIEW)
    if "world_T_cam" not in view:
        raise SceneError(f"{where} has no world_T_cam, the pose; add it")
    try:
        pose = np.array(view["world_T_cam"], np.float64)
    except (TypeError, ValueError) as error:
        raise SceneError(f"{where}: world_T_cam must be 4 x 4 numbers") from error
    if pose.shape != (4, 4):
        raise SceneError(f"{where}: world_T_cam must be 4 x 4 numbers, got shape {pose.shape}")
    axes = values.get("axes", "opencv")
    if axes not in ("opencv", "opengl"):
        raise SceneError(f'{path}: axes must be "opencv" or "opengl", got {axes!r}')
    if axes == "opengl":
        with np.errstate(invalid="ignore"):
            pose = cameras.from_opengl(pose)
    image, depth = _path(path, where, view, "image"), _path(path, where, view, "depth")
    scale = _number(f"{path}", values, "depth_scale", 0.001)
    if not scale > 0:
        raise SceneError(f"{path}: depth_scale must be above 0 metres, got {scale:g}")
    name = view.get("name", view.get("image", view.get("depth", str(number))))
    return Draft(
        str(name),
        _camera(path, where, values, view.get("camera", values.get("camera"))),
        pose,
        image,
        None if depth is None else DepthPicture(depth, scale),
        None if view.get("time_s") is None else _number(where, view, "time_s"),
    )


def _camera(path: Path, where: str, values: Mapping[str, Any], told: Any) -> Camera:
    if not isinstance(told, dict):
        raise SceneError(f'{where} has no camera; give "camera" for all views or with each')
    _known(f"{where}: camera", told, _CAMERA)
    fx, fy, cx, cy, width, height = (_number(where, told, key) for key in _CAMERA[:6])
    centres = values.get("pixel_centres", 0.5)
    if centres not in (0, 0.5):
        raise SceneError(f"{path}: pixel_centres must be 0.5 or 0, got {centres!r}")
    K = matrix(fx, fy, cx, cy)  # noqa: N806
    bend = told.get("distortion", [])
    if not isinstance(bend, Sequence) or not all(isinstance(one, int | float) for one in bend):
        raise SceneError(f"{where}: distortion must be a list of numbers, got {bend!r}")
    K = cameras.from_opencv(K) if centres == 0 else K  # noqa: N806
    return lens(where, K, (int(height), int(width)), bend)


def _path(path: Path, where: str, view: Mapping[str, Any], key: str) -> Path | None:
    name = view.get(key)
    if name is not None and not isinstance(name, str):
        raise SceneError(f"{where}: {key} must be the path of a file, got {name!r}")
    return None if name is None else path.parent / name


def _known(where: str, values: Mapping[str, Any], keys: Sequence[str]) -> None:
    for key in values:
        if key not in keys:
            close = difflib.get_close_matches(key, keys, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(keys)}"
            raise SceneError(f"{where}: unknown key {key!r}{hint}")


def _number(where: str, values: Mapping[str, Any], key: str, default: float | None = None) -> float:
    value = values.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SceneError(f"{where}: {key} must be a finite number, got {value!r}")
    return float(value)
