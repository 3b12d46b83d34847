"""Two passes over the same frames, one from each end, become one track.

Both ends are frames that the user answered, so each pass starts right and may go wrong on its way.
One frame is sought up to which the forward pass is taken, and after which the backward pass is:
a track that changes sides once does not flicker. Where both passes show the same mask both are
most likely right, since a pass that went astray rarely comes back to where the other one is; so the
change is made at such a frame if there is one. What a pass says right beside the other pass's
start counts the same way: the forward pass that arrives at the last anchor was right throughout.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from propagate.absence import COVERED
from propagate.masks import area, decode_rle, encode_rle, iou
from propagate.types import BoolArray, FrameResult, Mask, Missing, State

Series = npt.NDArray[np.float64]

_AGREEMENT = 0.2
"""Weight of the agreement, times the number of frames: the sum of weights loses a quarter of that
number if the change is made at an end and not in the middle, so that agreement wins over nearness
to an anchor everywhere but beside the other one."""

_MISSING = 0.25  # what the weight of an answer without a mask is worth, as if it were a score
_FILL = 0.5  # expected IoU from which one pass's mask fills a frame where the other has none


@dataclass(frozen=True)
class Answer:
    """What is said of one object in one frame, packed: a hundredth of the mask's size or less.

    Attributes:
        score: expected IoU, 0..1; of the refused answer where there is no mask.
        state: "tracked" where there is a mask.
        rle: the mask's run lengths, or None where there is none.
        reason: why there is none, for a person.
    """

    score: float
    state: State = "tracked"
    rle: Mapping[str, Any] | None = None
    reason: str = ""

    def pixels(self) -> BoolArray | None:
        """The mask (H, W), or None."""
        return None if self.rle is None else decode_rle(self.rle)


def packed(result: FrameResult) -> dict[int, Answer]:
    """All that a result says, object id → answer."""
    seen = {m.object_id: Answer(m.score, m.state, encode_rle(m.pixels)) for m in result.masks}
    gone = {i: Answer(m.score, m.state, None, m.reason) for i, m in result.missing.items()}
    return dict(sorted({**gone, **seen}.items()))


def unpacked(answers: Mapping[int, Answer], like: FrameResult) -> FrameResult:
    """The inverse of `packed`; index, time, size and name are those of `like`."""
    masks = []
    for object_id, answer in answers.items():
        pixels = answer.pixels()
        if pixels is not None:
            masks.append(Mask(object_id, pixels, answer.score, answer.state))
    missing = {
        object_id: Missing(object_id, answer.state, answer.reason, answer.score)
        for object_id, answer in answers.items()
        if answer.rle is None
    }
    return FrameResult(like.index, like.time_s, like.size_hw, tuple(masks), missing, like.stem)


def fuse(forward: Sequence[Answer], backward: Sequence[Answer]) -> list[Answer]:
    """One answer a frame from two passes between two anchors, both in the order of frames.

    Args:
        forward: begins with the first anchor, ends with what this pass by itself says of the last.
        backward: begins with what this pass by itself says of the first anchor, ends with the last.

    Returns:
        As many answers; the first and the last one are the anchors.
    """
    last = change_frame(forward, backward)
    fused = []
    for place, (one, other) in enumerate(zip(forward, backward, strict=True)):
        chosen, second = (one, other) if place <= last else (other, one)
        lost = chosen.rle is None and second.rle is not None and second.score >= _FILL
        fused.append(second if lost else chosen)
    return [forward[0], *fused[1:-1], backward[-1]]


def change_frame(forward: Sequence[Answer], backward: Sequence[Answer]) -> int:
    """The place, 0 to n - 1, of the last frame that is best taken from the forward pass.

    A pass weighs, in every frame, its expected IoU times how near its own anchor is, from 1 there
    to 0 at the other one, times how wide the object is in that anchor: who began with a part that
    shows from behind something follows a part. What is much smaller or larger than the anchors,
    one of which is at either side, weighs less: who lost a part, or took what is not the object.
    The sum of the weights of what is taken, with the agreement at the frame of the change, is made
    as large as possible.
    """
    length = len(forward) - 1
    near = np.arange(length + 1) / max(length, 1)
    areas, areas_behind = _areas(forward), _areas(backward)
    first, final = _widths(areas[0], areas_behind[-1])
    usual = areas[0] ** (1 - near) * areas_behind[-1] ** near
    ahead = _worths(forward) * _likeness(areas, usual) * (1 - near) * first
    behind = _worths(backward) * _likeness(areas_behind, usual) * near * final
    taken = np.cumsum(ahead) + behind.sum() - np.cumsum(behind)
    return int((taken + _AGREEMENT * length * _agreement(forward, backward)).argmax())


def _areas(answers: Sequence[Answer]) -> Series:
    """(n,) pixels, 0 where there is no mask."""
    pixels = (answer.pixels() for answer in answers)
    return np.array([0 if each is None else area(each) for each in pixels], float)


def _widths(one: float, other: float) -> tuple[float, float]:
    """How wide two masks of these areas are, of a mean of 1; 1 where there is none."""
    if min(one, other) <= 0:
        return 1.0, 1.0
    total = one**0.5 + other**0.5
    return 2 * one**0.5 / total, 2 * other**0.5 / total


def _likeness(areas: Series, usual: Series) -> Series:
    """(n,) 0..1: the smaller of two areas as a share of the larger; 1 where there is none."""
    known = (areas > 0) & (usual > 0)
    pair = np.where(known, [areas, usual], 1.0)
    return np.asarray(pair.min(0) / pair.max(0))


def separated(answers: Mapping[int, Answer]) -> dict[int, Answer]:
    """Answers for one frame, fused each by itself: a pixel of several goes to the best score."""
    taken: BoolArray | None = None
    apart: dict[int, Answer] = {}
    for object_id, answer in sorted(answers.items(), key=lambda one: -one[1].score):
        pixels = answer.pixels()
        if pixels is not None and taken is not None:
            answer = _without(answer, pixels, taken)
            taken |= pixels
        elif pixels is not None:
            taken = pixels
        apart[object_id] = answer
    return dict(sorted(apart.items()))


def settled(
    before: FrameResult, answers: Mapping[int, Answer], fixed: Collection[int]
) -> dict[int, Answer]:
    """A frame's answers when some are new; no pixel is on an old and a new mask.

    Args:
        before: what was there.
        answers: what is new, object id → answer.
        fixed: objects that keep all of their pixels; the other old ones give theirs up.
    """
    kept = np.zeros(before.size_hw, bool)
    for mask in before.masks:
        if mask.object_id in fixed and mask.object_id not in answers:
            kept |= mask.pixels
    taken = np.zeros(before.size_hw, bool)
    after = packed(before)
    for object_id, answer in answers.items():
        pixels = answer.pixels()
        after[object_id] = answer if pixels is None else _without(answer, pixels, kept)
        taken |= False if pixels is None else pixels & ~kept
    for mask in before.masks:
        if mask.object_id not in answers and mask.object_id not in fixed:
            after[mask.object_id] = _without(after[mask.object_id], mask.pixels, taken)
    return dict(sorted(after.items()))


def _without(answer: Answer, pixels: BoolArray, taken: BoolArray) -> Answer:
    """An answer, whose mask is `pixels`, without what others have taken."""
    if not (pixels & taken).any():
        return answer
    left = pixels & ~taken
    if not left.any():
        return Answer(answer.score, "occluded", None, COVERED)
    return replace(answer, rle=encode_rle(left))


def _worths(answers: Sequence[Answer]) -> Series:
    """(n,) what each answer's own word is worth."""
    return np.array([_MISSING if one.rle is None else one.score for one in answers])


def _agreement(forward: Sequence[Answer], backward: Sequence[Answer]) -> Series:
    """(n,) IoU of the two passes' masks, 1 where both have none; the least of a frame's neighbours.

    Two objects that cross are at one place for a moment: that alone is no agreement.
    """
    agreed = np.ones(len(forward) + 2)
    for place, (one, other) in enumerate(zip(forward, backward, strict=True), start=1):
        if one.rle is None or other.rle is None:
            agreed[place] = one.rle is other.rle
        else:
            agreed[place] = iou(decode_rle(one.rle), decode_rle(other.rle))
    return np.minimum(np.minimum(agreed[:-2], agreed[1:-1]), agreed[2:])
