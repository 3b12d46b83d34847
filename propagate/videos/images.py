"""Single pictures and mask pictures from files."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from propagate.errors import PromptError, VideoError
from propagate.types import ImageArray
from propagate.videos import png
from propagate.videos.opencv import check_pixels, quiet, to_rgb
from propagate.videos.picture_sizes import claimed_size
from propagate.videos.png import Levels

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_SOFT_LEVELS = 32

LabelMap = npt.NDArray[np.int32]


def read_image(path: str | PathLike[str]) -> ImageArray:
    """Read a picture: (H, W, 3) uint8 RGB.

    EXIF rotation is applied. 16-bit levels lose their lower byte, grey becomes three equal
    channels, palettes become colours, and transparency is dropped: the colours are given as stored.

    Raises:
        VideoError: missing, empty, not a known kind of picture, damaged, or too big.
    """
    path = Path(path)
    data = _bytes(path)
    size = claimed_size(data)
    if size is None:
        known = ", ".join(suffix[1:] for suffix in SUFFIXES)
        raise VideoError(f"{path}: not a picture of a known kind ({known}), or damaged")
    check_pixels(path, *size)
    try:
        if data.startswith(png.SIGNATURE):
            for _ in png.chunks(data):  # libpng would write its complaints to the terminal
                pass
        with quiet():
            picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except (cv2.error, png.BadPng) as error:
        raise VideoError(f"{path}: the picture is damaged or cut short; copy it again") from error
    if picture is None:
        raise VideoError(
            f"{path}: the picture is damaged, cut short or of a rare kind; save it as 8-bit PNG"
        )
    return to_rgb(picture)


def read_mask(path: str | PathLike[str], size_hw: tuple[int, int]) -> LabelMap:
    """Read a mask: (H, W) int32, the object id of every pixel, 0 where there is none.

    A palette PNG gives its indices, a grey one (1 to 16 bits) its levels; a grey mask whose only
    level besides black is white is one object with id 1. Grey saved as RGB or with an opaque alpha
    channel counts as grey.

    Args:
        path: a PNG file.
        size_hw: (H, W) that the mask must have: the size of the picture it belongs to.

    Raises:
        PromptError: missing, not a PNG, damaged, of another size, in colours, soft or half
            transparent, or without any object.
    """
    path = Path(path)
    try:
        data = _bytes(path)
        stored_hw, depth, colour = png.header(data)
        if stored_hw != tuple(size_hw):
            (height, width), (want_height, want_width) = stored_hw, size_hw
            raise PromptError(
                f"{path}: the mask is {width}x{height}, the picture {want_width}x{want_height}; "
                "save it at the picture's size"
            )
        stored = png.samples(data)
    except VideoError as error:
        raise PromptError(str(error)) from error
    except png.BadPng as error:
        raise PromptError(f"{path}: {error}; save the mask as a PNG, palette or grey") from error
    labels = _single_channel(path, stored)
    if colour != png.PALETTE:
        labels = _grey_ids(path, labels, 2**depth - 1)
    if not labels.any():
        raise PromptError(
            f"{path}: the mask is empty; paint the object with a value over 0, "
            "or say with --absent FRAME#ID of propagate correct that it is not there"
        )
    return labels.astype(np.int32)


def _bytes(path: Path) -> bytes:
    """A file's content; VideoError where it is missing, unreadable or empty."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise VideoError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    if not data:
        raise VideoError(f"{path}: the file is empty; copy it again")
    return data


def _single_channel(path: Path, stored: Levels) -> Levels:
    """(H, W) of a mask that may have been saved with colour and alpha channels it does not use."""
    if stored.ndim == 2:
        return stored
    if stored.shape[2] in (2, 4) and (stored[..., -1] != np.iinfo(stored.dtype).max).any():
        raise PromptError(f"{path}: the mask has transparent parts; save it without alpha")
    colours: Any = stored[..., :3]
    if np.not_equal(colours, colours[..., :1]).any():
        raise PromptError(
            f"{path}: the mask is in colours, which name no ids; save it as a palette or grey PNG "
            "whose pixels are object ids"
        )
    return cast(Levels, colours[..., 0])


def _grey_ids(path: Path, levels: Levels, white: int) -> Levels:
    """Ids from grey levels: black and white are 0 and 1, other levels are ids as they are."""
    used = np.unique(levels)
    if set(used.tolist()) <= {0, white}:
        return np.equal(levels, white).astype(np.uint8)
    if white == 255 and used[-1] == white and len(used) > _SOFT_LEVELS:
        raise PromptError(
            f"{path}: the mask has {len(used)} grey levels up to white, so it looks like one soft "
            "edge; threshold it to black and white, or save ids as a palette PNG"
        )
    return levels
