"""Models and dense workspaces of COLMAP.

The model (cameras, images; .bin or .txt) lies in the folder, or below it in sparse, sparse/0,
dense/sparse, dense/0/sparse or colmap/sparse/0; a dense workspace, whose stereo/depth_maps lie
beside the model's folder, is preferred. Pictures are looked for in images. Lengths are in the
model's own unit.

Camera models: SIMPLE_PINHOLE, PINHOLE, SIMPLE_RADIAL, RADIAL, OPENCV, FULL_OPENCV; a fisheye is
refused. Pixel centres are at 0.5, as everywhere here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from lifting.formats._colmap import Picture, read_cameras, read_images, read_points
from lifting.formats._files import Look, look, natural
from lifting.formats._scene import DepthPicture, Draft, Scene, gathered
from propagate.errors import SceneError

_ROOTS = ("dense/0", "dense", "", "colmap")
_MODELS = ("sparse", "sparse/0", "")
_DEPTH = Path("stereo") / "depth_maps"


@dataclass(frozen=True)
class Config:
    """Settings.

    Attributes:
        images: folder of the pictures, from that of the scene; "" looks for it.
        depth: "geometric" or "photometric" maps, or "none": those that are there, geometric first,
            are taken by "auto".
    """

    images: str = ""
    depth: Literal["auto", "geometric", "photometric", "none"] = "auto"


def build(config: Config) -> Colmap:
    """Make the format."""
    return Colmap(config)


@dataclass(frozen=True)
class Colmap:
    """See the module."""

    config: Config

    def look(self, scene: Path) -> Look:
        """A model's cameras and images."""
        folders = list(_models(scene))
        cameras = any(_file(folder, "cameras") for folder in folders)
        images = any(_file(folder, "images") for folder in folders)
        return look(
            [
                ("cameras.bin or cameras.txt of a COLMAP model", cameras),
                ("images.bin or images.txt of a COLMAP model", images),
            ]
        )

    def open(self, scene: Path) -> Scene:
        """See `lifting.formats.Format`."""
        folder = next(f for f in _models(scene) if _file(f, "cameras") and _file(f, "images"))
        path = _require(folder, "images")
        cameras = read_cameras(_require(folder, "cameras"))
        pictures = sorted(read_images(path), key=lambda one: natural(one.name))
        images, maps = self._pictures(scene, folder), _workspace(folder) / _DEPTH
        drafts = []
        for one in pictures:
            if one.camera not in cameras:
                raise SceneError(f"{path}: {one.name!r} is of camera {one.camera}, not listed")
            depth = self._depth(maps, one)
            drafts.append(Draft(one.name, cameras[one.camera], one.pose, images / one.name, depth))
        points = _file(folder, "points3D")
        read = None if points is None else partial(read_points, points)
        return replace(gathered(scene, drafts), points=read, metric=False)

    def _pictures(self, scene: Path, folder: Path) -> Path:
        """The folder of the pictures."""
        if self.config.images:
            return scene / self.config.images
        places = [_workspace(folder) / "images", scene / "images", folder / "images"]
        return next((place for place in places if place.is_dir()), scene)

    def _depth(self, maps: Path, picture: Picture) -> DepthPicture | None:
        """The dense map of a picture; None where the workspace has none at all."""
        if self.config.depth == "none" or not maps.is_dir():
            return None
        auto = self.config.depth == "auto"
        kinds = ("geometric", "photometric") if auto else (self.config.depth,)
        files = [maps / f"{picture.name}.{kind}.bin" for kind in kinds]
        return DepthPicture(next((one for one in files if one.is_file()), files[0]))


def _models(scene: Path) -> Iterator[Path]:
    """Folders that may hold the model, best first: dense workspaces before others."""
    folders = [scene / root / model for root in _ROOTS for model in _MODELS]
    yield from (folder for folder in folders if (_workspace(folder) / _DEPTH).is_dir())
    yield from folders


def _workspace(folder: Path) -> Path:
    """The folder that holds images and stereo beside a model in `sparse` or `sparse/0`."""
    if folder.name == "sparse":
        return folder.parent
    return folder.parent.parent if folder.parent.name == "sparse" else folder


def _file(folder: Path, name: str) -> Path | None:
    """The model's file of that name, binary first."""
    paths = (folder / f"{name}{suffix}" for suffix in (".bin", ".txt"))
    return next((path for path in paths if path.is_file()), None)


def _require(folder: Path, name: str) -> Path:
    path = _file(folder, name)
    if path is None:
        raise SceneError(f"{folder}: has no {name}.bin or {name}.txt")
    return path
