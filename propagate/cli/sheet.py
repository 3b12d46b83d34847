"""Pictures side by side, each with a line of text."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from propagate.export._drawing import DARK, WHITE, chip, colour_of, fill, trace
from propagate.types import ImageArray, Mask

_CELL_WIDTH = 560  # pixels, at most
_GAP = 10
_TINT = 0.45


def with_mask(image: ImageArray, mask: Mask) -> ImageArray:
    """A new picture (H, W, 3) with a mask drawn on it in its object's colour."""
    drawn = image.copy()
    colour = colour_of(mask.object_id)
    trace(drawn, mask.pixels, DARK, extra=2)
    fill(drawn, image, mask.pixels, colour, _TINT)
    trace(drawn, mask.pixels, colour)
    return drawn


def contact_sheet(cells: Sequence[tuple[ImageArray, str]], columns: int) -> ImageArray:
    """Pictures in rows.

    Args:
        cells: one or more pictures (H, W, 3) of one size, each with its text.
        columns: pictures in a row.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    height, width = _cell_size(cells[0][0])
    rows = -(-len(cells) // columns)
    size = (rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP)
    sheet: ImageArray = np.full((*size, 3), DARK, np.uint8)
    for number, (picture, text) in enumerate(cells):
        row, column = divmod(number, columns)
        y, x = _GAP + row * (height + _GAP), _GAP + column * (width + _GAP)
        small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        cell = np.asarray(small, np.uint8)
        chip(cell, (0, 0), text, WHITE, unit=0.9)
        sheet[y : y + height, x : x + width] = cell
    return sheet


def _cell_size(picture: ImageArray) -> tuple[int, int]:
    """(H, W) of a cell."""
    height, width = picture.shape[:2]
    scale = min(1.0, _CELL_WIDTH / width)
    return max(1, round(height * scale)), max(1, round(width * scale))
