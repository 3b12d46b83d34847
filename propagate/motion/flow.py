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
from propagate.types import FloatArray, Frame, FrameResult, Guess, ImageArray


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
    objects: Mapping[int, _objects.Seen] = field(default_factory=dict)


class Flow:
    """Moves every mask with the pixels under it."""

    def __init__(self, config: Config) -> None:
        """Hold the settings."""
        self._config = config
        self._coasting = _objects.Coasting(config.decay, config.drift)

    def start(self) -> FlowState:
        """Nothing seen yet."""
        return FlowState()

    def guess(self, state: FlowState, frame: Frame) -> dict[int, Guess]:
        """Masks of the last frame go with the flow, hidden objects drift on.

        {} where the pictures' size changed.
        """
        if state.grey is None or frame.size_hw != state.size_hw:
            return {}
        objects = state.objects
        fresh = {key: seen for key, seen in objects.items() if seen.index == state.index}
        guesses = {
            key: _objects.coast(key, seen, frame, self._coasting)
            for key, seen in objects.items()
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
        points = self._config.points
        objects = _objects.learn(
            known,
            result,
            lambda mask: _objects.see(mask, frame.index, points, known.get(mask.object_id)),
        )
        return FlowState(frame.index, result.size_hw, self._grey(frame), objects)

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
