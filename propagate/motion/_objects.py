"""What a motion model keeps of an object that it saw, and how that moves to another frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from propagate import coords, masks
from propagate.types import BoolArray, FloatArray, Frame, FrameResult, Guess, Mask

COVER_SIDE = 160
"""Longer side of the small masks; finer ones cost time and no segmenter reads them finer."""

SOME = 0.05
"""Of a cover: less is nothing."""

_SAMPLED_SIDE = 48  # points are sampled on every n-th pixel of an object that is larger

Matrix = npt.NDArray[np.float64]
"""(2, 3): a place (x, y, 1) in pixels of the frame it was seen in → the place now."""

Vector = npt.NDArray[np.float64]

Kept = TypeVar("Kept")


_NEWEST = 0.25  # weight of the newest speed in the average, at least
_JUMP = 0.1  # of an object's size a frame: change of speed that is half believed at once


@dataclass(frozen=True, eq=False)
class Seen:
    """An object in the last frame where it had a mask.

    Attributes:
        index: of that frame.
        cover: (h, w) float32, 0..1, the part of each cell that the mask covers; whole picture.
        box: (4,) float32 pixels.
        points_xy: (N, 2) float32 pixels, on the mask.
        moments: mean (2,) and variance (2,) of the cover's weight along x and y, in cells.
        elsewhere: (h, w) float32, 0..1, what has shown something else in that frame and ever since.
        speed_xy: (2,) float64, pixels a frame since it was seen before; 0 the first time.
        steady_xy: (2,) float64, the same, averaged over the last frames.
        frames: in which it has been seen.
    """

    index: int
    cover: FloatArray
    box: FloatArray
    points_xy: FloatArray
    moments: tuple[Vector, Vector]
    elsewhere: FloatArray
    speed_xy: Vector = field(default_factory=lambda: np.zeros(2))
    steady_xy: Vector = field(default_factory=lambda: np.zeros(2))
    frames: int = 1


@dataclass(frozen=True)
class Coasting:
    """What becomes of an object without a mask.

    Attributes:
        decay: 0..1, factor on the trust for every frame.
        drift: 0..1, the part of its speed that it keeps from frame to frame.
    """

    decay: float
    drift: float


def see(mask: Mask, index: int, points: int, before: Seen | None = None) -> Seen | None:
    """What is kept of a mask.

    Args:
        mask: of an object.
        index: of the frame.
        points: most points that are kept on it.
        before: the object when it was seen last, which gives its speed.

    Returns:
        None where the mask is empty.
    """
    box = masks.box_of(mask.pixels)
    if box is None:
        return None
    cover = small_cover(mask.pixels, box)
    elsewhere = np.asarray(cover <= SOME, np.float32)
    points_xy = points_on(mask.pixels, box, points)
    seen = Seen(index, cover, box, points_xy, moments(cover), elsewhere)
    if before is None:
        return seen
    if before.index == index:  # corrected: it moves as it did
        return replace(
            seen,
            speed_xy=before.speed_xy,
            steady_xy=before.steady_xy,
            frames=before.frames,
        )
    step = seen.moments[0] - before.moments[0]
    travelled = coords.scale_points(step, seen.cover.shape, mask.pixels.shape).astype(float)
    speed = travelled / abs(index - before.index)
    size = np.sqrt(np.prod(box[2:] - box[:2]))
    jump = float(np.linalg.norm(speed - before.steady_xy) / size) / _JUMP
    weight = max(_NEWEST, 1 / before.frames, jump**2 / (1 + jump**2))
    steady = before.steady_xy + weight * (speed - before.steady_xy)
    return replace(seen, speed_xy=speed, steady_xy=steady, frames=before.frames + 1)


def small_cover(pixels: BoolArray, box: FloatArray) -> FloatArray:
    """(H, W) bool, whose box is `box` → (h, w) float32 0..1; no side over `COVER_SIDE`."""
    return masks.cell_cover(pixels, box, cells_hw((pixels.shape[0], pixels.shape[1])))


def cells_hw(size_hw: coords.Size) -> coords.Size:
    """How many cells a cover of a picture has."""
    return coords.fit_long_side(size_hw, min(COVER_SIDE, max(size_hw)))


def points_on(pixels: BoolArray, box: FloatArray, count: int) -> FloatArray:
    """(N, 2) float32: at most `count` points on the mask, whose box is `box`, well spread."""
    x0, y0, x1, y1 = box.astype(int)
    part = pixels[y0:y1, x0:x1]
    step = max(1, max(part.shape) // _SAMPLED_SIDE)
    coarse = part[::step, ::step]
    if not coarse.any():  # thinner than a step
        step, coarse = 1, part
    # The deepest one is found in half the time that well-spread ones take.
    deepest = masks.centre(coarse) if count == 1 else None
    points = masks.sample_points(coarse, count, seed=0) if deepest is None else deepest[None]
    return np.asarray((points - 0.5) * step + 0.5 + box[:2], np.float32)


def learn(
    known: Mapping[int, Kept], result: FrameResult, make: Callable[[Mask], Kept | None]
) -> dict[int, Kept]:
    """The objects after a frame: made anew where there is a mask, kept where missing.

    An empty mask counts as missing.

    Args:
        known: object id → what was kept so far.
        result: the answer for the frame.
        make: mask → what to keep, or None where it is empty.
    """
    made = {mask.object_id: make(mask) for mask in result.masks}
    kept = {key: known[key] for key in (*result.missing, *made) if key in known}
    return kept | {key: one for key, one in made.items() if one is not None}


def shift(offset_xy: npt.ArrayLike) -> Matrix:
    """The matrix of a translation by (x, y) pixels."""
    return np.column_stack([np.eye(2), np.asarray(offset_xy, np.float64)])


def carry(object_id: int, seen: Seen, matrix: Matrix, trust: float, size_hw: coords.Size) -> Guess:
    """The guess that the whole object moved as `matrix` says.

    Args:
        object_id: whose.
        seen: where it was.
        matrix: (2, 3) similarity or scaling along the axes, in pixels.
        trust: clipped to 0..1.
        size_hw: of the picture.
    """
    centre = np.append(coords.box_middle(seen.box), 1) @ matrix.T
    half = (seen.box[2:] - seen.box[:2]) / 2 * np.hypot(matrix[0, :2], matrix[1, :2])
    box = np.concatenate([centre - half, centre + half])
    homogeneous = np.column_stack([seen.points_xy, np.ones(len(seen.points_xy))])
    moved = (homogeneous @ matrix.T).astype(np.float32)
    prior = move_cover(seen.cover, matrix, size_hw)
    return cut(Guess(object_id, box.astype(np.float32), moved, trust, prior), size_hw)


def coast(object_id: int, seen: Seen, frame: Frame, how: Coasting) -> Guess:
    """The guess that a hidden object goes on as it went, slower and slower.

    Pictures do not help: what moves there is what hides it.
    """
    gap = abs(frame.index - seen.index)
    drift = how.drift
    steps = float(gap) if drift == 1 else drift * (1 - drift**gap) / (1 - drift)
    offset = shift(seen.speed_xy * steps)
    return carry(object_id, seen, offset, how.decay**gap, frame.size_hw)


def cut(guess: Guess, size_hw: coords.Size) -> Guess:
    """A guess cut to the picture; one that lies outside has neither box, points nor prior."""
    box = None if guess.box is None else coords.clip_box(guess.box, size_hw)
    trust = float(np.clip(guess.trust, 0, 1))
    if box is None:
        return Guess(guess.object_id, None, np.zeros((0, 2), np.float32), trust)
    inside = guess.points_xy[coords.point_inside(guess.points_xy, size_hw)]
    return replace(guess, box=box, points_xy=inside, trust=trust)


def nudged(cover: FloatArray, step: tuple[int, int]) -> FloatArray:
    """A cover (h, w) some cells to the right and down; at the picture's edge it goes on."""
    (x, y), (height, width), room = step, cover.shape, max(abs(cells) for cells in step)
    wide = cv2.copyMakeBorder(cover, room, room, room, room, cv2.BORDER_REPLICATE)
    return np.asarray(wide[room - y :, room - x :][:height, :width], np.float32)


