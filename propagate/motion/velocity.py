"""Every object keeps its speed: a Kalman filter on its box, which goes on while it is hidden.

No picture is looked at, so it costs next to nothing. Boxes are filtered as in Bewley et al.,
"Simple Online and Realtime Tracking", 2016.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from propagate import coords
from propagate.motion import _kalman, _objects
from propagate.types import Frame, FrameResult, Guess, Mask


@dataclass(frozen=True)
class Config:
    """Settings of the model of steady speed.

    Attributes:
        points: points an object; more pin it down better, and mislead more where it turned.
        speed_noise: parts of its side by which an object's speed changes in a frame; higher
            follows turns sooner and smooths less.
        box_noise: parts of its side by which a mask's box is off; higher smooths more.
        trust: 0..1, in a guess that is as sure as boxes are measured.
    """

    points: int = 3
    speed_noise: float = 0.05
    box_noise: float = 0.03
    trust: float = 0.8


@dataclass(frozen=True, eq=False)
class Moving:
    """An object in the last frame where it had a mask.

    Attributes:
        seen: the object there.
        belief: of its box there.
        surprise: how far the box was from where it was expected, in parts of its side; averaged.
    """

    seen: _objects.Seen
    belief: _kalman.Belief
    surprise: float


@dataclass(frozen=True, eq=False)
class VelocityState:
    """What was seen.

    Attributes:
        size_hw: (H, W) of the pictures.
        objects: by id.
    """

    size_hw: tuple[int, int] = (0, 0)
    objects: Mapping[int, Moving] = field(default_factory=dict)


class Velocity:
    """Expects every object to go on as it went."""

    def __init__(self, config: Config) -> None:
        """Hold the settings."""
        self._config = config
        self._noise = _kalman.Noise(config.speed_noise, config.box_noise)

    def start(self) -> VelocityState:
        """Nothing seen yet."""
        return VelocityState()

    def guess(self, state: VelocityState, frame: Frame) -> dict[int, Guess]:
        """Every object where its speed has brought it; {} where the pictures' size changed."""
        if frame.size_hw != state.size_hw:
            return {}
        return {key: self._guess(key, one, frame) for key, one in state.objects.items()}

    def update(self, state: VelocityState, frame: Frame, result: FrameResult) -> VelocityState:
        """Correct the belief of every object with a mask; missing objects coast in `guess`."""
        known = state.objects if result.size_hw == state.size_hw else {}
        objects = _objects.learn(known, result, lambda mask: self._moving(known, mask, frame))
        return VelocityState(result.size_hw, objects)

    def _guess(self, object_id: int, one: Moving, frame: Frame) -> Guess:
        gap = abs(frame.index - one.seen.index)
        belief = _kalman.predict(one.belief, gap, self._noise)
        before, after = one.belief.mean, belief.mean
        scale = np.clip(np.maximum(after[2:4], 1) / np.maximum(before[2:4], 1), 0.5, 2)
        middle = coords.box_middle(one.seen.box)
        goal = middle + after[:2] - before[:2]
        matrix = np.column_stack([np.diag(scale), goal - scale * middle])
        trust = self._config.trust * float(np.exp(-belief.deviation - one.surprise))
        return _objects.carry(object_id, one.seen, matrix, trust, frame.size_hw)

    def _moving(self, known: Mapping[int, Moving], mask: Mask, frame: Frame) -> Moving | None:
        seen = _objects.see(mask, frame.index, self._config.points)
        if seen is None:
            return None
        before = known.get(mask.object_id)
        if before is None:
            return Moving(seen, _kalman.first(seen.box, self._noise), 0.0)
        gap = abs(seen.index - before.seen.index)
        expected = _kalman.predict(before.belief, gap, self._noise)
        belief = _kalman.correct(expected, seen.box, self._noise)
        side = max(1.0, float(belief.mean[2:4].mean()))
        off = float(np.abs(seen.box - expected.box).max()) / side
        return Moving(seen, belief, (before.surprise + off) / 2)


def build(config: Config) -> Velocity:
    """Make the model from its settings."""
    return Velocity(config)
