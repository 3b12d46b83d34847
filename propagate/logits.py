"""What logits at low resolution cover, and the masks that they are of."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from propagate.masks import box_of
from propagate.types import BoolArray, Canvas, FloatArray

_ROUNDING = 1e-5  # two objects' margins that cancel must not both come out positive


def to_picture(
    logits: FloatArray, size_hw: tuple[int, int], canvas: Canvas | None = None
) -> BoolArray:
    """Low-resolution logits (h, w), of the picture or its canvas → mask (H, W) bool."""
    logits = without_padding(logits, canvas)
    pixels = np.zeros(size_hw, bool)
    cells = box_of(logits > 0)
    if cells is None:
        return pixels
    x0, y0, x1, y1 = cells.astype(int).tolist()
    rows, tall = _aligned(y0, y1, logits.shape[0], size_hw[0])
    columns, wide = _aligned(x0, x1, logits.shape[1], size_hw[1])
    part = np.ascontiguousarray(logits[rows, columns])
    size = wide.stop - wide.start, tall.stop - tall.start
    pixels[tall, wide] = cv2.resize(part, size, interpolation=cv2.INTER_LINEAR) > _ROUNDING
    return pixels


def without_padding(logits: FloatArray, canvas: Canvas | None) -> FloatArray:
    """Logits (h, w) of a picture's canvas as those of the picture; others as they are."""
    if canvas is None:
        return logits
    # In two steps, as SAM does: to the input's size here, and later from there to the picture's.
    whole = cv2.resize(logits, canvas.size_hw[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(whole, np.float32)[: canvas.picture_hw[0], : canvas.picture_hw[1]]


def _aligned(first: int, last: int, cells: int, pixels: int) -> tuple[slice, slice]:
    """The cells around first <= cell < last that begin and end with a pixel, and those pixels.

    Enlarged alone, they come out as they do in the whole: most of a picture need not be enlarged.
    """
    step = cells // math.gcd(cells, pixels)
    start = max(0, (first - 1) // step * step)
    stop = min(cells, -(-(last + 1) // step) * step)
    return slice(start, stop), slice(start * pixels // cells, stop * pixels // cells)


def on_logits(place: FloatArray, logits: FloatArray, canvas: Canvas | None) -> FloatArray:
    """A map of the picture on the cells of logits (h, w); 0 where those are padding."""
    logits_hw = logits.shape[0], logits.shape[1]
    height, width = logits_hw if canvas is None else canvas.cells_hw(logits_hw)
    resized = cv2.resize(place, (width, height), interpolation=cv2.INTER_LINEAR)
    whole = np.zeros(logits_hw, np.float32)
    whole[:height, :width] = resized
    return whole


def same_cells(logits: Sequence[FloatArray]) -> list[FloatArray]:
    """Logits (h, w) each, of the same part of a picture, on the finest cells among them."""
    if len({one.shape for one in logits}) <= 1:
        return list(logits)
    size = max(one.shape[1] for one in logits), max(one.shape[0] for one in logits)
    resized = (cv2.resize(one, size, interpolation=cv2.INTER_LINEAR) for one in logits)
    return [np.asarray(one, np.float32) for one in resized]


def most_of_others(values: FloatArray) -> FloatArray:
    """(N, ...) → for each of at least two the largest value of the others."""
    highest = values[0].copy()
    second = np.full_like(highest, -np.inf)
    for each in values[1:]:  # a third of the time of sorting
        np.maximum(second, np.minimum(highest, each), out=second)
        np.maximum(highest, each, out=highest)
    others: FloatArray = np.where(values >= highest, second, highest)
    return others
