"""An editor's job: mattes for two objects, and a correction on one frame that came out wrong."""

from __future__ import annotations

from pathlib import Path

import cv2

import propagate
from propagate.export.overlay import draw_overlay
from propagate.testing import moving_shapes

OUT = Path("demo-out") / "mattes"


def main() -> None:
    """Track from clicks, correct frame 8 with an exact mask, write a matte a frame and object."""
    clip = moving_shapes(count=2, length=16, size_hw=(240, 320), scenario="crossing", seed=1)
    correction = propagate.Prompt(8, 1, mask=clip.masks[1][8])
    prompts = [*clip.prompts("point"), correction]
    OUT.mkdir(parents=True, exist_ok=True)
    frames = list(clip.frames())
    for frame, result in zip(frames, propagate.track(frames, prompts), strict=True):
        for mask in result.masks:
            path = OUT / f"object_{mask.object_id}_{result.index:05d}.png"
            cv2.imwrite(str(path), mask.pixels.astype("uint8") * 255)
        overlay = draw_overlay(frame.image, result)
        cv2.imwrite(str(OUT / f"overlay_{result.index:05d}.png"), overlay[:, :, ::-1])
    print(f"mattes and overlays of {len(frames)} frames are in {OUT}")


if __name__ == "__main__":
    main()
