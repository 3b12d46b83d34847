"""Points on every object are tracked; where they agree, they carry the mask along.

Cheap for many objects, and an occluder that covers part of an object is outvoted; bending is not
followed, only shift, turn and size.

Papers: Lucas and Kanade, "An Iterative Image Registration Technique", 1981; Shi and Tomasi, "Good
Features to Track", 1994; the check forth and back: Kalal et al., "Forward-Backward Error", 2010.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import numpy.typing as npt

from propagate import coords
from propagate.motion import _dense, _objects
from propagate.types import BoolArray, FloatArray, Frame, FrameResult, Guess, ImageArray, Mask

_WINDOW = 11  # pixels of the small picture that a point is recognised by
_LEVELS = 3  # halvings: steps of up to about 8 windows are found
_SPACING = 3  # pixels between corners
_OUTLIER = 3.0  # times the typical disagreement


@dataclass(frozen=True)
class Config:
    """Settings of the point tracker.

    Attributes:
        long_side: pixels of the grey picture that points are tracked on; larger follows smaller
            objects, smaller follows faster ones and takes less time.
        tracked: most points that are tracked on an object; more outvote occluders better and cost
            time.
        points: points of a guess; more pin an object down better, and mislead more where it bent.
        tolerance: pixels of the grey picture by which a point that is tracked forth and back may
            miss its start; lower believes fewer points.
        decay: 0..1, factor on the trust for every frame without a mask; lower lets an object that
            was hidden come back elsewhere sooner.
        drift: 0..1, the part of its speed that a hidden object keeps from frame to frame; 0 leaves
            it where it was seen last.
    """

    long_side: int = 320
    tracked: int = 32
    points: int = 3
    tolerance: float = 1.0
    decay: float = 0.9
    drift: float = 0.8


@dataclass(frozen=True, eq=False)
class Marked:
    """An object in the last frame where it had a mask.

    Attributes:
        seen: the object there.
        marks_xy: (N, 2) float32 pixels, the points that are tracked from there.
    """

    seen: _objects.Seen
    marks_xy: FloatArray


@dataclass(frozen=True, eq=False)
class PointsState:
    """What was seen.

    Attributes:
        index: of the last frame.
        size_hw: (H, W) of the pictures.
        grey: (h, w) uint8, the last picture, small.
        objects: by id.
    """

    index: int = -1
    size_hw: tuple[int, int] = (0, 0)
    grey: ImageArray | None = None
    objects: Mapping[int, Marked] = field(default_factory=dict)


class Points:
    """Moves every mask as the points on it moved."""

    def __init__(self, config: Config) -> None:
        """Hold the settings."""
        self._config = config
        self._coasting = _objects.Coasting(config.decay, config.drift)

    def start(self) -> PointsState:
        """Nothing seen yet."""
        return PointsState()

    def guess(self, state: PointsState, frame: Frame) -> dict[int, Guess]:
        """Objects of the last frame go with their points, hidden ones drift on.

        {} where the pictures' size changed.
        """
        if state.grey is None or frame.size_hw != state.size_hw:
            return {}
        fresh = [key for key, one in state.objects.items() if one.seen.index == state.index]
        guesses = {
            key: _objects.coast(key, one.seen, frame, self._coasting)
            for key, one in state.objects.items()
            if key not in fresh
        }
        if fresh:
            marks = [state.objects[key].marks_xy for key in fresh]
            now, found = self._track(state.grey, frame, np.concatenate(marks))
            ends = np.cumsum([len(one) for one in marks])[:-1]
            moved = zip(fresh, marks, np.split(now, ends), np.split(found, ends), strict=True)
            for key, before, after, valid in moved:
                matrix, agreeing = similarity(before[valid], after[valid])
                seen = state.objects[key].seen
                trust = agreeing / len(before)
                guesses[key] = _objects.carry(key, seen, matrix, trust, frame.size_hw)
        return dict(sorted(guesses.items()))

    def update(self, state: PointsState, frame: Frame, result: FrameResult) -> PointsState:
        """Choose points anew on every mask; missing objects stay as they were."""
        known = state.objects if result.size_hw == state.size_hw else {}
        grey = _dense.small_grey(frame.image, self._config.long_side)
        objects = _objects.learn(known, result, lambda mask: self._mark(known, mask, frame, grey))
        return PointsState(frame.index, result.size_hw, grey, objects)

    def _mark(
        self, known: Mapping[int, Marked], mask: Mask, frame: Frame, grey: ImageArray
    ) -> Marked | None:
        """Corners on the object, and points spread over it in case that it has none."""
        before = known.get(mask.object_id)
        count = max(self._config.points, self._config.tracked // 4)
        seen = _objects.see(mask, frame.index, count, None if before is None else before.seen)
        if seen is None:
            return None
        corners = _corners(mask.pixels, grey, self._config.tracked - len(seen.points_xy))
        marks = np.concatenate([seen.points_xy, corners])
        return Marked(replace(seen, points_xy=seen.points_xy[: self._config.points]), marks)

    def _track(
        self, before: ImageArray, frame: Frame, marks_xy: FloatArray
    ) -> tuple[FloatArray, BoolArray]:
        """Where the points (N, 2) lie in `frame`, and which of them (N,) were found surely."""
        now = _dense.small_grey(frame.image, self._config.long_side)
        small_hw = now.shape[0], now.shape[1]
        start = coords.to_opencv(coords.scale_points(marks_xy, frame.size_hw, small_hw))
        end, forth = _lucas_kanade(before, now, start)
        again, back = _lucas_kanade(now, before, end)
        missed = np.linalg.norm(again - start, axis=1)
        after = coords.scale_points(coords.from_opencv(end), small_hw, frame.size_hw)
        found = forth & back & (missed <= self._config.tolerance)
        return after, found & coords.point_inside(after, frame.size_hw)


def similarity(
    before: npt.ArrayLike, after: npt.ArrayLike, least: float = 2.0
) -> tuple[_objects.Matrix, int]:
    """The shift, turn and scale that most points agree on.

    Args:
        before: (N, 2) pixels.
        after: (N, 2) pixels, where they are now.
        least: pixels by which a point may always disagree.

    Returns:
        (2, 3) matrix, of no motion where there are no points, and how many points agreed.
    """
    start, end = np.asarray(before, float), np.asarray(after, float)
    if not len(start):
        return _objects.shift((0, 0)), 0
    step = end - start
    median = np.median(step, axis=0)
    off = np.linalg.norm(step - median, axis=1)
    agree = off <= max(least, _OUTLIER * float(np.median(off)))
    if np.count_nonzero(agree) < 4:
        return _objects.shift(median), int(np.count_nonzero(agree))
    # As complex numbers a turn with a scale is one factor, and the best one has a closed form.
    here, there = (points[agree] @ (1, 1j) for points in (start, end))
    here_mean, there_mean = here.mean(), there.mean()
    spread = float(np.square(np.abs(here - here_mean)).sum())
    if spread < 1:
        return _objects.shift(median), int(np.count_nonzero(agree))
    factor = np.vdot(here - here_mean, there - there_mean) / spread
    offset = there_mean - factor * here_mean
    rows = [[factor.real, -factor.imag, offset.real], [factor.imag, factor.real, offset.imag]]
    return np.array(rows), int(np.count_nonzero(agree))


def _lucas_kanade(
    before: ImageArray, now: ImageArray, points: FloatArray
) -> tuple[FloatArray, BoolArray]:
    """Points as OpenCV counts them, (N, 2) → where they went, and whether they were found."""
    end, status, _ = cv2.calcOpticalFlowPyrLK(
        before,
        now,
        points[:, None],
        np.zeros_like(points[:, None]),
        winSize=(_WINDOW, _WINDOW),
        maxLevel=_LEVELS,
    )
    return np.asarray(end, np.float32).reshape(-1, 2), np.asarray(status, bool).ravel()


def _corners(pixels: BoolArray, grey: ImageArray, most: int) -> FloatArray:
    """(N, 2) float32 pixels: corners on a mask, none on its very edge."""
    none = np.zeros((0, 2), np.float32)
    small = cv2.resize(pixels.view(np.uint8), grey.shape[::-1], interpolation=cv2.INTER_NEAREST)
    rows, columns = np.flatnonzero(small.any(axis=1)), np.flatnonzero(small.any(axis=0))
    if not len(rows) or most < 1:
        return none
    low, high = (columns[0], rows[0]), (columns[-1] + 1, rows[-1] + 1)
    part = slice(low[1], high[1]), slice(low[0], high[0])
    inner = cv2.erode(small[part], np.ones((3, 3), np.uint8))
    found = cv2.goodFeaturesToTrack(grey[part], most, 0.02, _SPACING, mask=inner)
    if found is None:
        return none
    corners = coords.from_opencv(found.reshape(-1, 2) + low)
    return coords.scale_points(corners, (grey.shape[0], grey.shape[1]), pixels.shape)


def build(config: Config) -> Points:
    """Make the model from its settings."""
    return Points(config)
