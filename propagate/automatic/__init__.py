"""Segment everything: ask at many places, keep what is good, drop what repeats.

Kirillov et al., "Segment Anything", 2023: a grid of clicks over the picture and, where wanted, over
crops of it; answers pass by predicted IoU and by stability, and boxes that overlap too much are
dropped. Most of that happens on low-resolution logits; only what passes is brought to full size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from propagate import coords, masks
from propagate.automatic.places import Crop, crops, grid
from propagate.coords import Size
from propagate.errors import ConfigError
from propagate.logits import to_picture, without_padding
from propagate.segmenters import Segmenter
from propagate.types import BoolArray, Candidates, Canvas, Embedding, FloatArray, ImageArray, Prompt

_EDGE = 20  # pixels: what ends so near to a crop's edge is cut by it
_FIRST_BATCH = 16
_UNSURE = 0.03  # of the stability at low resolution, from what it is at the picture's
__all__ = ["SAM", "Config", "Crop", "box_iou", "crops", "generate", "grid"]


@dataclass(frozen=True)
class Config:
    """How to look, and what is good enough.

    Attributes:
        points_per_side: clicks along each side of the picture; more find smaller things, in
            quadratic time.
        crop_layers: 1 looks at 4 overlapping crops as well, 2 at 16 more; finds small things.
        sampling: "grid" asks at all points; "adaptive" leaves out those that a good mask covers
            already, which is several times faster and loses parts of what was found whole.
        least_score: answers with a lower predicted IoU are dropped.
        least_stability: as those that change more when the threshold moves by `stability_offset`:
            IoU of the mask with a higher and with a lower threshold.
        stability_offset: in logits.
        most_overlap: IoU of two boxes above which the one with the lower score is dropped.
        least_area: pixels; smaller holes are filled and smaller islands dropped, and masks that
            have thereby become one are found by their boxes once more; 0: none.
        batch: questions at a time; more take more memory.
    """

    points_per_side: int = 24
    crop_layers: int = 0
    sampling: Literal["grid", "adaptive"] = "adaptive"
    least_score: float = 0.5
    least_stability: float = 0.7
    stability_offset: float = 1.0
    most_overlap: float = 0.7
    least_area: int = 0
    batch: int = 64

    def __post_init__(self) -> None:
        """Refuse numbers that ask for nothing."""
        if self.points_per_side < 1 or self.batch < 1 or self.crop_layers < 0:
            raise ConfigError("points_per_side and batch must be 1 or more, crop_layers 0 or more")


SAM = Config(points_per_side=32, sampling="grid", least_score=0.88, least_stability=0.95)
"""What the published generator uses; `lite` is less sure of itself, and faster."""


@dataclass(frozen=True, eq=False)
class _Found:
    """One good answer: `candidate` of `answers`, its box and point in the picture's pixels."""

    answers: Candidates
    candidate: int
    stability: float
    box: FloatArray
    point_xy: FloatArray
    crop: Crop

    @property
    def score(self) -> float:
        return float(self.answers.scores[self.candidate])


def generate(image: ImageArray, segmenter: Segmenter, config: Config) -> list[dict[str, Any]]:
    """Masks of everything in a picture, as records like those of SA-1B, best first.

    Args:
        image: (H, W, 3) uint8 RGB.
        segmenter: answers clicks.
        config: how.

    Returns:
        A dictionary a mask: "segmentation" (COCO run lengths), "area" (pixels), "bbox" (x, y,
        width, height), "predicted_iou", "stability_score", "point_coords" [[x, y]], "crop_box"
        (x, y, width, height).
    """
    size_hw = (image.shape[0], image.shape[1])
    found: list[_Found] = []
    for crop in crops(size_hw, config.crop_layers):
        found += _suppressed(list(_look(image, crop, segmenter, config)), config.most_overlap)
    if config.crop_layers:  # what a smaller crop shows is sharper
        found.sort(key=lambda one: -one.crop.layer)
        found = _suppressed(found, config.most_overlap, in_order=True)
    found.sort(key=lambda one: -one.score)
    if config.least_area:
        return _tidied(found, size_hw, config)
    whole = ((one, _full_size(one, size_hw)) for one in found)
    return [_record(one, mask) for one, mask in whole if mask.any()]


def _tidied(found: Sequence[_Found], size_hw: Size, config: Config) -> list[dict[str, Any]]:
    """Records without small holes and islands.

    Two masks may have become one; of those the one that needed no tidying is kept.
    """
    records, changed = [], []
    for one in found:
        mask = _full_size(one, size_hw)
        tidy = masks.drop_small(mask, config.least_area, config.least_area)
        if tidy.any():
            records.append(_record(one, tidy))
            changed.append(not np.array_equal(mask, tidy))
    order = np.argsort(changed, kind="stable")
    boxes = np.array([record["bbox"] for record in records], np.float64).reshape(-1, 4)[order]
    boxes[:, 2:] += boxes[:, :2]
    return [records[number] for number in sorted(order[_unlike(boxes, config.most_overlap)])]


