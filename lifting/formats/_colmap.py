"""COLMAP's model files, text and binary: https://colmap.github.io/format.html.

Old models have cameras, images and points3D; newer ones add rigs and frames, which say the same
again for several cameras on one body and are not needed. Nothing is allotted by what a header
claims: a count that the rest of the file cannot hold is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lifting.formats._files import lens, matrix, read_text, rotation
from lifting.types import Camera, DoubleArray, LabelledCloud
from propagate.errors import SceneError

_MODELS = ("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "OPENCV_FISHEYE",
           "FULL_OPENCV", "FOV", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE",
           "THIN_PRISM_FISHEYE")  # fmt: skip
"""By their numbers in binary files."""
_LENGTHS = (3, 4, 4, 5, 8, 8, 12, 5, 4, 5, 12)
_CAMERA, _IMAGE, _POINT = "<IiQQ", "<I7dI", "<Q3d3BdQ"
_POINT2D_BYTES, _TRACK_BYTES = 24, 8


@dataclass(frozen=True, eq=False)
class Picture:
    """An entry of `images`.

    Attributes:
        name: path of the picture from the folder of pictures.
        camera: key of the camera.
        pose: (4, 4) `world_T_cam`, in the unit of the model.
    """

    name: str
    camera: int
    pose: DoubleArray


def read_cameras(path: Path) -> dict[int, Camera]:
    """Id → camera, without a pose; SceneError where one is damaged or of a model not known here."""
    entries = _binary_cameras(path) if path.suffix == ".bin" else _text_cameras(path)
    cameras = {}
    for key, model, (height, width), numbers in entries:
        where = f"{path}: camera {key}"
        K, distortion = _pinhole(where, model, numbers)  # noqa: N806
        cameras[key] = lens(where, K, (height, width), distortion)
    if not cameras:
        raise SceneError(f"{path}: holds no camera")
    return cameras


def read_images(path: Path) -> list[Picture]:
    """The registered pictures; SceneError where the file is damaged or cut short."""
    entries = _binary_images(path) if path.suffix == ".bin" else _text_images(path)
    return [Picture(name, camera, _pose(numbers)) for numbers, camera, name in entries]


def read_points(path: Path) -> LabelledCloud:
    """The sparse points with their colours, labels 0; SceneError where the file is damaged."""
    entries = _binary_points(path) if path.suffix == ".bin" else _text_points(path)
    rows = [row for row in entries if np.isfinite(row[:3]).all()]
    if not rows:
        raise SceneError(f"{path}: holds no point")
    values = np.array(rows)
    colours = np.clip(values[:, 3:], 0, 255).astype(np.uint8)
    labels = np.zeros(len(values), np.int32)
    return LabelledCloud(values[:, :3].astype(np.float32), labels, colours=colours)


def _pinhole(where: str, model: str, numbers: Sequence[float]) -> tuple[DoubleArray, list[float]]:
    """K, and the lens as OpenCV writes it."""
    if "FISHEYE" in model or model == "FOV":
        raise SceneError(
            f"{where} is a fisheye ({model}); undistort the pictures with colmap "
            "image_undistorter and give that folder"
        )
    known = [name for name in _MODELS[:7] if "FISHEYE" not in name]
    if model not in known:
        raise SceneError(f"{where} has the model {model}; known are {', '.join(known)}")
    wanted = _LENGTHS[_MODELS.index(model)]
    if len(numbers) != wanted:
        raise SceneError(f"{where}: {model} has {wanted} parameters, got {len(numbers)}")
    single = model.startswith("SIMPLE") or model == "RADIAL"
    fx, fy, cx, cy, *rest = [numbers[0], *numbers] if single else numbers
    if model in ("SIMPLE_RADIAL", "RADIAL"):
        rest = [*rest, 0.0, 0.0, 0.0][:2] + [0.0, 0.0]
    return matrix(fx, fy, cx, cy), rest


def _pose(numbers: Sequence[float]) -> DoubleArray:
    """(4, 4) `world_T_cam` from qw qx qy qz tx ty tz of `cam_T_world`."""
    turned = rotation(numbers[:4]).T
    pose = np.eye(4)
    pose[:3, :3] = turned
    with np.errstate(invalid="ignore", over="ignore"):
        pose[:3, 3] = -turned @ np.asarray(numbers[4:7])
    return pose


class _Reader:
    """Goes through the bytes of a file; SceneError where they end too early."""

    def __init__(self, path: Path) -> None:
        try:
            self.data = path.read_bytes()
        except OSError as error:
            raise SceneError(f"{path}: cannot be read ({error.strerror})") from error
        self.path, self.place = path, 0

    def take(self, kind: str) -> tuple[float, ...]:
        if self.place + struct.calcsize(kind) > len(self.data):
            raise SceneError(f"{self.path}: cut short after {len(self.data)} bytes; copy it again")
        values = struct.unpack_from(kind, self.data, self.place)
        self.place += struct.calcsize(kind)
        return values

    def skip(self, count: int, each: int) -> None:
        if count * each > len(self.data) - self.place:
            raise SceneError(f"{self.path}: cut short after {len(self.data)} bytes; copy it again")
        self.place += count * each

    def count(self, least: int) -> range:
        """How many entries follow, each of at least so many bytes."""
        (claimed,) = self.take("<Q")
        if claimed * least > len(self.data) - self.place:
            raise SceneError(
                f"{self.path}: claims {claimed} entries, but has {len(self.data)} bytes; it is "
                "damaged or cut short"
            )
        return range(int(claimed))

    def name(self) -> str:
        end = self.data.find(b"\0", self.place)
        if end < 0:
            raise SceneError(f"{self.path}: cut short after {len(self.data)} bytes; copy it again")
        text = self.data[self.place : end].decode("utf-8", "surrogateescape")
        self.place = end + 1
        return text


_Camera = tuple[int, str, tuple[int, int], list[float]]
_Image = tuple[Sequence[float], int, str]


def _binary_cameras(path: Path) -> Iterator[_Camera]:
    reader = _Reader(path)
    for _ in reader.count(struct.calcsize(_CAMERA)):
        key, number, width, height = (int(one) for one in reader.take(_CAMERA))
        if not 0 <= number < len(_MODELS):
            raise SceneError(f"{path}: camera {key} has a model of number {number}, not known here")
        numbers = list(reader.take(f"<{_LENGTHS[number]}d"))
        yield key, _MODELS[number], (height, width), numbers


def _binary_images(path: Path) -> Iterator[_Image]:
    reader = _Reader(path)
    for _ in reader.count(struct.calcsize(_IMAGE) + 9):
        _, *numbers, camera = reader.take(_IMAGE)
        name = reader.name()
        (points,) = reader.take("<Q")
        reader.skip(int(points), _POINT2D_BYTES)
        yield numbers, int(camera), name


def _binary_points(path: Path) -> Iterator[Sequence[float]]:
    reader = _Reader(path)
    for _ in reader.count(struct.calcsize(_POINT)):
        _, x, y, z, red, green, blue, _, track = reader.take(_POINT)
        reader.skip(int(track), _TRACK_BYTES)
        yield x, y, z, red, green, blue


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """How messages name it, and the line; without comments, with empty lines."""
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.startswith("#"):
            yield f"{path}, line {number}", line.strip()


def _numbers(where: str, words: Sequence[str]) -> list[float]:
    try:
        return [float(word) for word in words]
    except ValueError as error:
        raise SceneError(f"{where}: {error}") from error


def _text_cameras(path: Path) -> Iterator[_Camera]:
    for where, line in _lines(path):
        words = line.split()
        if not words:
            continue
        if len(words) < 5:
            raise SceneError(f"{where}: must be CAMERA_ID MODEL WIDTH HEIGHT PARAMETERS")
        try:
            key, width, height = int(words[0]), int(words[2]), int(words[3])
        except ValueError as error:
            raise SceneError(f"{where}: {error}") from error
        yield key, words[1], (height, width), _numbers(where, words[4:])


def _text_images(path: Path) -> Iterator[_Image]:
    lines = _lines(path)
    for where, line in lines:
        words = line.split(maxsplit=9)
        if not words:
            continue
        if len(words) < 10 or not words[8].isdecimal():
            raise SceneError(
                f"{where}: must be IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, then a line of "
                "points, which may be empty"
            )
        next(lines, None)  # the points
        yield _numbers(where, words[1:8]), int(words[8]), words[9]


def _text_points(path: Path) -> Iterator[Sequence[float]]:
    for where, line in _lines(path):
        words = line.split(maxsplit=7)
        if not words:
            continue
        if len(words) < 7:
            raise SceneError(f"{where}: must be POINT3D_ID X Y Z R G B ERROR TRACK")
        yield _numbers(where, words[1:7])
