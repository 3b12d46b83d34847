"""Which pieces of an answer are the object: a mask may have parts that hang together with nothing.

Logits are (h, w), positive inside; a piece that is left out gets its logits' signs turned.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from propagate import coords
from propagate.masks import box_of
from propagate.types import BoolArray, Candidates, FloatArray, Prompt

_LEAD = 8.0  # logits: more than two look-alikes' answers differ by
_HARDLY = 0.3  # of the part of the other one that is taken to be in a piece


@dataclass(frozen=True)
class Doubts:
    """What a piece may have against it and still stay.

    Attributes:
        strangers: it is out if what is expected there is below this share of what is expected in
            the piece that is expected most.
        foreign: it is out if a larger part of it than this is foreign.
    """

    strangers: float
    foreign: float


def without_doubtful(
    logits: FloatArray, place: FloatArray, foreign: FloatArray | None, doubts: Doubts
) -> FloatArray:
    """Without the pieces that nothing speaks for, and those that are something else.

    The latter may be all of them.

    Args:
        logits: (h, w).
        place: (h, w) 0..1, where the object is expected.
        foreign: (h, w) 0..1, 1 where there surely is something else, or None.
        doubts: how much a piece may have against it.
    """
    count, pieces = _pieces(logits)
    if count < 2 or (count == 2 and foreign is None):
        return logits
    out = np.zeros(count, bool)
    if count > 2:
        support = _mean(place, pieces, count)
        out = support < doubts.strangers * support[1:].max()
    if foreign is not None:
        out |= _mean(foreign, pieces, count) > doubts.foreign
    return _left_out(logits, pieces, out)


def divided(
    logits: tuple[FloatArray, FloatArray], places: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """What two objects that pass each other cover together, divided by where each must be.

    A piece that holds some of where one of them is taken to be, and hardly any of the other, is
    that one's. What both may be in is divided cell by cell; where both or neither are, logits
    decide.

    Args:
        logits: (h, w) of both.
        places: (h, w) 0..1, where each is taken to be.
    """
    both = np.maximum(*logits)
    count, pieces = _pieces(both)
    masses = np.stack([np.bincount(pieces.ravel(), place.ravel(), count) for place in places])
    shares = masses / np.maximum(masses[:, 1:].sum(1, keepdims=True), 1e-6)
    alone = shares.min(0) < _HARDLY * shares.max(0)
    leads = np.where(alone, np.sign(shares[0] - shares[1]), 0)[pieces]
    lead = _LEAD * np.where(alone[pieces], leads, places[0] - places[1])
    one, other = (
        np.where(both > 0, both + np.minimum(own - both, 0) + sign * lead, own)
        for own, sign in zip(logits, (1, -1), strict=True)
    )
    return np.asarray(one, np.float32), np.asarray(other, np.float32)


def one_thing(logits: FloatArray, prompt: Prompt, candidates: Candidates) -> FloatArray:
    """Without the pieces that do not belong to a prompt; all of them where none does.

    Pieces that lie mostly outside a given box are left out; without a box, those further from what
    was clicked than half its size. What an occluder cuts in two stays whole.

    Args:
        logits: (h, w), one of the candidates.
        prompt: in pixels of what the candidates show.
        candidates: the answers to the prompt.
    """
    count, pieces = _pieces(logits)
    own = np.zeros(count, bool)
    if prompt.box is not None:
        x0, y0, x1, y1 = coords.scale_box(prompt.box, candidates.size_hw, candidates.cells_hw)
        boxed = pieces[max(round(y0), 0) : round(y1), max(round(x0), 0) : round(x1)]
        inside = np.bincount(boxed.ravel(), minlength=count)
        own = inside > 0.5 * np.bincount(pieces.ravel(), minlength=count)
    elif prompt.labels is not None:
        points = prompt.points_xy[prompt.labels]
        cells = coords.scale_points(points, candidates.size_hw, candidates.cells_hw)
        x, y = coords.pixel_of(cells, candidates.cells_hw).T
        own[pieces[y, x]] = True
        own[0] = False
        clicked = box_of(own[pieces])
        if clicked is not None:
            reach = 0.5 * float(np.max(clicked[2:] - clicked[:2]))
            away = cv2.distanceTransform((~own[pieces]).astype(np.uint8), cv2.DIST_L2, 3)
            own[np.unique(pieces[away <= reach])] = True
    own[0] = False
    return _left_out(logits, pieces, ~own) if own.any() else logits


def _pieces(logits: FloatArray) -> tuple[int, npt.NDArray[np.int32]]:
    """How many pieces, the outside among them, and (h, w) their numbers: 0 is the outside."""
    count, pieces = cv2.connectedComponents((logits > 0).astype(np.uint8))
    return count, np.asarray(pieces, np.int32)


def _mean(values: FloatArray, pieces: npt.NDArray[np.int32], count: int) -> FloatArray:
    """(count,) mean of (h, w) values over each piece."""
    cells = np.bincount(pieces.ravel(), minlength=count)
    sums = np.bincount(pieces.ravel(), weights=values.ravel(), minlength=count)
    return np.asarray(sums / np.maximum(cells, 1), np.float32)


def _left_out(logits: FloatArray, pieces: npt.NDArray[np.int32], out: BoolArray) -> FloatArray:
    """Logits with the signs turned of those pieces that are out."""
    out = out.copy()
    out[0] = False
    return np.where(out[pieces], -logits, logits) if out.any() else logits
