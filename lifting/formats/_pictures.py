"""Pictures of a scene: colours, depth and labels from files, with every number kept as stored.

Cameras of a scene are calibrated for the pixels as they are stored, so a rotation that EXIF asks
for is not applied. No picture is decoded that claims more than `MAX_PIXELS`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from lifting.types import LabelArray
from propagate.errors import MissingPackageError, SceneError
from propagate.types import FloatArray, ImageArray
from propagate.videos import png
from propagate.videos.opencv import MAX_PIXELS, quiet
from propagate.videos.picture_sizes import claimed_size

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")

_NO_DEPTH = 65535  # of 16 bits: what sensors write for "nothing"
_JPEG, _JPEG_END = b"\xff\xd8", b"\xff\xd9"


def read_colour(path: Path) -> ImageArray:
    """(H, W, 3) uint8 RGB; SceneError where it is missing, damaged or no picture."""
    picture = _decoded(path, _content(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    rgb: ImageArray = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
    return rgb


def picture_size(path: Path) -> tuple[int, int]:
    """(H, W) pixels of a picture, as stored; SceneError where it cannot be read."""
    size = claimed_size(_content(path))
    if size is None:
        raise SceneError(f"{path}: not a picture of a known kind, or damaged; copy it again")
    _check_size(path, size)
    return size


def read_depth(path: Path, metres_per_unit: float, metres_per_float: float = 1.0) -> FloatArray:
    """(H, W) float32 metres, 0 where there is none (stored as 0, below 0, 65535, NaN or infinite).

    Args:
        path: a 16-bit PNG or TIFF; float TIFF, .npy, .exr, or COLMAP's dense map (.bin).
        metres_per_unit: of whole numbers.
        metres_per_float: of floats.

    Raises:
        SceneError: missing, damaged, or neither whole numbers of 16 bits nor floats.
    """
    stored = _raw_depth(path)
    if stored.ndim == 3 and stored.shape[2] == 1:
        stored = stored[..., 0]
    if (
        stored.ndim != 2
        or not stored.size
        or stored.dtype.kind not in "uif"
        or stored.dtype.itemsize < 2
    ):
        raise SceneError(
            f"{path}: depth must be one channel of 16-bit whole numbers or of floats, got "
            f"{stored.shape} {stored.dtype}"
        )
    whole = stored.dtype.kind in "ui"
    with np.errstate(invalid="ignore", over="ignore"):
        depth = stored.astype(np.float32) * np.float32(metres_per_unit if whole else 1)
        if not whole and metres_per_float != 1:
            depth *= np.float32(metres_per_float)
        valid = np.isfinite(depth) & (depth > 0)
    if whole:
        valid &= stored != _NO_DEPTH
    return np.where(valid, depth, np.float32(0))


def read_labels(path: Path) -> LabelArray:
    """(H, W) int32 ids, 0 where there is none.

    A palette PNG gives its indices, a grey one its levels; grey whose only level besides black is
    white is one object with id 1.

    Raises:
        SceneError: missing, not a PNG, damaged, or in colours.
    """
    data = _content(path)
    try:
        size, depth, colour = png.header(data)
        _check_size(path, size)
        stored: npt.NDArray[Any] = png.samples(data)
    except png.BadPng as error:
        raise SceneError(f"{path}: {error}; save masks as palette or grey PNGs of ids") from error
    if stored.ndim == 3:
        if (stored[..., :3] != stored[..., :1]).any():
            raise SceneError(
                f"{path}: the mask is in colours, which name no ids; save it as a palette or grey "
                "PNG whose pixels are object ids"
            )
        stored = stored[..., 0]
    white = 2**depth - 1
    if colour != png.PALETTE and depth > 1 and set(np.unique(stored).tolist()) == {0, white}:
        stored = np.equal(stored, white)
    labels: LabelArray = stored.astype(np.int32)
    return labels


def _raw_depth(path: Path) -> npt.NDArray[Any]:
    """What the file holds."""
    suffix = path.suffix.lower()
    if suffix == ".npy":
        try:
            # mapped, so that a short file is refused before anything is allotted
            return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
        except (OSError, ValueError, EOFError) as error:
            raise SceneError(f"{path}: not an array, or cut short ({_short(error)})") from error
    if suffix == ".bin":
        return _dense_map(path)
    if suffix == ".exr":
        return _exr(path)
    flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    return _decoded(path, _content(path), flags)


def _dense_map(path: Path) -> npt.NDArray[np.float32]:
    """A dense map as COLMAP writes it: "width&height&channels&", then float32, row after row."""
    data = _content(path)
    words = data[:64].split(b"&", 3)
    try:
        width, height, channels = (int(word) for word in words[:3])
    except ValueError as error:
        raise SceneError(f"{path}: not a depth map of COLMAP (width&height&channels&)") from error
    body = data[len(b"&".join(words[:3])) + 1 :]
    if min(width, height) < 1 or channels != 1 or len(body) != 4 * width * height:
        raise SceneError(
            f"{path}: cut short or damaged: {width} x {height} x {channels} floats are claimed, "
            f"{len(body)} bytes are there"
        )
    return np.frombuffer(body, "<f4").reshape(height, width)


def _exr(path: Path) -> npt.NDArray[Any]:
    try:
        import OpenEXR
    except ImportError as error:
        raise MissingPackageError("OpenEXR", "video", f"reading {path}") from error
    _content(path)
    try:
        channels = OpenEXR.File(str(path), separate_channels=True).channels()
    except (RuntimeError, OSError, ValueError) as error:
        raise SceneError(f"{path}: not an EXR picture, or damaged") from error
    for name in ("Z", "Y", "R", *channels):
        if name in channels:
            return np.asarray(channels[name].pixels)
    raise SceneError(f"{path}: the EXR picture has no channel")


def _decoded(path: Path, data: bytes, flags: int) -> npt.NDArray[Any]:
    """What OpenCV makes of the bytes, quietly."""
    size = claimed_size(data)
    if size is None:
        raise SceneError(f"{path}: not a picture of a known kind, or damaged; copy it again")
    _check_size(path, size)
    try:
        if data.startswith(png.SIGNATURE):  # libpng would write its complaints to the terminal
            for _ in png.chunks(data):
                pass
        with quiet():
            picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except (cv2.error, png.BadPng) as error:
        raise SceneError(f"{path}: the picture is damaged or cut short; copy it again") from error
    cut = data.startswith(_JPEG) and data.rfind(_JPEG_END) < len(data) // 2
    if picture is None or cut:
        raise SceneError(f"{path}: the picture is damaged or cut short; copy it again")
    return np.asarray(picture)


def _check_size(path: Path, size_hw: tuple[int, int]) -> None:
    """SceneError where a header claims a size that cannot be meant."""
    height, width = size_hw
    if min(size_hw) < 1 or height * width > MAX_PIXELS:
        raise SceneError(f"{path}: claims {width} x {height} pixels; it is damaged or too big")


def _content(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SceneError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    if not data:
        raise SceneError(f"{path}: the file is empty; copy it again")
    return data


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:100]