def _look(image: ImageArray, crop: Crop, segmenter: Segmenter, config: Config) -> Iterator[_Found]:
    """Good answers in one crop."""
    x0, y0, x1, y1 = crop.box
    embedding = segmenter.encode(np.ascontiguousarray(image[y0:y1, x0:x1]))
    waiting = coords.scale_points(grid(config.points_per_side), (1, 1), crop.size_hw)
    adaptive = config.sampling == "adaptive"
    count = min(_FIRST_BATCH, config.batch) if adaptive else config.batch
    while len(waiting):
        asked, waiting = waiting[:count], waiting[count:]
        for answers, point in zip(_answers(segmenter, embedding, asked), asked, strict=True):
            for one in _good(answers, point, crop, config):
                yield one
                if adaptive and len(waiting):
                    waiting = waiting[~_covers(one, waiting)]
        count = config.batch


def _answers(segmenter: Segmenter, embedding: Embedding, points: FloatArray) -> list[Candidates]:
    """One click a prompt."""
    prompts = [Prompt(0, n + 1, points_xy=point[None]) for n, point in enumerate(points)]
    return segmenter.decode(embedding, prompts)


def _good(answers: Candidates, point: FloatArray, crop: Crop, config: Config) -> Iterator[_Found]:
    """The candidates that pass, with what is known of them."""
    height, width = answers.cells_hw
    logits = answers.logits[:, :height, :width]
    scored = np.flatnonzero(answers.scores >= config.least_score)
    for number in scored.tolist():
        stability = _stability(logits[number], config.stability_offset)
        if abs(stability - config.least_stability) < _UNSURE:
            enlarged = _enlarged(answers.logits[number], crop.size_hw, answers.canvas)
            stability = _stability(enlarged, config.stability_offset)
        if stability < config.least_stability:
            continue
        box = masks.box_of(to_picture(answers.logits[number], crop.size_hw, answers.canvas))
        if box is not None and not _is_cut(box, crop, answers.size_hw):
            corner = np.array(crop.box[:2], np.float32)
            yield _Found(answers, number, stability, box + np.tile(corner, 2), point + corner, crop)


def _stability(logits: FloatArray, offset: float) -> float:
    """IoU of the masks at a threshold above 0 and at one below."""
    return float((logits > offset).sum() / max(int((logits > -offset).sum()), 1))


def _enlarged(logits: FloatArray, size_hw: Size, canvas: Canvas | None) -> FloatArray:
    """Logits (H, W) at the picture's size, see `logits.to_picture`."""
    shown = without_padding(logits, canvas)
    return np.asarray(cv2.resize(shown, size_hw[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _is_cut(box: FloatArray, crop: Crop, size_hw: Size) -> bool:
    """Whether a box ends where its crop, but not the picture, ends."""
    ends = np.concatenate([box[:2] < _EDGE, box[2:] > np.array(size_hw[::-1]) - _EDGE])
    return bool((ends & crop.cuts).any())


def _covers(one: _Found, points_xy: FloatArray) -> BoolArray:
    """(N,) bool: which points of the crop lie on a mask."""
    height, width = one.answers.cells_hw
    inside = one.answers.logits[one.candidate, :height, :width] > 0
    places = coords.scale_points(points_xy, one.crop.size_hw, (height, width))
    x, y = coords.pixel_of(places, (height, width)).T
    covered: BoolArray = inside[y, x]
    return covered


def _suppressed(
    found: Sequence[_Found], most_overlap: float, *, in_order: bool = False
) -> list[_Found]:
    """Without those whose box is that of a better one, or with `in_order` of an earlier one."""
    ranked = list(found) if in_order else sorted(found, key=lambda one: -one.score)
    boxes = np.array([one.box for one in ranked]).reshape(-1, 4)
    return [ranked[number] for number in _unlike(boxes, most_overlap)]


def _unlike(boxes: npt.NDArray[Any], most_overlap: float) -> npt.NDArray[np.intp]:
    """Which of the boxes (N, 4) are not that of an earlier one that stays."""
    left = np.ones(len(boxes), bool)
    for number in range(len(boxes)):
        if left[number]:
            later = slice(number + 1, None)
            left[later] &= box_iou(boxes[number], boxes[later]) <= most_overlap
    return np.flatnonzero(left)


def box_iou(box: npt.NDArray[Any], others: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """IoU (N,) of one box (4,) with others (N, 4)."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    both = np.prod(np.clip(high - low, 0, None).astype(np.float64), axis=1)
    areas = np.prod((others[:, 2:] - others[:, :2]).astype(np.float64), axis=1)
    return np.asarray(both / (areas + np.prod((box[2:] - box[:2]).astype(np.float64)) - both))


def _full_size(one: _Found, size_hw: Size) -> BoolArray:
    """(H, W) bool."""
    x0, y0, x1, y1 = one.crop.box
    mask = np.zeros(size_hw, bool)
    logits = one.answers.logits[one.candidate]
    mask[y0:y1, x0:x1] = to_picture(logits, one.crop.size_hw, one.answers.canvas)
    return mask


def _record(one: _Found, mask: BoolArray) -> dict[str, Any]:
    """A mask as SA-1B writes it; plain values only."""
    box = masks.box_of(mask)
    assert box is not None  # masks without a pixel are left out
    return {
        "segmentation": masks.encode_rle(mask),
        "area": masks.area(mask),
        "bbox": _as_xywh(box.tolist()),
        "predicted_iou": one.score,
        "stability_score": one.stability,
        "point_coords": [one.point_xy.tolist()],
        "crop_box": _as_xywh(one.crop.box),
    }


def _as_xywh(box: Sequence[float]) -> list[float]:
    x0, y0, x1, y1 = box
    return [x0, y0, x1 - x0, y1 - y0]
