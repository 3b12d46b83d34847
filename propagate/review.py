"""Which frames of a track a person should correct: those that look wrong and that much depends on.

Nothing here knows the truth. A frame is doubtful where the tracker says so (a low score, an object
that is occluded or lost) and where an object does what it did not do before: its score falls, its
area, its shape or its place jumps. All are compared with what is usual for this object, so that a
lively or a badly scored one is not doubtful all along.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from propagate.anchors import Anchor, next_anchor
from propagate.masks import area, box_of, iou
from propagate.types import BoolArray, FrameResult, State

Series = npt.NDArray[np.float64]

_WEIGHTS = {"score": 0.8, "fall": 0.6, "area": 0.5, "jump": 0.6, "shape": 0.6}
_MISSING = {"lost": 1.0, "occluded": 0.5, "absent": 0.3, "tracked": 1.0}
_BOUNCE = 1.0  # sides of the object; turning so sharply is nothing unusual
_TURN = 0.1  # likeness; a shape that changes by so much is turning
_LEAST = 0.15  # doubt below which a frame is not worth showing
_DEPENDING = 0.1  # doubt that every frame has for depending on a doubtful one
_HALF_LIFE_S = 2.0  # a frame so much later depends half as much on this one
_APART_S = 1.0  # of two frames of an object that are nearer only the better is shown
_FPS = 25.0  # where the source has no clock


@dataclass(frozen=True)
class Look:
    """What is kept of an object in a frame.

    Attributes:
        index: of the frame.
        time_s: seconds, or None.
        state: see `propagate.types.State`.
        score: expected IoU, 0..1.
        area: pixels; 0 where there is no mask.
        box: (x0, y0, x1, y1) pixels, of the last mask where there is none now; None before it.
        likeness: IoU with the mask of the frame before when both boxes are centred on each other,
            or None where one of them is missing.
        reason: why there is no mask.
    """

    index: int
    time_s: float | None
    state: State
    score: float
    area: int
    box: tuple[int, int, int, int] | None
    likeness: float | None
    reason: str = ""


@dataclass(frozen=True)
class Finding:
    """A frame in which a correction of an object helps.

    Attributes:
        look: the object in that frame.
        object_id: which.
        doubt: 0..1, how wrong it looks.
        gain: how many frames' worth of doubt a correction may remove; the ranking.
        depends: frames that follow up to the next anchor, or to the end.
        reason: what looks wrong, for a person.
    """

    look: Look
    object_id: int
    doubt: float
    gain: float
    depends: int
    reason: str


def looks(results: Iterable[FrameResult]) -> dict[int, list[Look]]:
    """Object id → its looks, in order; one result is in memory at a time."""
    found: dict[int, list[Look]] = {}
    before: dict[int, BoolArray] = {}
    for result in results:
        now: dict[int, BoolArray] = {}
        for mask in result.masks:
            box = box_of(mask.pixels)
            if box is None:
                continue
            x0, y0, x1, y1 = (int(side) for side in box)
            now[mask.object_id] = mask.pixels[y0:y1, x0:x1]
            last = before.get(mask.object_id)
            look = Look(
                result.index,
                result.time_s,
                mask.state,
                mask.score,
                area(mask.pixels),
                (x0, y0, x1, y1),
                None if last is None else _likeness(now[mask.object_id], last),
            )
            found.setdefault(mask.object_id, []).append(look)
        for object_id, gone in result.missing.items():
            earlier = found.setdefault(object_id, [])
            box_before = earlier[-1].box if earlier else None
            earlier.append(
                Look(
                    *(result.index, result.time_s, gone.state, gone.score, 0, box_before, None),
                    gone.reason,
                )
            )
        before = now
    return dict(sorted(found.items()))


def _likeness(one: BoolArray, other: BoolArray) -> float:
    """IoU of two masks, each cut to its box, when the boxes are centred on each other."""
    size = np.maximum(one.shape, other.shape)
    placed = []
    for part in (one, other):
        whole = np.zeros(size, bool)
        y, x = (size - part.shape) // 2
        whole[y : y + part.shape[0], x : x + part.shape[1]] = part
        placed.append(whole)
    return iou(placed[0], placed[1])


def rank(
    seen: Mapping[int, Sequence[Look]], anchors: Collection[Anchor], count: int = 12
) -> list[Finding]:
    """The frames in which a correction helps most, best first.

    Args:
        seen: from `looks`.
        anchors: what the user answered; these frames are right.
        count: most findings, over all objects.
    """
    findings: list[Finding] = []
    for object_id, series in seen.items():
        fps = _rate(series)
        candidates = [one for one in _judged(object_id, series, anchors, fps) if one.doubt > _LEAST]
        kept: list[Finding] = []
        for one in sorted(candidates, key=lambda each: -each.gain):
            if not any(_near(one, other, _APART_S * fps) for other in kept):
                kept.append(one)
        findings += kept
    return sorted(findings, key=lambda one: -one.gain)[:count]


def _near(one: Finding, other: Finding, frames: float) -> bool:
    """Whether two findings of an object are so near that correcting one looks at both.

    Never with an anchor between them: what is corrected on one side does not reach the other.
    """
    ends = {one.look.index + one.depends, other.look.index + other.depends}
    return len(ends) == 1 and abs(one.look.index - other.look.index) < frames


def _judged(
    object_id: int, series: Sequence[Look], anchors: Collection[Anchor], fps: float
) -> list[Finding]:
    """Every frame of an object but its anchors."""
    mine = {index for index, key in anchors if key == object_id}
    signs = _signs(series, max(3, round(fps)))
    doubt = 1 - np.prod([1 - sign for sign in signs.values()], axis=0)
    doubt[[look.index in mine for look in series]] = 0
    fade = 0.5 ** (1 / (_HALF_LIFE_S * fps))
    findings = []
    following = 0.0
    for place in range(len(series) - 1, -1, -1):
        look = series[place]
        following = 0.0 if look.index in mine else doubt[place] + _DEPENDING + fade * following
        if look.index in mine:
            continue
        end = next_anchor(anchors, look.index, object_id)
        depends = (series[-1].index + 1 if end is None else end) - look.index - 1
        name = max(signs, key=lambda sign: float(signs[sign][place]))
        findings.append(
            Finding(
                look,
                object_id,
                float(doubt[place]),
                float(doubt[place] * following),
                depends,
                _reason(name, series, place),
            )
        )
    return findings


def _signs(series: Sequence[Look], window: int) -> dict[str, Series]:
    """Name → (n,) 0..1, what speaks against each frame."""
    there = np.array([look.area > 0 for look in series])
    score = np.array([look.score for look in series])
    size = np.array([np.sqrt(max(look.area, 1)) for look in series])
    likeness = np.array([np.nan if look.likeness is None else look.likeness for look in series])
    jump = _jumps(series, size)
    unusual = {
        "score": (0.8 - score) / 0.5,
        "fall": (_usual(score, there, window) - score) / 0.3,
        "area": np.abs(np.log(size / _usual(size, there, 5))) / np.log(1.6),
        "jump": jump - _usual(jump, there, window) - _BOUNCE,
        "shape": (_usual(likeness, there, window) - likeness - _TURN) / 0.4,
    }
    signs = {
        name: np.where(there, np.clip(np.nan_to_num(_WEIGHTS[name] * value), 0, _WEIGHTS[name]), 0)
        for name, value in unusual.items()
    }
    gone = [0.0 if seen else _MISSING[look.state] for seen, look in zip(there, series, strict=True)]
    return {**signs, "missing": np.minimum(np.array(gone), 0.95)}


def _jumps(series: Sequence[Look], size: Series) -> Series:
    """(n,) how far an object's box is from where it was going, in sides of the object; or NaN."""
    boxes = np.array([look.box if look.box and look.area else [np.nan] * 4 for look in series])
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    step = np.diff(centres, axis=0, prepend=centres[:1])
    step[:1] = step[1:2] if len(step) > 1 else 0  # nothing says how it moved before
    turn = np.diff(step, axis=0, prepend=step[:1])
    return np.asarray(np.hypot(*turn.T) / size)


