"""Clicks and boxes say little: what they find is asked about again, as a rough mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from propagate.coords import Size, Window
from propagate.types import Candidates, FloatArray, Prompt
from propagate.windows import window_around

_LOYALTY = 0.3  # how much expected IoU the overlap with an answer at first sight outweighs
_ROOM = 0.4  # around a box that is looked at from near, in its own sizes
_NEARER = 0.8  # of the picture's sides: a window larger than that shows little more
_LARGEST = 4  # input pixels that a pixel of the picture may become


def is_vague(prompt: Prompt) -> bool:
    """Whether there are clicks or a box and nothing else."""
    return prompt.mask is None and prompt.evidence is None


def close_up(prompt: Prompt, size_hw: Size, input_hw: Size) -> Window | None:
    """A window around a box, and clicks on the object, that are small in the picture; or None.

    Args:
        prompt: in pixels of the picture.
        size_hw: (H, W) of the picture.
        input_hw: what the network sees of it.
    """
    if prompt.box is None:
        return None
    corners = prompt.box.reshape(2, 2)
    if prompt.labels is not None:
        corners = np.concatenate([corners, prompt.points_xy[prompt.labels]])
    low, high = corners.min(0), corners.max(0)
    least = np.array(input_hw[::-1]) / _LARGEST
    sides = np.maximum((1 + 2 * _ROOM) * (high - low), least)
    share = float(np.max(sides / np.array(size_hw[::-1])))
    extent = np.concatenate([low, high])
    return window_around(extent, size_hw, share) if share < _NEARER else None


def improved(answers: Sequence[Candidates], priors: FloatArray) -> Candidates:
    """The best candidate of each of K answers to priors (K, h, w), as one answer.

    A candidate should be like the prior that it answers: what was a part, an object and a whole
    would all become the one that is easiest to see.
    """
    logits, scores = [], []
    for answer, prior in zip(answers, priors, strict=True):
        cells = answer.logits.shape[:0:-1]  # a window may have others than the picture
        before = cv2.resize(prior, cells, interpolation=cv2.INTER_LINEAR) > 0.5
        inside = answer.logits > 0
        both, either = (inside & before).sum((1, 2)), (inside | before).sum((1, 2))
        best = (answer.scores + _LOYALTY * both / np.maximum(either, 1)).argmax()
        logits.append(answer.logits[best])
        scores.append(answer.scores[best])
    return replace(answers[0], logits=np.stack(logits), scores=np.stack(scores))
