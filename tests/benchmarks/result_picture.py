"""The picture at the top of the README: clicks and boxes, and what was tracked from them.

python tests/benchmarks/result_picture.py DAVIS docs/result.jpg
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

import propagate
from propagate.cli.sheet import with_mask
from propagate.evaluation.davis import Sequence, open_davis
from propagate.evaluation.prompts import PromptKind, simulate_prompt
from propagate.types import ImageArray, Prompt

ROWS: tuple[tuple[str, PromptKind], ...] = (
    ("blackswan", "click"),
    ("scooter-black", "click"),
    ("libby", "box"),
)
COLUMNS, CELL_WH, GAP = 4, (420, 236), 6
WHITE = (255, 255, 255)


def row(sequence: Sequence, kind: PromptKind, tracker: propagate.Tracker) -> ImageArray:
    """Frames of a sequence at even distances, the first one with its prompt."""
    truth = sequence.truth(sequence.annotated[0])
    assert truth is not None
    prompt = simulate_prompt(kind, truth > 0, 0, 1)
    video = sequence.video()
    shown = np.linspace(0, len(sequence.annotated) - 1, COLUMNS).astype(int)
    cells: list[ImageArray] = []
    results = propagate.track(video, [prompt], tracker=tracker)
    for frame, result in zip(video, results, strict=True):
        if frame.index in shown:
            drawn = frame.image.copy()
            for mask in result.masks:
                drawn = with_mask(drawn, mask)
            if frame.index == 0:
                draw_prompt(drawn, prompt)
            cells.append(np.asarray(cv2.resize(drawn, CELL_WH, interpolation=cv2.INTER_AREA)))
    return spaced(cells, axis=1)


def draw_prompt(image: ImageArray, prompt: Prompt) -> None:
    """The click or the box, in white."""
    for x, y in prompt.points_xy:
        cv2.circle(image, (round(float(x)), round(float(y))), 8, WHITE, -1, cv2.LINE_AA)
    if prompt.box is not None:
        x0, y0, x1, y1 = (round(float(side)) for side in prompt.box)
        cv2.rectangle(image, (x0, y0), (x1, y1), WHITE, 4)


def spaced(pictures: list[ImageArray], axis: int) -> ImageArray:
    """Pictures beside each other or under each other, with white between them."""
    shape = list(pictures[0].shape)
    shape[axis] = GAP
    white = np.full(shape, 255, np.uint8)
    parts = [part for picture in pictures for part in (white, picture)]
    return np.concatenate(parts[1:], axis)


def main(davis: Path, out: Path) -> None:
    """Track, draw, write."""
    tracker = propagate.load_tracker()
    sequences = {one.name: one for one in open_davis(davis)}
    picture = spaced([row(sequences[name], kind, tracker) for name, kind in ROWS], axis=0)
    cv2.imwrite(str(out), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 84])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