def _usual(values: Series, there: BoolArray, window: int) -> Series:
    """(n,) median of the last `window` values before each one where the object was there; or NaN.

    The first value has none before it; it is compared with itself.
    """
    usual = np.full(len(values), np.nan)
    kept: list[float] = []
    for place, value in enumerate(values):
        usual[place] = np.median(kept[-window:]) if kept else value
        if there[place] and np.isfinite(value):
            kept.append(float(value))
    return usual


def _reason(name: str, series: Sequence[Look], place: int) -> str:
    """What a sign means, in words."""
    now, before = series[place], series[max(0, place - 1)]
    if name == "missing":
        return f"{now.state}: {now.reason}" if now.reason else now.state
    if name == "score":
        return f"score {now.score:.2f}"
    if name == "fall":
        return f"score fell to {now.score:.2f}"
    if name == "area" and before.area == 0:
        return f"returned with {now.area} pixels"
    if name == "area":
        return f"area changed from {before.area} to {now.area} pixels"
    if name == "shape":
        return "changed its shape"
    return "jumped"


def _rate(series: Sequence[Look]) -> float:
    """Frames a second, nominal."""
    times = [look.time_s for look in series if look.time_s is not None]
    steps = np.diff(times)
    usual = float(np.median(steps)) if len(steps) else 0.0
    return 1 / usual if usual > 0 else _FPS
