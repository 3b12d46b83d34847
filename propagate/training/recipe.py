"""What training does: stages, rates and how long, for each kind of machine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from propagate.training.dataset import (
    EARLY,
    GPU_EARLY,
    GPU_LATE,
    GPU_STILLS,
    GPU_WIDE,
    LATE,
    STILLS,
    Stage,
)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what comes out.

    Attributes:
        steps: batches in all.
        warm_up, cool_down: steps at the beginning with a rising and at the end with a falling
            rate; between them the rate is constant, so that a run can be prolonged.
        rate: peak learning rate of neck and decoder; `trunk_rate` of the trunk.
        frozen_blocks: blocks of the trunk that stay as ImageNet made them.
        frozen_depthwise: whether depthwise filters stay in all of them: their gradient costs more
            than all the rest on a CPU.
        average: decay of the moving average of the weights, which is what is shipped.
        log_every, save_every: steps.
        seed: of samples and prompts.
        stills, stills_share: what batches of single photos hold, and how many of the steps after
            the early ones have them.
        early, late: what batches hold in the first `early_steps` steps, with smaller pictures and
            so more of them in the same time, and after that.
    """

    steps: int = 4000
    warm_up: int = 100
    cool_down: int = 1200
    rate: float = 1.2e-3
    trunk_rate: float = 1.5e-4
    weight_decay: float = 0.02
    frozen_blocks: int = 5
    frozen_depthwise: bool = True
    average: float = 0.998
    log_every: int = 10
    save_every: int = 200
    seed: int = 0
    stills: Stage = STILLS
    stills_share: float = 0.0
    early: Stage = EARLY
    late: Stage = LATE
    early_steps: int = 2000

    def lasting(self, steps: int) -> Recipe:
        """The same in another number of steps: its parts keep their lengths where they fit."""
        return replace(
            self,
            steps=steps,
            early_steps=min(self.early_steps, 2 * steps // 3),
            cool_down=min(self.cool_down, self.cool_down * steps // self.steps),
        )


GPU = Recipe(
    rate=1.5e-3,
    trunk_rate=2e-4,
    frozen_blocks=1,
    frozen_depthwise=False,
    early=GPU_EARLY,
    late=GPU_LATE,
)
"""What to do where a GPU is at hand: everything is trained, on longer and larger clips."""

GPU_FURTHER = replace(
    GPU,
    steps=3760,
    cool_down=2140,
    trunk_rate=3e-4,
    stills=GPU_STILLS,
    stills_share=0.65,
    late=replace(GPU_LATE, shapes=(GPU_WIDE,) * 3),
    early_steps=0,
)
"""What to do with weights of this network where a GPU is at hand: minutes, so in few shapes."""

FURTHER = Recipe(rate=5e-4, trunk_rate=1e-4, stills_share=0.75, early_steps=0)
"""What to do with weights of this network on a CPU: single photos mostly, many in little time."""


def recipe_for(start: Path | None, device: str) -> Recipe:
    """What to do on a device with what there is to begin with."""
    known = start is not None and start.suffix == ".safetensors"
    if device != "cpu":
        return GPU_FURTHER if known else GPU
    return FURTHER if known else Recipe()
