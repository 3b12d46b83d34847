"""A segmenter without weights: what has the colours of the prompt, and is connected to it.

An example of a plugin, and a stand-in for tests. It tells a red ball from green grass, and not two
people apart. Colours are compared by histograms in CIE Lab: the log of how much more often a colour
occurs on the prompt than off it (Swain and Ballard, "Color Indexing", 1991).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage, special

from propagate import masks
from propagate.coords import fit_long_side, pixel_centres, point_inside, scale_box, scale_points
from propagate.types import (
    READINGS,
    BoolArray,
    Candidates,
    Evidence,
    FloatArray,
    ImageArray,
    Prompt,
    check_image,
)

_HISTOGRAM = (8, 16, 16)  # cells of lightness, green to red, blue to yellow
_RARE = 2e-4  # share of the pixels below which a colour counts as unseen
_STRIDE = 16  # pixels; of the keys that an appearance memory matches
_REFUSED = 5.0  # how much a colour at a negative point outweighs the same share on the object
_BELONGING = READINGS.index("familiar")  # the readings before it say what belongs to the object
_OFFSETS = (-1.5, 0.0, 1.5)  # a strict, a plain and a generous answer


@dataclass(frozen=True)
class Config:
    """Settings.

    Attributes:
        long_side: pixels of the picture's longer side while colours are compared; a larger one
            gives finer edges and takes longer.
        temperature: of the keys; higher makes an appearance memory match only nearly equal colours.
    """

    long_side: int = 256
    temperature: float = 8.0


def build(config: Config) -> ColourSegmenter:
    """Make the segmenter."""
    return ColourSegmenter(config)


@dataclass(frozen=True, eq=False)
class ColourEmbedding:
    """An encoded picture.

    Attributes:
        size_hw: (H, W) of the picture.
        keys: (6, h, w) float32 tensor at stride 16.
        codes: (h, w) int32, the histogram cell of every pixel at working size.
    """

    size_hw: tuple[int, int]
    keys: torch.Tensor
    codes: npt.NDArray[np.int32]


@dataclass(frozen=True)
class ColourSegmenter:
    """Answers prompts by colour; see `propagate.segmenters.Segmenter`."""

    config: Config

    def encode(self, image: ImageArray) -> ColourEmbedding:
        """Quantise the colours of an image (H, W, 3) uint8 RGB.

        Raises:
            InputError: it is not such an image.
        """
        check_image(image)
        height, width = image.shape[:2]
        long_side = min(self.config.long_side, max(height, width))
        working = fit_long_side((height, width), long_side)
        coarse = fit_long_side((height, width), max(height, width), _STRIDE)
        lab = cv2.cvtColor(_resize(image, working), cv2.COLOR_RGB2LAB).astype(np.int32)
        cells = [lab[..., 0] >> 5, *(np.clip(lab[..., k] - 64, 0, 127) >> 3 for k in (1, 2))]
        codes = np.ravel_multi_index(cells, _HISTOGRAM).astype(np.int32)
        keys = self._keys(_resize(image, (coarse[0] // _STRIDE, coarse[1] // _STRIDE)))
        return ColourEmbedding((height, width), keys, codes)

    def decode(self, embedding: ColourEmbedding, prompts: Sequence[Prompt]) -> list[Candidates]:
        """Three answers to each prompt: strict, plain, generous."""
        return [_answer(embedding, _spoken(prompt)) for prompt in prompts]

    def _keys(self, image: ImageArray) -> torch.Tensor:
        """Colours on circles: a dot product is a sum of cosines of the differences."""
        lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32)
        angles = np.pi * lab / np.array([255, 100, 100], np.float32)  # a and b rarely differ by 100
        circles = np.concatenate([np.cos(angles), np.sin(angles)], axis=-1)
        scaled = np.sqrt(np.float32(self.config.temperature)) * circles
        return torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1)))


def _spoken(prompt: Prompt) -> Prompt:
    """The prompt; an expected box and points stand for given ones where there are no maps."""
    evidence = prompt.evidence
    if evidence is None or evidence.prior is not None or evidence.recall is not None:
        return prompt
    return replace(
        prompt,
        points_xy=np.concatenate([prompt.points_xy, evidence.points_xy]),
        labels=np.concatenate([np.asarray(prompt.labels), evidence.labels]),
        box=evidence.box if prompt.box is None else prompt.box,
        evidence=None,
    )


def _answer(embedding: ColourEmbedding, prompt: Prompt) -> Candidates:
    """Compare colours on and off the prompt, add where it should be, keep what touches it."""
    size = embedding.codes.shape
    on, off, never = _seeds(embedding, prompt)
    logits = np.full((len(_OFFSETS), *size), -6, np.float32)
    scores = np.zeros(len(_OFFSETS), np.float32)
    if on.max() >= 0.25:
        without = _histogram(embedding.codes, off if off.any() else np.ones(size, np.float32))
        if never.any():
            without = np.maximum(without, _REFUSED * _histogram(embedding.codes, never))
        ratio = np.log(_histogram(embedding.codes, on) / without).astype(np.float32)
        plain = cv2.GaussianBlur(ratio[embedding.codes], (0, 0), 1.0) + _place(embedding, prompt)
        likely = special.expit(2 * _touching(plain, on))
        for index, offset in enumerate(_OFFSETS):
            logits[index] = _touching(plain + np.float32(offset), on)
            scores[index] = _expected_iou(logits[index] > 0, likely)
            scores[index] *= _agreement(logits[index] > 0, embedding, prompt)
    return Candidates(prompt.object_id, logits, scores, embedding.size_hw)


def _seeds(embedding: ColourEmbedding, prompt: Prompt) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(h, w) each, 0..1: on the object, off it, and at a negative point, by the prompt alone."""
    size = embedding.codes.shape
    on, off, never = (np.zeros(size, np.float32) for _ in range(3))
    if prompt.evidence is not None:
        prior, recall = _beliefs(prompt.evidence, size)
        on, off = prior * recall, (1 - prior) * (1 - recall)
    if prompt.box is not None:
        x0, y0, x1, y1 = scale_box(prompt.box, embedding.size_hw, size)
        middle, half = np.array([x0 + x1, y0 + y1]) / 2, np.array([x1 - x0, y1 - y0]) / 2
        away = np.abs(pixel_centres(size) - middle) / half
        on = np.maximum(on, np.square(away).sum(axis=-1) < 0.5)
        off = np.maximum(off, away.max(axis=-1) > 1)
    if prompt.mask is not None:
        mask = _resize(prompt.mask.astype(np.float32), size)
        on, off = mask, 1 - mask
    labels = np.asarray(prompt.labels)
    for disc in _discs(embedding, prompt.points_xy[labels]):
        on[disc] = 1
    for disc in _discs(embedding, prompt.points_xy[~labels]):
        on[disc], never[disc] = 0, 1
    return on, off, never


