"""Every pixel's motion: masks go along with dense optical flow, so they turn, bend and grow.

The flow is computed once a frame and serves all objects. It runs backward, from the current
picture to the one before, so that a mask is moved by looking up where each pixel came from.

Paper: Kroeger et al., "Fast Optical Flow using Dense Inverse Search", 2016.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np

from propagate import coords
from propagate.coords import Size
from propagate.motion import _dense, _objects
from propagate.types import FloatArray, Frame, FrameResult, Guess, ImageArray, Mask

_FARTHEST = 1000  # frames; a drift has ended long before


@dataclass(frozen=True)
class Config:
    """Settings of the dense flow.

    Attributes:
        long_side: pixels of the grey picture that flow is computed on; larger follows thinner
            things, smaller follows faster ones and takes less time.
        points: points an object; more pin it down better, and mislead more where flow is wrong.
        tolerance: grey levels by which pixels may differ from where they came from until trust
            falls to a third; lower doubts sooner, also where only the light changed.
        decay: 0..1, factor on the trust for every frame without a mask; lower lets an object that
            was hidden come back elsewhere sooner.
        drift: 0..1, the part of its speed that a hidden object keeps from frame to frame; 0 leaves
            it where it was seen last.
    """

    long_side: int = 192
    points: int = 3
    tolerance: float = 60.0
    decay: float = 0.9
    drift: float = 0.8


@dataclass(frozen=True, eq=False)
class Flowing:
    """An object in the last frame where it had a mask.

    Attributes:
        seen: the object there.
        speed_xy: (2,) float64, pixels a frame.
    """

    seen: _objects.Seen
    speed_xy: _objects.Vector


@dataclass(frozen=True, eq=False)
class FlowState:
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
    objects: Mapping[int, Flowing] = field(default_factory=dict)


class Flow:
    """Moves every mask with the pixels under it."""

    def __init__(self, config: Config) -> None:
        """Hold the settings."""
        self._config = config

    def start(self) -> FlowState:
        """Nothing seen yet."""
        return FlowState()

    def guess(self, state: FlowState, frame: Frame) -> dict[int, Guess]:
        """Masks of the last frame go with the flow, hidden objects drift on.

        {} where the pictures' size changed.
        """
        if state.grey is None or frame.size_hw != state.size_hw:
            return {}
        fresh = {k: one.seen for k, one in state.objects.items() if one.seen.index == state.index}
        guesses = {
            key: self._drift(key, one, frame)
            for key, one in state.objects.items()
            if key not in fresh
        }
        if fresh:
            cover_hw = next(iter(fresh.values())).cover.shape
            current = self._grey(frame)
            flow = _dense.backward_flow(current, state.grey)
            moves = _Moves.of(current, state.grey, flow, cover_hw)
            guesses |= {key: self._follow(key, seen, moves, frame) for key, seen in fresh.items()}
        return dict(sorted(guesses.items()))

    def update(self, state: FlowState, frame: Frame, result: FrameResult) -> FlowState:
        """Keep the picture and every mask small; missing objects stay as they were."""
        known = state.objects if result.size_hw == state.size_hw else {}
        objects = _objects.learn(known, result, lambda mask: self._flowing(known, mask, frame))
        return FlowState(frame.index, result.size_hw, self._grey(frame), objects)

    def _flowing(self, known: Mapping[int, Flowing], mask: Mask, frame: Frame) -> Flowing | None:
        seen = _objects.see(mask, frame.index, self._config.points)
        if seen is None:
            return None
        before = known.get(mask.object_id)
        if before is None or before.seen.index == seen.index:
            return Flowing(seen, np.zeros(2))
        gap = abs(seen.index - before.seen.index)
        return Flowing(seen, _objects.travelled(before.seen, seen, frame.size_hw) / gap)

    def _follow(self, object_id: int, seen: _objects.Seen, moves: _Moves, frame: Frame) -> Guess:
        """The object goes with the flow."""
        prior = _dense.fetch(seen.cover, moves.flow)
        weight = prior if prior.max() > 0 else seen.cover  # it left, or is thinner than the flow
        inside = weight >= weight.max() / 2
        ratio = coords.scale_points((1, 1), seen.cover.shape, frame.size_hw)
        median = np.median(moves.flow[inside], axis=0)
        step_xy = -median * ratio
        growth = np.clip(_objects.spread(weight) / _objects.spread(seen.cover), 0.8, 1.25)
        middle = (seen.box[:2] + seen.box[2:]) / 2 + step_xy
        half = (seen.box[2:] - seen.box[:2]) / 2 * growth
        box = np.concatenate([middle - half, middle + half])
        unlike = moves.difference[inside].mean() / self._config.tolerance
        torn = np.abs(moves.flow[inside] - median).sum(axis=1).mean() / np.sqrt(inside.sum())
        trust = float(np.exp(-unlike - torn))
        points = (seen.points_xy + step_xy).astype(np.float32)
        guess = Guess(object_id, box.astype(np.float32), points, trust, prior)
        return _objects.cut(guess, frame.size_hw)

    def _drift(self, object_id: int, one: Flowing, frame: Frame) -> Guess:
        """A hidden object goes on, slower and slower; the flow there is that of what hides it."""
        gap = abs(frame.index - one.seen.index)
        steps = sum(self._config.drift**step for step in range(1, min(gap, _FARTHEST) + 1))
        offset = _objects.shift(one.speed_xy * steps)
        trust = self._config.decay**gap
        return _objects.carry(object_id, one.seen, offset, trust, frame.size_hw)

    def _grey(self, frame: Frame) -> ImageArray:
        return _dense.small_grey(frame.image, self._config.long_side)


@dataclass(frozen=True, eq=False)
class _Moves:
    """How the picture moved, for all objects, on the cells of their covers.

    Attributes:
        flow: (h, w, 2) float32 backward flow, in cells.
        difference: (h, w) float32, 0..255, how far each cell's grey differs from where it came
            from.
    """

    flow: FloatArray
    difference: FloatArray

    @staticmethod
    def of(now: ImageArray, before: ImageArray, flow: FloatArray, cells_hw: Size) -> _Moves:
        """From two pictures, the flow between them, and the size of the covers."""
        fetched = _dense.fetch(before.astype(np.float32), flow)
        difference = cv2.resize(np.abs(now - fetched), cells_hw[::-1], interpolation=cv2.INTER_AREA)
        return _Moves(_dense.fit_flow(flow, cells_hw), np.asarray(difference, np.float32))


def build(config: Config) -> Flow:
    """Make the model from its settings."""
    return Flow(config)
