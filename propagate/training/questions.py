"""Simulated prompts: clicks, boxes, rough masks, all at the resolution of the prompt maps."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from propagate.masks import box_of
from propagate.segmenters._lite.prompt_maps import STRIDE
from propagate.types import BoolArray, FloatArray

POINTS = 6
"""Room for clicks in a question; unused ones have label -1."""
KINDS = ("click", "box", "clicks", "mask")
_SHARES = (0.40, 0.32, 0.14, 0.14)


@dataclass(frozen=True)
class Question:
    """One simulated prompt.

    Attributes:
        points_xy: (POINTS, 2) float32 pixels of the picture.
        labels: (POINTS,) int64, 1 / 0 / -1.
        box: (4,) float32 pixels, NaN where there is none.
        prior: (h, w) float32 0..1 at stride 4.
        trust: 0..1.
        certain: whether `prior` is the truth itself.
        ambiguous: whether several masks would be right answers.
    """

    points_xy: FloatArray
    labels: npt.NDArray[np.int64]
    box: FloatArray
    prior: FloatArray
    trust: float
    certain: bool
    ambiguous: bool


def ask(rng: np.random.Generator, cover: FloatArray, mask: BoolArray) -> Question:
    """A random question about an object.

    Args:
        rng: of what is drawn.
        cover: (h, w) how far it covers each cell at stride 4, 0..1.
        mask: (H, W) the same in pixels; boxes are drawn around this one.
    """
    kind = rng.choice(KINDS, p=_SHARES)
    points = np.zeros((POINTS, 2), np.float32)
    labels = np.full(POINTS, -1, np.int64)
    box = np.full(4, np.nan, np.float32)
    prior = np.zeros_like(cover)
    trust, certain = 0.0, False
    inside = cover > 0.5 if (cover > 0.5).any() else cover >= cover.max()
    if kind == "click":
        points[0], labels[0] = click_inside(rng, inside), 1
    elif kind == "clicks":
        for number in range(int(rng.integers(2, POINTS))):
            positive = number == 0 or rng.random() < 0.6
            region = inside if positive else _surroundings(inside)
            if region.any():
                points[number], labels[number] = click_inside(rng, region), int(positive)
    if kind == "box" or (kind == "clicks" and rng.random() < 0.25):
        box = _given_box(rng, mask)
    if kind == "mask":
        certain = bool(rng.random() < 0.4)
        prior = cover if certain else spoil(rng, cover)
        trust = 1.0 if certain else trust_in(rng, prior, cover)
    return Question(points, labels, box, prior, trust, certain, kind == "click")


def click_inside(rng: np.random.Generator, region: BoolArray) -> FloatArray:
    """A click in a region of cells: mostly well inside, as people click; pixels of the picture."""
    padded = np.pad(region.astype(np.uint8), 1)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1]
    deep = depth >= depth.max() * rng.choice([0.95, 0.5, 0.05], p=[0.35, 0.35, 0.3])
    ys, xs = np.nonzero(deep & region)
    pick = rng.integers(len(xs))
    return ((np.array([xs[pick], ys[pick]]) + rng.random(2)) * STRIDE).astype(np.float32)


def spoil(rng: np.random.Generator, cover: FloatArray) -> FloatArray:
    """A rough version of a mask: moved, scaled, grown or shrunk, with pieces lost or added."""
    height, width = cover.shape
    ys, xs = np.nonzero(cover > 0.3)
    if not len(xs):
        return np.zeros_like(cover)
    size = max(np.ptp(xs), np.ptp(ys)) + 1
    wild = rng.random() ** 1.5
    turn = cv2.getRotationMatrix2D(
        (float(xs.mean()), float(ys.mean())),
        rng.normal(0, 12 * wild),
        float(np.exp(rng.normal(0, 0.15 * wild))),
    )
    matrix = np.asarray(turn, np.float64)
    matrix[:, 2] += rng.normal(0, 0.15 * wild, 2) * size
    rough = cv2.warpAffine(cover, matrix, (width, height))
    if rng.random() < 0.5:
        kernel = np.ones((3, 3), np.uint8)
        change = cv2.dilate if rng.random() < 0.5 else cv2.erode
        rough = change(rough, kernel, iterations=int(rng.integers(1, 2 + round(2 * wild))))
    for _ in range(rng.integers(0, 3)):
        at = int(rng.integers(len(xs)))
        offset = rng.normal(0, 0.4, 2) * size
        radius = max(1, int(rng.uniform(0.05, 0.3) * size))
        value = float(rng.random() < 0.4)
        cv2.circle(
            rough,
            (int(xs[at] + value * offset[0]), int(ys[at] + value * offset[1])),
            radius,
            value,
            -1,
        )
    if rng.random() < 0.5:
        rough = cv2.GaussianBlur(rough, (0, 0), float(rng.uniform(0.4, 1.5)))
    return np.asarray(rough, np.float32)


def trust_in(rng: np.random.Generator, prior: FloatArray, cover: FloatArray) -> float:
    """How far a tracker might believe a prior: its overlap with the truth, misjudged a little."""
    overlap = np.minimum(prior, cover).sum() / max(np.maximum(prior, cover).sum(), 1e-3)
    return float(np.clip(overlap + rng.normal(0, 0.15), 0.05, 1.0))


def _surroundings(inside: BoolArray) -> BoolArray:
    """Cells off the object, within about its own size of it."""
    reach = max(3, int(np.sqrt(inside.sum()) // 2) | 1)
    object_ = inside.astype(np.uint8)
    near = cv2.dilate(object_, np.ones((reach, reach), np.uint8)) > 0
    around: BoolArray = near & (cv2.dilate(object_, np.ones((3, 3), np.uint8)) == 0)
    return around


def _given_box(rng: np.random.Generator, mask: BoolArray) -> FloatArray:
    """The box around a mask (H, W): exact, as programs give it, or drawn with a human hand.

    Around the whole picture where the mask is empty.
    """
    box = box_of(mask)
    if box is None:
        box = np.array([0, 0, *mask.shape[::-1]], np.float32)
    if rng.random() < 0.6:
        return box
    jitter = np.clip(rng.normal(0, 0.05, 4), -0.12, 0.12)
    drawn: FloatArray = (box + jitter * np.tile(box[2:] - box[:2], 2)).astype(np.float32)
    return drawn
