"""One click on one picture: several masks, best first, drawn side by side.

Run it without arguments for a rendered picture, or with a photo of your own and where to click:
`python demos/one_image.py photo.jpg 320 180`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

import propagate
from propagate import masks
from propagate.export.overlay import draw_overlay
from propagate.testing import moving_shapes
from propagate.videos.images import read_image

OUT = Path("demo-out") / "one_image.png"


def main() -> None:
    """Segment, print the scores, save the picture."""
    if len(sys.argv) == 4:
        image = read_image(Path(sys.argv[1]))
        point = [float(sys.argv[2]), float(sys.argv[3])]
    else:
        clip = moving_shapes(count=3, length=2, size_hw=(360, 640), seed=2)
        image, point = clip.images[0], masks.centre(clip.masks[1][0])
    answers = propagate.segment(image, points_xy=[point])
    pictures = []
    for answer in answers:
        print(f"expected IoU {answer.score:.2f}, {answer.pixels.sum()} pixels")
        result = propagate.FrameResult(0, None, answer.pixels.shape, (answer,))
        pictures.append(draw_overlay(image, result))
    OUT.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(OUT), np.hstack(pictures)[:, :, ::-1])
    print(f"saved {OUT}")


if __name__ == "__main__":
    main()
