"""Small text files of numbers, names in the order in which people count, and what lies where."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lifting.formats._pictures import SUFFIXES
from lifting.types import Camera, DoubleArray
from propagate.errors import SceneError
from propagate.videos.opencv import MAX_PIXELS

_LARGEST_TEXT = 2**28  # bytes


@dataclass(frozen=True)
class Look:
    """What a format finds at first sight.

    Attributes:
        found: pieces that are there, in a few words each.
        missing: pieces that are not; none where the scene is of this format.
    """

    found: tuple[str, ...]
    missing: tuple[str, ...]


def look(pieces: Sequence[tuple[str, bool]]) -> Look:
    """Sort pieces, each with whether it is there."""
    return Look(
        tuple(name for name, there in pieces if there),
        tuple(name for name, there in pieces if not there),
    )


def natural(path: Path | str) -> list[tuple[bool, int, str]]:
    """A key that sorts names as people count: frame2 before frame10."""
    parts = re.findall(r"([0-9]+)|([^0-9]+)", str(path))
    return [(bool(text), int(digits or 0), text) for digits, text in parts]


def pictures(folder: Path) -> list[Path]:
    """The pictures of a folder in natural order; none where there is no folder."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    return sorted((path for path in found if not path.name.startswith(".")), key=natural)


def by_stem(folder: Path) -> dict[str, Path]:
    """Stem → picture or array of a folder."""
    if not folder.is_dir():
        return {}
    kinds = (*SUFFIXES, ".npy", ".exr")
    return {path.stem: path for path in folder.iterdir() if path.suffix.lower() in kinds}


def read_text(path: Path) -> str:
    """A text file; SceneError where it cannot be read or is no text."""
    try:
        if path.stat().st_size > _LARGEST_TEXT:
            raise SceneError(f"{path}: {path.stat().st_size} bytes are too many for a text file")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SceneError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise SceneError(f"{path}: not a text file") from error


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object; SceneError where it does not."""
    try:
        values = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        if isinstance(error, SceneError):
            raise
        raise SceneError(f"{path}: not JSON, or cut short ({error})") from error
    if not isinstance(values, dict):
        raise SceneError(f"{path}: must be a JSON object, got a {type(values).__name__}")
    return values


def read_matrix(path: Path, *shapes: tuple[int, int]) -> DoubleArray:
    """Numbers of a text file as a matrix of the first shape whose size fits.

    NaN and infinities are read as they are.

    Raises:
        SceneError: not so many numbers, or something else.
    """
    words = read_text(path).replace(",", " ").split()
    try:
        numbers = np.array([float(word) for word in words])
    except ValueError as error:
        raise SceneError(f"{path}: must hold numbers only ({error})") from error
    for shape in shapes:
        if numbers.size == shape[0] * shape[1]:
            return numbers.reshape(shape)
    wanted = " or ".join(f"{rows} x {columns}" for rows, columns in shapes)
    raise SceneError(f"{path}: must hold {wanted} numbers, got {numbers.size}")


def lens(
    where: object,
    K: DoubleArray,  # noqa: N803
    size_hw: tuple[int, int],
    distortion: Sequence[float] = (),
) -> Camera:
    """A camera without its pose; SceneError names `where`.

    A principal point outside of the picture is refused: the intrinsics are of another size.
    """
    if min(size_hw) > 0 and size_hw[0] * size_hw[1] > MAX_PIXELS:
        raise SceneError(f"{where}: {size_hw[1]} x {size_hw[0]} are too many pixels; it is damaged")
    try:
        camera = Camera(K, np.eye(4), size_hw, np.asarray(distortion, np.float64))
    except SceneError as error:
        raise SceneError(f"{where}: {error}") from error
    height, width = camera.size_hw
    x, y = camera.centre_xy
    if not (0 < x < width and 0 < y < height):
        raise SceneError(
            f"{where}: the principal point ({x:g}, {y:g}) lies outside of the picture of "
            f"{width}x{height}; the intrinsics are of another size or of another camera"
        )
    return camera


def matrix(fx: float, fy: float, cx: float, cy: float) -> DoubleArray:
    """K (3, 3) of focal lengths and a principal point, pixels."""
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float64)


def rotation(quaternion: Sequence[float]) -> DoubleArray:
    """(3, 3) of a quaternion (w, x, y, z), of any length; NaN where that is 0 or not finite."""
    w, x, y, z = (float(one) for one in quaternion)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        w, x, y, z = np.array([w, x, y, z]) / np.sqrt(w * w + x * x + y * y + z * z)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
