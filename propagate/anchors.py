"""Anchors, the objects in frames that the user answered, and the gaps between them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

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
        also: where it is not closed, the frame of the anchor in front of `first`, or None.
    """

    first: int
    last: int
    closed: bool
    objects: tuple[int, ...]
    also: int | None = None

    @property
    def steps(self) -> int:
        """Frames to go through: once, or there and back."""
        return (self.last - self.first) * (2 if self.closed else 1)


def gaps_beside(anchors: Iterable[Anchor], new: Collection[Anchor], end: int) -> list[Gap]:
    """The gaps beside new anchors, in order; objects with the same gap share it.

    Args:
        anchors: all of them, new ones included.
        new: those that were not there before.
        end: the last frame.
    """
    found: dict[tuple[int, int, bool, int | None], list[int]] = {}
    for object_id, frames in _by_object(anchors).items():
        for place, first in enumerate(frames):
            closed = place + 1 < len(frames)
            last = frames[place + 1] if closed else end
            also = frames[place - 1] if place and not closed else None
            touched = (first, object_id) in new or (closed and (last, object_id) in new)
            if touched and last - first > closed:  # a frame lies between
                found.setdefault((first, last, closed, also), []).append(object_id)
    return [
        Gap(first, last, closed, tuple(ids), also)
        for (first, last, closed, also), ids in sorted(found.items(), key=lambda one: one[0][:2])
    ]


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
