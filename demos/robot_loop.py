"""A robot's loop: frames come one by one with their stamps; one object leaves and comes back.

The tracker never looks ahead, its memory does not grow, and it says when the object is gone.
"""

from __future__ import annotations

import time

import propagate
from propagate.masks import box_of
from propagate.testing import moving_shapes


def main() -> None:
    """Follow one object by hand, a step a frame."""
    camera = moving_shapes(count=2, length=24, size_hw=(240, 320), scenario="leaving", seed=5)
    tracker = propagate.load_tracker()
    state = tracker.start()
    for frame in camera.frames():
        prompts = []
        if frame.index == 0:
            prompts = [propagate.Prompt(0, 1, box=box_of(camera.masks[1][0]))]
        began = time.perf_counter()
        state = tracker.step(state, frame, prompts)
        spent = 1000 * (time.perf_counter() - began)
        for mask in state.last.masks:
            x0, y0, x1, y1 = box_of(mask.pixels)
            print(
                f"{frame.time_s:5.2f} s  object {mask.object_id} at {x0:.0f},{y0:.0f} to "
                f"{x1:.0f},{y1:.0f}, expected IoU {mask.score:.2f}, {spent:.0f} ms"
            )
        for object_id, gone in state.last.missing.items():
            print(f"{frame.time_s:5.2f} s  object {object_id} {gone.state}: {gone.reason}")


if __name__ == "__main__":
    main()
