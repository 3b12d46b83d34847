"""What was hidden and is uncovered slowly, at rest before a still camera, is found where it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import propagate
from propagate.masks import iou
from propagate.testing.stress import Scenario, outlines
from propagate.testing.stress.scene import Actor, Scene
from propagate.testing.stress.stage import Stage


def uncovered(stage: Stage) -> Scene:
    """An object and two doubles beside it, all at rest; a screen comes slowly, stays, and goes."""
    scale = 0.1 * stage.height
    number = int(stage.random.integers(4))
    shape, skin = stage.lively(number), stage.skin(number)
    middles = stage.width * (0.5 + 0.25 * (np.arange(3) - 1))
    y = stage.height * stage.random.uniform(0.4, 0.6, 3)
    hidden = int(stage.random.integers(3))
    things = [
        Actor(int(n == hidden), shape, skin, stage.path(x, y[n], scale, still=True))
        for n, x in enumerate(middles)
    ]
    half = (outlines.half_extent(shape)[0] + 0.4) * scale
    away = middles[hidden] + (2.5 * half if stage.random.random() < 0.5 else -2.5 * half)
    there = [away, middles[hidden], middles[hidden], away]
    screen = stage.hider(np.interp(stage.frames, [6, 22, 34, stage.length - 6], there), half)
    scene = stage.scene([*things, screen])
    return replace(scene, camera=np.tile(scene.camera[:1], (stage.length, 1)))


@pytest.mark.parametrize("seed", [0, 3])
def test_an_object_at_rest_is_found_when_it_is_uncovered(seed):
    scene = uncovered(Stage.named("uncovered", (480, 854), 64, seed))
    scenario = Scenario("uncovered", "found again", scene, (1,))
    tracker = propagate.load_tracker()
    state, prompts, found = tracker.start(), scenario.prompts(), []
    for frame, drawn in scenario.drawn():
        state = tracker.step(state, frame, prompts if frame.index == 0 else [])
        answer = next((mask.pixels for mask in state.last.masks), None)
        truth = drawn.labels == 1
        if not truth.any():
            assert answer is None, f"frame {frame.index}: a double is not the object"
        found.append(0.0 if answer is None else iou(answer, truth))
    assert min(found[-6:]) > 0.85