def _discs(embedding: ColourEmbedding, points: FloatArray) -> Iterator[BoolArray]:
    """(h, w) bool around each of the points (N, 2) that lies in the picture."""
    size = embedding.codes.shape
    points = points[point_inside(points, embedding.size_hw)]
    radius = max(1.0, 0.01 * max(size))
    for point in scale_points(points, embedding.size_hw, size):
        yield np.square(pixel_centres(size) - point).sum(axis=-1) <= radius**2


def _place(embedding: ColourEmbedding, prompt: Prompt) -> FloatArray:
    """(h, w) logits of where the object may be, whatever its colour."""
    size = embedding.codes.shape
    place = np.zeros(size, np.float32)
    if prompt.evidence is not None:
        prior, recall = _beliefs(prompt.evidence, size)
        place = prompt.evidence.trust * (2 * prior - 1) + (2 * recall - 1)
    if prompt.box is not None:
        box = scale_box(prompt.box, embedding.size_hw, size)
        inside = (pixel_centres(size) >= box[:2]) & (pixel_centres(size) <= box[2:])
        place[~inside.all(axis=-1)] -= 8
    if prompt.mask is not None:
        place += 8 * (2 * _resize(prompt.mask.astype(np.float32), size) - 1)
    return place


def _beliefs(evidence: Evidence, size: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """(h, w) prior and (h, w) recall; all ones where one is not given."""
    prior, recall = evidence.prior, evidence.recall
    ones = np.ones(size, np.float32)
    return (
        ones if prior is None else _resize(prior, size),
        ones if recall is None else _resize(recall[:_BELONGING].mean(axis=0), size),
    )


def _histogram(codes: npt.NDArray[np.int32], weights: FloatArray) -> npt.NDArray[np.float64]:
    """How often each colour occurs, nearby colours counted in; never 0."""
    counts = np.bincount(codes.ravel(), weights.ravel(), minlength=int(np.prod(_HISTOGRAM)))
    smooth = ndimage.gaussian_filter(counts.reshape(_HISTOGRAM), 0.7, mode="nearest").ravel()
    shares: npt.NDArray[np.float64] = smooth / max(float(counts.sum()), 1e-6) + _RARE
    return shares


def _touching(logits: FloatArray, on: FloatArray) -> FloatArray:
    """The logits, but negative on parts that hold nothing of the prompt."""
    parts = masks.components(logits > 0)
    touched = np.unique(parts[on >= 0.25])
    return np.where(np.isin(parts, touched), logits, np.minimum(logits, -1)).astype(np.float32)


def _expected_iou(answer: BoolArray, likely: npt.NDArray[Any]) -> float:
    """IoU of an answer with what is likely the object, 0..1."""
    return float(likely[answer].sum() / (answer.sum() + likely[~answer].sum() + 1e-6))


def _agreement(answer: BoolArray, embedding: ColourEmbedding, prompt: Prompt) -> float:
    """How well an answer fits the mask, the box or the prior that was given, 0..1."""
    box, evidence = masks.box_of(answer), prompt.evidence
    if box is None:
        return 0.0
    if prompt.mask is not None:
        return masks.iou(answer, _resize(prompt.mask.astype(np.float32), answer.shape) > 0.5)
    if prompt.box is not None:
        return _box_iou(box, scale_box(prompt.box, embedding.size_hw, answer.shape))
    if evidence is not None and evidence.prior is not None:
        fit = masks.iou(answer, _resize(evidence.prior, answer.shape) > 0.5)
        return 1 - evidence.trust * (1 - float(np.sqrt(fit)))
    return 1.0


def _box_iou(one: FloatArray, other: FloatArray) -> float:
    common = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    overlap = float(np.prod(np.maximum(common, 0)))
    areas = float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]))
    return overlap / (areas - overlap)


def _resize(array: npt.NDArray[Any], size_hw: tuple[int, int]) -> npt.NDArray[Any]:
    """Averages when smaller, blends when larger."""
    smaller = size_hw[0] < array.shape[0] or size_hw[1] < array.shape[1]
    way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(array, size_hw[::-1], interpolation=way)
