"""Prompts, maps and masks of a picture as those of a window of it, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from propagate import coords
from propagate.coords import Size, Window
from propagate.types import BoolArray, Evidence, FloatArray, Mask, Prompt

_MOST_CELLS = 2**21  # of a map: a mask from near needs no finer ones, 16 of them in 4K much memory


def window_around(box: FloatArray, size_hw: Size, share: float) -> Window:
    """A window of a share of a picture's sides, centred on a box (4,), inside the picture."""
    height, width = (max(1, round(side * share)) for side in size_hw)
    centre_x, centre_y = coords.box_middle(box)
    x0 = int(np.clip(round(float(centre_x) - width / 2), 0, size_hw[1] - width))
    y0 = int(np.clip(round(float(centre_y) - height / 2), 0, size_hw[0] - height))
    return Window(x0, y0, x0 + width, y0 + height)


def prompt_in(window: Window, prompt: Prompt, size_hw: Size) -> Prompt:
    """A prompt about a picture of `size_hw` as one about a window of it.

    Points outside the window are left out; recalled maps are of the window already.
    """
    points, labels = _points_in(window, prompt.points_xy, prompt.labels)
    return replace(
        prompt,
        points_xy=points,
        labels=labels,
        box=None if prompt.box is None else window.box(prompt.box),
        mask=None if prompt.mask is None else prompt.mask[window.slices],
        evidence=None
        if prompt.evidence is None
        else _evidence_in(window, prompt.evidence, size_hw),
    )


def map_in(window: Window, map_: FloatArray, size_hw: Size) -> FloatArray:
    """The part of a map (h, w) of a picture of `size_hw` that a window shows, as (h, w)."""
    height, width = map_.shape
    x0, y0, x1, y1 = window.part(size_hw)
    matrix = [[x1 - x0, 0, x0 * width], [0, y1 - y0, y0 * height]]
    return _looked_up(map_, matrix, (height, width))


def map_in_picture(window: Window, map_: FloatArray, size_hw: Size, beyond: float) -> FloatArray:
    """A map (h, w) of a window as one of the picture of `size_hw`, with cells of the same size.

    They are larger where there would be more than two million, as of a small thing in 4K.

    Args:
        window: what the map shows.
        map_: (h, w).
        size_hw: (H, W) of the picture.
        beyond: what to put where the window shows nothing.
    """
    height, width = map_.shape
    x0, y0, x1, y1 = window.part(size_hw)
    fine = height / (y1 - y0), width / (x1 - x0)
    coarser = min(1.0, (_MOST_CELLS / (fine[0] * fine[1])) ** 0.5)
    tall, wide = (round(cells * coarser) for cells in fine)
    across, down = width / (wide * (x1 - x0)), height / (tall * (y1 - y0))
    matrix = [[across, 0, -x0 * across * wide], [0, down, -y0 * down * tall]]
    shown = _looked_up(map_, matrix, (tall, wide))
    x, y = (np.arange(cells) + 0.5 for cells in (wide, tall))
    shown[(y < y0 * tall) | (y > y1 * tall)] = beyond
    shown[:, (x < x0 * wide) | (x > x1 * wide)] = beyond
    return shown


def mask_in_picture(
    mask: Mask, window: Window, size_hw: Size, given: Mapping[int, BoolArray]
) -> Mask:
    """A mask of a window as one of the picture of `size_hw`; of those that were given, a copy."""
    if mask.object_id in given:
        return replace(mask, pixels=given[mask.object_id].copy())
    if window.size_hw == size_hw:
        return mask
    pixels = np.zeros(size_hw, bool)
    pixels[window.slices] = mask.pixels
    return replace(mask, pixels=pixels)


def _looked_up(map_: FloatArray, matrix: list[list[float]], cells_hw: Size) -> FloatArray:
    """(h', w'): each cell read where an affine map of places leads; edges go on as they are."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    affine = coords.opencv_affine(matrix)
    read = cv2.warpAffine(
        map_, affine, cells_hw[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(read, np.float32)


def _evidence_in(window: Window, evidence: Evidence, size_hw: Size) -> Evidence:
    points, labels = _points_in(window, evidence.points_xy, evidence.labels)
    return replace(
        evidence,
        prior=None if evidence.prior is None else map_in(window, evidence.prior, size_hw),
        box=None if evidence.box is None else window.box(evidence.box),
        points_xy=points,
        labels=labels,
    )


def _points_in(window: Window, points_xy: FloatArray, labels: Any) -> tuple[FloatArray, Any]:
    inside = coords.point_inside(window.points(points_xy), window.size_hw)
    kept = None if labels is None else np.asarray(labels)[inside]
    return window.points(points_xy)[inside], kept
