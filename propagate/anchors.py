"""Anchors, the objects in frames that the user answered, and the gaps between them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from propagate.types import FrameResult

Anchor = tuple[int, int]
"""(frame index, object id)"""


@dataclass(frozen=True)
class Gap:
    """Frames between two neighbouring anchors of some objects, or from the last one to the end.

    Attributes:
        first: frame of the anchor in front.
        last: frame of the anchor behind, or the last frame where there is none.
        closed: whether `last` is an anchor.
        objects: whose anchors these are.
        also: where it is not closed, the frame of an anchor in front of `first` that shows them, or
            None.
        shown: whether they are in the picture in the anchor in front, and in the one behind.
    """

    first: int
    last: int
    closed: bool
    objects: tuple[int, ...]
    also: int | None = None
    shown: tuple[bool, bool] = (True, True)

    @property
    def ways(self) -> list[tuple[int, int]]:
        """From where to where it is gone through: from each anchor that shows the objects.

        Not at all where none does: who is away in two anchors is away between them.
        """
        there, back = (self.first, self.last), (self.last, self.first)
        if not self.closed:
            return [there] if self.shown[0] or self.also is not None else []
        return [way for way, shown in zip((there, back), self.shown, strict=True) if shown]

    @property
    def steps(self) -> int:
        """Frames to go through: once, there and back, or none."""
        return (self.last - self.first) * len(self.ways)


def gaps_beside(
    anchors: Iterable[Anchor],
    new: Collection[Anchor],
    end: int,
    away: Collection[Anchor] = (),
) -> list[Gap]:
    """The gaps beside new anchors, in order; objects with the same gap share it.

    Args:
        anchors: all of them, new ones included.
        new: those that were not there before.
        end: the last frame.
        away: those in which the object is not in the picture.
    """
    found: dict[Gap, list[int]] = {}
    for object_id, frames in _by_object(anchors).items():
        for place, first in enumerate(frames):
            closed = place + 1 < len(frames)
            last = frames[place + 1] if closed else end
            earlier = [i for i in frames[:place] if (i, object_id) not in away]
            also = earlier[-1] if earlier and not closed else None
            shown = (first, object_id) not in away, (last, object_id) not in away
            touched = (first, object_id) in new or (closed and (last, object_id) in new)
            if touched and last - first > closed:  # a frame lies between
                gap = Gap(first, last, closed, (), also, shown)
                found.setdefault(gap, []).append(object_id)
    gaps = [replace(gap, objects=tuple(ids)) for gap, ids in found.items()]
    return sorted(gaps, key=lambda gap: (gap.first, gap.last))


def neighbours(anchors: Iterable[Anchor], index: int, object_ids: Collection[int]) -> list[int]:
    """Frames of the anchors of these objects next to a frame, in front of it and behind; sorted."""
    found: set[int] = set()
    for object_id, frames in _by_object(anchors).items():
        if object_id in object_ids:
            found |= {*[i for i in frames if i < index][-1:], *[i for i in frames if i > index][:1]}
    return sorted(found)


def next_anchor(anchors: Iterable[Anchor], index: int, object_id: int) -> int | None:
    """The frame of the first anchor of an object behind a frame, or None."""
    return min((i for i, key in anchors if key == object_id and i > index), default=None)


def first_seen(results: Mapping[int, FrameResult]) -> tuple[Anchor, ...]:
    """The first frame of every object: its anchor where nothing else is known of them."""
    first: dict[int, int] = {}
    for index in sorted(results):
        for mask in results[index].masks:
            first.setdefault(mask.object_id, index)
    return tuple((index, object_id) for object_id, index in sorted(first.items()))


def _by_object(anchors: Iterable[Anchor]) -> dict[int, list[int]]:
    """Object id → frames, both in order."""
    frames: dict[int, list[int]] = {}
    for index, object_id in sorted(set(anchors), key=lambda one: one[::-1]):
        frames.setdefault(object_id, []).append(index)
    return frames
