"""Folders as 7-Scenes and 3DMatch give them: all files of a sequence side by side.

    frame-000000.color.png (or .jpg)   frame-000000.depth.png  (16 bit, millimetres, 65535 = none)
    frame-000000.pose.txt  (4 x 4, camera to world)   camera-intrinsics.txt  (3 x 3; OpenCV's count)

Without camera-intrinsics.txt, here or in the folder above, a focal length of 585 and the centre
(320, 240) are taken for pictures of 640 x 480, as the data set says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from lifting import camera as cameras
from lifting.formats._files import Look, lens, look, matrix, pictures, read_matrix
from lifting.formats._pictures import picture_size
from lifting.formats._scene import DepthPicture, Draft, Scene, gathered
from lifting.types import Camera
from propagate.errors import SceneError

_INTRINSICS = "camera-intrinsics.txt"
_FOCAL, _CENTRE, _SIZE_HW = 585.0, (320.0, 240.0), (480, 640)


@dataclass(frozen=True)
class Config:
    """Settings.

    Attributes:
        metres_per_unit: of the depth pictures.
    """

    metres_per_unit: float = 0.001


def build(config: Config) -> SevenScenes:
    """Make the format."""
    return SevenScenes(config)


@dataclass(frozen=True)
class SevenScenes:
    """See the module."""

    config: Config

    def look(self, scene: Path) -> Look:
        """Files named as the data set names them."""
        folder = scene if scene.is_dir() else scene.parent / "none"
        return look(
            [
                ("frame-….color.png or .jpg", bool(_colours(folder))),
                ("frame-….depth.png", any(folder.glob("*.depth.*"))),
                ("frame-….pose.txt", any(folder.glob("*.pose.txt"))),
            ]
        )

    def open(self, scene: Path) -> Scene:
        """See `lifting.formats.Format`."""
        colours = _colours(scene)
        camera, notes = _camera(scene, colours[0])
        drafts = []
        for path in colours:
            stem = path.name.split(".")[0]
            pose = scene / f"{stem}.pose.txt"
            if not pose.is_file():
                raise SceneError(
                    f"{path}: its pose, {pose.name}, is missing; copy it, or take the picture away"
                )
            depth = DepthPicture(scene / f"{stem}.depth.png", self.config.metres_per_unit)
            drafts.append(Draft(path.name, camera, read_matrix(pose, (4, 4)), path, depth))
        found = gathered(scene, drafts)
        return replace(found, notes=notes + found.notes)


def _colours(scene: Path) -> list[Path]:
    return [path for path in pictures(scene) if path.stem.endswith(".color")]


def _camera(scene: Path, colour: Path) -> tuple[Camera, tuple[str, ...]]:
    """The one camera, and what was assumed."""
    size = picture_size(colour)
    for path in (scene / _INTRINSICS, scene.parent / _INTRINSICS):
        if path.is_file():
            return lens(path, cameras.from_opencv(read_matrix(path, (3, 3))), size), ()
    if size != _SIZE_HW:
        raise SceneError(
            f"{scene}: {_INTRINSICS} is missing (3 x 3 numbers), and the pictures are not of the "
            "data set's own size, 640x480"
        )
    K = cameras.from_opencv(matrix(_FOCAL, _FOCAL, *_CENTRE))  # noqa: N806
    note = f"no {_INTRINSICS}: took the data set's focal length, 585 pixels"
    return lens(scene, K, size), (note,)
