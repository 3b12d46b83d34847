"""What a person would give, simulated from the true mask."""

from __future__ import annotations

from typing import Any, Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt

from propagate.errors import InputError
from propagate.masks import box_of, centre
from propagate.types import BoolArray, FloatArray, Prompt

PromptKind = Literal["mask", "box", "click"]


def check_kind(kind: str) -> PromptKind:
    """The kind of prompt; InputError where there is no such kind."""
    for known in get_args(PromptKind):
        if kind == known:
            return known  # type: ignore[no-any-return]
    raise InputError(f"no prompt {kind!r}; choose one of {', '.join(get_args(PromptKind))}")


def simulate_prompt(kind: PromptKind, truth: BoolArray, frame_index: int, object_id: int) -> Prompt:
    """A prompt for one object.

    Args:
        kind: "mask": the true mask; "box": the box around it; "click": one point, where the mask is
            deepest.
        truth: (H, W) bool, with at least one pixel.
        frame_index: 0 or more.
        object_id: 1 or more.

    Raises:
        InputError: the mask is empty.
    """
    point = centre(truth)
    if point is None:
        raise InputError(f"object {object_id} is not seen in frame {frame_index}: no prompt")
    if kind == "mask":
        return Prompt(frame_index, object_id, mask=truth)
    if kind == "box":
        return Prompt(frame_index, object_id, box=box_of(truth))
    return Prompt(frame_index, object_id, points_xy=point[None])


def corrective_click(prediction: BoolArray, truth: BoolArray) -> tuple[FloatArray, bool] | None:
    """Where a person would click next: in the middle of the largest error.

    Of what is missing and what is too much, the one that is deeper, at the pixel farthest from its
    border (Sofiiuk et al., "Reviving Iterative Training with Mask Guidance", 2022).

    Args:
        prediction: (H, W) bool.
        truth: (H, W) bool.

    Returns:
        (2,) float32 (x, y) pixels, and whether the point is on the object; None where nothing is
        wrong.
    """
    lacking, surplus = truth & ~prediction, prediction & ~truth
    positive = _depth(lacking) >= _depth(surplus)
    point = centre(lacking if positive else surplus)
    return None if point is None else (point, positive)


def _depth(mask: BoolArray) -> float:
    """The largest distance of a pixel of the mask from its border, in pixels; 0 where empty."""
    padded: npt.NDArray[Any] = np.pad(mask, 1).astype(np.uint8)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return float(depth.max())
