"""Region similarity J and contour accuracy F as DAVIS defines them, and how honest scores are.

Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation",
2016; Pont-Tuset et al., "The 2017 DAVIS Challenge on Video Object Segmentation", 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, hypot

import cv2
import numpy as np

from propagate.errors import InputError
from propagate.masks import box_of, iou
from propagate.types import BoolArray

TOLERANCE = 0.008  # of the picture's diagonal: how far a contour may be off
_RECALL_AT = 0.5
_QUARTERS = 4


@dataclass(frozen=True)
class Statistics:
    """A measure over the frames of one object.

    Attributes:
        mean: 0..1.
        recall: share of frames above 0.5.
        decay: mean of the first quarter minus mean of the last: what is lost with time.
    """

    mean: float
    recall: float
    decay: float


def region_similarity(prediction: BoolArray, truth: BoolArray) -> float:
    """J: intersection over union of two masks (H, W), 0..1; 1 where both are empty.

    Raises:
        InputError: the sizes differ.
    """
    return iou(prediction, truth)


def contour_accuracy(
    prediction: BoolArray, truth: BoolArray, tolerance: float = TOLERANCE
) -> float:
    """F: harmonic mean of the contours' precision and recall, 0..1; 1 where neither has a contour.

    A contour pixel is right where the other contour is within ceil(tolerance * diagonal) pixels.

    Args:
        prediction: (H, W) bool.
        truth: (H, W) bool.
        tolerance: as a share of the picture's diagonal.

    Raises:
        InputError: the sizes differ.
    """
    if prediction.shape != truth.shape:
        raise InputError(f"masks must have one size, got {prediction.shape} and {truth.shape}")
    found, wanted = contour(prediction), contour(truth)
    count_found, count_wanted = int(found.sum()), int(wanted.sum())
    if count_found == 0 or count_wanted == 0:
        # With one of them empty, precision or recall is 0 and so is their harmonic mean.
        return float(count_found == count_wanted)
    radius = ceil(tolerance * hypot(*truth.shape))
    found, wanted = _crop(found, wanted, radius)
    precision = np.count_nonzero(found & _widen(wanted, radius)) / count_found
    recall = np.count_nonzero(wanted & _widen(found, radius)) / count_wanted
    if precision + recall == 0:
        return 0.0
    return float(2 * precision * recall / (precision + recall))


def contour(mask: BoolArray) -> BoolArray:
    """(H, W) bool, one pixel wide: pixels unlike their right, lower or lower right neighbour.

    Pixels of the last row and column have only the one neighbour, the last pixel has none.
    """
    edge = np.zeros_like(mask)
    edge[:, :-1] = mask[:, :-1] ^ mask[:, 1:]
    edge[:-1] |= mask[:-1] ^ mask[1:]
    edge[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return edge


def statistics(values: Sequence[float]) -> Statistics:
    """Mean, recall and decay of one object's values, a value a frame, in order.

    Raises:
        InputError: no value.
    """
    if not len(values):
        raise InputError("no frame to take statistics of")
    series = np.asarray(values, float)
    # DAVIS's own rounding of the quarters' borders; neighbours share the frame between them.
    borders = np.round(np.linspace(1, len(series), _QUARTERS + 1) + 1e-10).astype(int) - 1
    first, last = series[: borders[1] + 1], series[borders[-2] : borders[-1] + 1]
    return Statistics(
        float(series.mean()),
        float((series > _RECALL_AT).mean()),
        float(first.mean() - last.mean()),
    )


def calibration_error(pairs: Sequence[tuple[float, float]], bins: int = 10) -> float:
    """How far predicted scores are from the truth, on average; 0 is perfect.

    The expected calibration error (Naeini et al. 2015), with the IoU in place of being right or
    wrong: over bins of equal width, the mean of |mean score - mean IoU|, weighted by their pairs.

    Args:
        pairs: (score, IoU), each 0..1.
        bins: how many.

    Returns:
        0..1; nan where there is no pair.
    """
    if not pairs:
        return float("nan")
    scores, ious = np.asarray(pairs, float).T
    which = np.clip((scores * bins).astype(int), 0, bins - 1)
    gaps = np.bincount(which, scores - ious, minlength=bins)
    return float(np.abs(gaps).sum() / len(pairs))


def _crop(one: BoolArray, other: BoolArray, margin: int) -> tuple[BoolArray, BoolArray]:
    """Both contours, cut to where they are and a margin: the rest cannot match anything."""
    box = box_of(one | other)
    assert box is not None
    x0, y0, x1, y1 = box.astype(int)
    part = np.s_[max(0, y0 - margin) : y1 + margin, max(0, x0 - margin) : x1 + margin]
    return one[part], other[part]


def _widen(edge: BoolArray, radius: int) -> BoolArray:
    """All pixels within `radius` of the contour: a dilation by the disk x^2 + y^2 <= r^2."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disk = (x * x + y * y <= radius * radius).astype(np.uint8)
    wide: BoolArray = cv2.dilate(edge.astype(np.uint8), disk).astype(bool)
    return wide
