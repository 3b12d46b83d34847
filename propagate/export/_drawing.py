"""Colours, outlines and labels on pictures: (H, W, 3) uint8 RGB, changed in place."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np

from propagate.masks import box_of
from propagate.types import BoolArray, ImageArray

Colour = tuple[int, int, int]
Rectangle = tuple[int, int, int, int]
"""(x0, y0, x1, y1) pixels, end-exclusive."""

WHITE: Colour = (255, 255, 255)
DARK: Colour = (18, 20, 24)

_COLOURS: tuple[Colour, ...] = (
    (38, 150, 255),  # azure
    (255, 90, 80),  # coral
    (60, 200, 90),  # green
    (255, 186, 30),  # amber
    (170, 110, 255),  # violet
    (20, 200, 200),  # teal
    (255, 105, 190),  # pink
    (170, 210, 40),  # lime
    (255, 135, 40),  # orange
    (110, 130, 255),  # indigo
)
_GOLDEN_RATIO = 0.618034
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def colour_of(object_id: int) -> Colour:
    """RGB of an object, always the same: bright and saturated, seen on dark and on light."""
    if object_id <= len(_COLOURS):
        return _COLOURS[object_id - 1]
    hue = object_id * _GOLDEN_RATIO % 1
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.45 + 0.3 * (object_id % 2), 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def unit_of(image: ImageArray) -> float:
    """How much larger than at 720 lines lines and letters are drawn."""
    return max(0.55, float(min(image.shape[:2])) / 720)


def fill(
    image: ImageArray, source: ImageArray, mask: BoolArray, colour: Colour, strength: float
) -> None:
    """Put the tinted source where the mask (H, W) is; strength 0 leaves it, 1 hides it."""
    box = box_of(mask)
    if box is None:
        return
    x0, y0, x1, y1 = box.astype(int)
    part = source[y0:y1, x0:x1]
    tint = np.empty_like(part)
    tint[:] = colour
    mixed = cv2.addWeighted(part, 1 - strength, tint, strength, 0)
    cv2.copyTo(mixed, mask[y0:y1, x0:x1].astype(np.uint8), image[y0:y1, x0:x1])


def trace(image: ImageArray, mask: BoolArray, colour: Colour, extra: int = 0) -> None:
    """Draw the mask's contours as a line, by `extra` pixels wider than usual."""
    ones = mask.astype(np.uint8)
    contours, _ = cv2.findContours(ones, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    width = max(1, round(1.6 * unit_of(image))) + extra
    cv2.drawContours(image, contours, -1, colour, width, cv2.LINE_AA)


def chip_size(text: str, unit: float) -> tuple[int, int]:
    """(width, height) in pixels of a label."""
    (width, height), _ = cv2.getTextSize(plain(text), _FONT, 0.52 * unit, 1)
    pad = round(7 * unit)
    return width + 3 * pad + round(9 * unit), height + 2 * pad


def chip(
    image: ImageArray, corner_xy: tuple[int, int], text: str, colour: Colour, unit: float
) -> None:
    """Draw a label: white letters on a dark plate with a dot in colour.

    Args:
        image: drawn on.
        corner_xy: pixels of its upper left corner; `chip_size` says how far it reaches.
        text: one line.
        colour: of the dot.
        unit: how large, see `unit_of`.
    """
    width, height = chip_size(text, unit)
    x, y = corner_xy
    shade(image, (x, y, x + width, y + height), 0.72)
    radius = max(2, round(4.5 * unit))
    pad = round(7 * unit)
    dot = (x + pad + radius, y + height // 2)
    cv2.circle(image, dot, radius, colour, -1, cv2.LINE_AA)
    place = (x + 2 * pad + 2 * radius, y + height - pad)
    cv2.putText(image, plain(text), place, _FONT, 0.52 * unit, WHITE, 1, cv2.LINE_AA)


def shade(image: ImageArray, rectangle: Rectangle, strength: float) -> None:
    """Darken a rectangle, clipped to the picture; 1 makes it `DARK`."""
    x0, y0, x1, y1 = rectangle
    part = image[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)]
    if part.size:
        tint = np.empty_like(part)
        tint[:] = DARK
        part[:] = cv2.addWeighted(part, 1 - strength, tint, strength, 0)


def plain(text: str) -> str:
    """The text in letters that OpenCV's font has."""
    return text.encode("ascii", "replace").decode()
