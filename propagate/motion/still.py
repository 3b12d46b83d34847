"""Nothing moves: every object is expected where it was seen last.

The plainest motion model, right for slow scenes and the mark that the others must pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from propagate.motion import _objects
from propagate.types import Frame, FrameResult, Guess


@dataclass(frozen=True)
class Config:
    """Settings of the model without motion.

    Attributes:
        points: points an object; more pin it down better, and mislead more where it did move.
        trust: 0..1, in a guess for the very next frame; higher holds on to the last mask.
        decay: 0..1, factor on the trust for every further frame without a mask; lower lets an
            object that was hidden come back elsewhere sooner.
    """

    points: int = 3
    trust: float = 0.7
    decay: float = 0.9


@dataclass(frozen=True, eq=False)
class StillState:
    """What was seen.

    Attributes:
        size_hw: (H, W) of the pictures.
        objects: id → the object where it had its last mask.
    """

    size_hw: tuple[int, int] = (0, 0)
    objects: Mapping[int, _objects.Seen] = field(default_factory=dict)


class Still:
    """Expects every object where it was."""

    def __init__(self, config: Config) -> None:
        """Hold the settings."""
        self._config = config

    def start(self) -> StillState:
        """Nothing seen yet."""
        return StillState()

    def guess(self, state: StillState, frame: Frame) -> dict[int, Guess]:
        """Every object where it was; {} where the pictures' size changed."""
        if frame.size_hw != state.size_hw:
            return {}
        rest = _objects.shift((0, 0))
        return {
            key: _objects.carry(key, seen, rest, self._trust(seen, frame), frame.size_hw)
            for key, seen in state.objects.items()
        }

    def update(self, state: StillState, frame: Frame, result: FrameResult) -> StillState:
        """Keep every mask small; missing objects stay as they were."""
        known = state.objects if result.size_hw == state.size_hw else {}
        points = self._config.points
        objects = _objects.learn(
            known, result, lambda mask: _objects.see(mask, frame.index, points)
        )
        return StillState(result.size_hw, objects)

    def _trust(self, seen: _objects.Seen, frame: Frame) -> float:
        further = max(0, abs(frame.index - seen.index) - 1)
        return self._config.trust * self._config.decay**further


def build(config: Config) -> Still:
    """Make the model from its settings."""
    return Still(config)