def move_cover(cover: FloatArray, matrix: Matrix, size_hw: coords.Size) -> FloatArray:
    """(h, w) cover → the same after `matrix`, which is in pixels of the picture.

    What the picture's edge cuts off goes on beyond it, so an object that comes back in is whole.
    """
    if np.array_equal(matrix, shift((0, 0))):
        return cover.copy()  # a guess is the caller's own
    ratio = coords.scale_points((1, 1), size_hw, cover.shape).astype(np.float64)
    turn = matrix[:, :2] * ratio[:, None] / ratio
    moved = cv2.warpAffine(
        cover,
        coords.opencv_affine(np.column_stack([turn, matrix[:, 2] * ratio])),
        cover.shape[::-1],
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(np.clip(moved, 0, 1), np.float32)


def spread(moments_: tuple[Vector, Vector]) -> Vector:
    """(2,) cells: how far a cover reaches from its centre along x and y, as a deviation.

    Thin parts, where motion is least sure, hardly count. At least what one cell has by itself.
    """
    return np.sqrt(moments_[1] + 1 / 12)


def moments(cover: FloatArray) -> tuple[Vector, Vector]:
    """Mean (2,) and variance (2,) of a cover's weight along x and y, in cells."""
    means, variances = [], []
    for axis in (0, 1):
        weights = cover.sum(axis=axis, dtype=float)
        weights /= weights.sum()
        places = np.arange(len(weights)) + 0.5
        means.append(weights @ places)
        variances.append(weights @ (places - means[-1]) ** 2)
    return np.array(means), np.array(variances)
