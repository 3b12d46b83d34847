"""Folders as ScanNet's reader exports them: color, depth, pose, intrinsic.

    color/0.jpg …  depth/0.png …  (16 bit, millimetres)   pose/0.txt …  (4 x 4, camera to world)
    intrinsic/intrinsic_color.txt, intrinsic/intrinsic_depth.txt   (3 x 3 or 4 x 4; OpenCV's count)

A view belongs to the stem of its colour picture. The intrinsics may lie in the folder itself, and
one file for both, intrinsic.txt or intrinsics.txt, will do. Where colours have the size of the
depth they were brought there, and take its intrinsics.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lifting import camera as cameras
from lifting.formats._files import Look, by_stem, lens, look, pictures, read_matrix
from lifting.formats._pictures import picture_size, read_depth
from lifting.formats._scene import DepthPicture, Draft, Scene, gathered
from lifting.types import Camera, DoubleArray
from propagate.errors import SceneError

_COLOURS = ("color", "colour", "rgb", "images")
_SHARED = ("intrinsic", "intrinsics", "camera-intrinsics")


@dataclass(frozen=True)
class Config:
    """Settings.

    Attributes:
        metres_per_unit: of the depth pictures.
    """

    metres_per_unit: float = 0.001


def build(config: Config) -> ScanNet:
    """Make the format."""
    return ScanNet(config)


@dataclass(frozen=True)
class ScanNet:
    """See the module."""

    config: Config

    def look(self, scene: Path) -> Look:
        """The three folders and the intrinsics."""
        colours = pictures(_colours(scene))
        return look(
            [
                ("color/ with pictures", bool(colours)),
                ("depth/ with depth pictures", bool(by_stem(scene / "depth"))),
                ("pose/ with a text file a view", any((scene / "pose").glob("*.txt"))),
                ("intrinsic/intrinsic_color.txt or intrinsic_depth.txt", bool(_intrinsics(scene))),
            ]
        )

    def open(self, scene: Path) -> Scene:
        """See `lifting.formats.Format`."""
        colours, depths = pictures(_colours(scene)), by_stem(scene / "depth")
        poses = {path.stem: path for path in (scene / "pose").glob("*.txt")}
        camera, own = self._cameras(scene, colours[0], depths)
        drafts = []
        for path in colours:
            if path.stem not in poses:
                raise SceneError(
                    f"{path}: its pose, {scene / 'pose' / path.stem}.txt, is missing; copy it, or "
                    "take the picture away"
                )
            pose = read_matrix(poses[path.stem], (4, 4))
            found = depths.get(path.stem, scene / "depth" / f"{path.stem}.png")
            depth = DepthPicture(found, self.config.metres_per_unit, K=own)
            drafts.append(Draft(path.name, camera, pose, path, depth))
        return gathered(scene, drafts)

    def _cameras(
        self, scene: Path, colour: Path, depths: dict[str, Path]
    ) -> tuple[Camera, DoubleArray | None]:
        """The camera of the colours, and K of the depth where it has one of its own."""
        found = {name: _read(path) for name, path in _intrinsics(scene).items()}
        size = picture_size(colour)
        some = next(iter(depths.values()))
        depth_size = read_depth(some, 1).shape if some.suffix == ".npy" else picture_size(some)
        shared = found.get("shared", found.get("depth"))
        if "depth" in found and depth_size == size:
            return lens(_intrinsics(scene)["depth"], found["depth"], size), None
        if "color" in found:
            where = _intrinsics(scene)["color"]
            return lens(where, found["color"], size), found.get("depth")
        assert shared is not None  # `look` has seen one of them
        where = next(iter(_intrinsics(scene).values()))
        if "shared" in found:
            return lens(where, shared, size), None
        ours = lens(where, shared, (depth_size[0], depth_size[1]))
        return cameras.resized(ours, size), shared


def _colours(scene: Path) -> Path:
    folders = [scene / name for name in _COLOURS]
    return next((folder for folder in folders if folder.is_dir()), folders[0])


def _intrinsics(scene: Path) -> dict[str, Path]:
    """The files of intrinsics, by "color", "depth" and "shared"."""
    found = {}
    for folder in (scene, scene / "intrinsic"):
        for what in ("color", "depth"):
            for stem in (f"intrinsic_{what}", f"intrinsics_{what}"):
                if (folder / f"{stem}.txt").is_file():
                    found[what] = folder / f"{stem}.txt"
        for stem in _SHARED:
            if (folder / f"{stem}.txt").is_file():
                found["shared"] = folder / f"{stem}.txt"
    return found


def _read(path: Path) -> DoubleArray:
    """K as we count, from a 3 x 3 or 4 x 4 matrix as OpenCV counts."""
    return cameras.from_opencv(read_matrix(path, (4, 4), (3, 3))[:3, :3])
