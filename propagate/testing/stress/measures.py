"""What a tracker got right: a note on each object in each frame, then counts of them.

All counts work on notes that any label sequence gives, rendered or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from propagate.evaluation.metrics import calibration_error, contour_accuracy, region_similarity
from propagate.testing.stress.scene import LabelMap
from propagate.types import FrameResult

Presence = Literal["visible", "barely", "absent"]
"""visible: as the truth says · barely: some pixels, but not visible · absent: not one pixel."""

WITHIN = 5
"""Frames after a return in which an object should be found again."""

_FOUND_AT = 0.5  # IoU from which an object counts as found


@dataclass(frozen=True)
class Note:
    """One object in one frame.

    Attributes:
        index: of the frame.
        object_id: the true object.
        presence: how much of it there was to find.
        j: region similarity of the mask under its id, 0..1.
        f: contour accuracy of that mask, 0..1.
        score: the IoU that the tracker expected, or None where it gave no mask.
        state: what the tracker said of it.
        held_by: the id whose mask lies on the true object, IoU above a half; None: no mask does.
        lies_on: the true object that the mask under this id lies on, IoU above a half, or None.
    """

    index: int
    object_id: int
    presence: Presence
    j: float
    f: float
    score: float | None
    state: str
    held_by: int | None
    lies_on: int | None


@dataclass(frozen=True)
class Figures:
    """The measures of one scenario or of many; nan where there was nothing to measure.

    Attributes:
        j_and_f: mean of J and F over objects, each over its frames after the first, 0..1.
        switches: identity switches in 1,000 frames, see `identity_switches`.
        mistaken: share of masks that lie on another true object, 0..1.
        false_positives: share of absent frames of objects that have a mask, 0..1.
        reacquired: share of returns after which the object was found within 5 frames, 0..1.
        delay: frames from a return to finding it, the mean over those that were found.
        calibration: expected calibration error of the scores, 0..1.
    """

    j_and_f: float
    switches: float
    mistaken: float
    false_positives: float
    reacquired: float
    delay: float
    calibration: float


def notes(truth: LabelMap, visible: Mapping[int, bool], result: FrameResult) -> list[Note]:
    """Compare an answer with the truth.

    Args:
        truth: (H, W) int32 object ids, 0 where there is none.
        visible: the objects that were asked for → whether enough is in sight to find it.
        result: of the same size; its masks may overlap.

    Returns:
        One note an object, in the order of `visible`.
    """
    overlaps = _overlaps(truth, result)
    found = []
    for one in visible:
        wanted = truth == one
        has = one in result
        mask = result[one].pixels if has else np.zeros_like(wanted)
        presence: Presence = "visible" if visible[one] else "barely" if wanted.any() else "absent"
        gone = result.missing.get(one)
        found.append(
            Note(
                result.index,
                one,
                presence,
                region_similarity(mask, wanted),
                contour_accuracy(mask, wanted),
                result[one].score if has else None,
                result[one].state if has else "unknown" if gone is None else gone.state,
                _best({mine: iou for (mine, true), iou in overlaps.items() if true == one}),
                _best({true: iou for (mine, true), iou in overlaps.items() if mine == one}),
            )
        )
    return found


def _overlaps(truth: LabelMap, result: FrameResult) -> dict[tuple[int, int], float]:
    """(id of a mask, id of a true object) → IoU, where they touch."""
    areas = np.bincount(truth.ravel())
    found = {}
    for mask in result.masks:
        both = np.bincount(truth[mask.pixels], minlength=len(areas))
        size = int(both.sum())
        for true in np.flatnonzero(both[1:]) + 1:
            union = size + areas[true] - both[true]
            found[mask.object_id, int(true)] = float(both[true] / union)
    return found


def _best(overlaps: Mapping[int, float]) -> int | None:
    """The id with the largest overlap above a half."""
    found = max(overlaps, key=lambda one: overlaps[one], default=None)
    return found if found is not None and overlaps[found] > _FOUND_AT else None


def identity_switches(series: Sequence[Note]) -> int:
    """How often another id than before holds a true object; its own held it at first.

    As in MOTChallenge (Milan et al., "MOT16", 2016): a change counts once, however long it lasts,
    gaps between do not matter, and coming back to its own id is another change. Two objects that
    swap their masks for good count two, one each.

    Args:
        series: of one object, in order.
    """
    if not series:
        return 0
    last, count = series[0].object_id, 0
    for one in series:
        if one.held_by is not None:
            count += one.held_by != last
            last = one.held_by
    return count


def returns(series: Sequence[Note]) -> list[int | None]:
    """After each return of an object: frames until it is found again, or None where it is not.

    An object returns in the first frame in which it is visible after it was absent; found in that
    frame is 0. It is found where J is above a half. It is not where it is gone again before.

    Args:
        series: of one object, in order.
    """
    found: list[int | None] = []
    away, since = False, None
    for one in series:
        if one.presence == "absent":
            if since is not None:
                found.append(None)
            away, since = True, None
        elif one.presence == "visible" and away:
            away, since = False, one.index
        if since is not None and one.j > _FOUND_AT:
            found.append(one.index - since)
            since = None
    return found + [None] * (since is not None)


def figures(series: Iterable[Sequence[Note]], frames: int) -> Figures:
    """All measures over some objects.

    Args:
        series: of each object, in order; the first frame is the prompt's and is left out.
        frames: of the clips that they come from, for the rate of switches.
    """
    later = [one[1:] for one in series]
    every = [note for one in later for note in one]
    masks = [note for note in every if note.score is not None]
    back = [delay for one in later for delay in returns(one)]
    switched = sum(identity_switches(one) for one in later)
    return Figures(
        _mean([_mean([(note.j + note.f) / 2 for note in one]) for one in later if one]),
        1000 * switched / frames if frames else float("nan"),
        _mean([note.lies_on not in (None, note.object_id) for note in masks]),
        _mean([note.score is not None for note in every if note.presence == "absent"]),
        _mean([delay is not None and delay <= WITHIN for delay in back]),
        _mean([delay for delay in back if delay is not None]),
        calibration_error([(note.score, note.j) for note in masks if note.score is not None]),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")
