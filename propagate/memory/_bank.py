"""What the appearance memory holds, and what it lets go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from propagate.coords import WHOLE, Part, Size


@dataclass(frozen=True, eq=False)
class Remembered:
    """One frame.

    Attributes:
        index: of the frame.
        keys: (h*w, C) float32.
        grid_hw: (h, w): windows of a picture may have other cells than the picture.
        covers: object id → (h*w,) float32 0..1, how far the object covers each cell.
        anchors: ids that the user answered in this frame.
        part: of the picture that the cells cover.
        surroundings: ids of those anchors that a closer look at the same frame shows better: this
            one tells what is beside them, and how they look from far.
    """

    index: int
    keys: Tensor
    grid_hw: Size
    covers: Mapping[int, Tensor]
    anchors: frozenset[int] = frozenset()
    part: Part = WHOLE
    surroundings: frozenset[int] = frozenset()

    @property
    def place(self) -> tuple[int, Part]:
        """Which frame, and which part of it."""
        return self.index, self.part

    def without(self, gone: Set[int]) -> Remembered:
        """The frame without some objects."""
        covers = {i: cover for i, cover in self.covers.items() if i not in gone}
        return replace(
            self, covers=covers, anchors=self.anchors - gone, surroundings=self.surroundings - gone
        )


@dataclass(frozen=True, eq=False)
class MemoryState:
    """What is remembered.

    Attributes:
        ids: of the objects.
        areas: object id → share of the picture that it filled when it was seen last.
        anchors, recent, diverse: looks at frames that are kept.
        last: the frame just before, good or bad.
    """

    ids: tuple[int, ...] = ()
    areas: Mapping[int, float] = field(default_factory=dict)
    anchors: tuple[Remembered, ...] = ()
    recent: tuple[Remembered, ...] = ()
    diverse: tuple[Remembered, ...] = ()
    last: Remembered | None = None

    def bank(self) -> tuple[Remembered, ...]:
        """All remembered frames, none twice, the last one at the end."""
        frames = {frame.place: frame for frame in (*self.diverse, *self.recent, *self.anchors)}
        if self.last is not None:
            frames.pop(self.last.place, None)
            frames[self.last.place] = self.last
        return tuple(frames.values())

    def without(self, gone: Set[int]) -> MemoryState:
        """The state after some objects are followed no longer."""
        if not gone:
            return self
        kept = [
            tuple(left for frame in frames if (left := frame.without(gone)).covers)
            for frames in (self.anchors, self.recent, self.diverse)
        ]
        return replace(self, anchors=kept[0], recent=kept[1], diverse=kept[2])


def completed(now: Remembered, frames: Iterable[Remembered]) -> Remembered:
    """A look with what earlier ones at the same frame know: not all is answered at once."""
    for frame in frames:
        if frame.index != now.index:
            continue
        if frame.place == now.place and frame.grid_hw == now.grid_hw:
            covers = {i: frame.covers[i] for i in frame.anchors - now.anchors}
            now = replace(now, covers={**now.covers, **covers}, anchors=now.anchors | {*covers})
        elif _holds(now.part, frame.part):
            now = replace(now, surroundings=now.surroundings | frame.anchors)
    return now


def with_look(frames: Iterable[Remembered], now: Remembered) -> tuple[Remembered, ...]:
    """Answered frames and a new look, which takes the place of one like it."""
    looks = {frame.place: frame for frame in frames} | {now.place: now}
    for place, frame in looks.items():
        if frame.index == now.index and place != now.place and _holds(frame.part, now.part):
            looks[place] = replace(frame, surroundings=frame.surroundings | now.anchors)
    return tuple(looks.values())


def _holds(wide: Part, close: Part) -> bool:
    """Whether one part of a picture lies within another one."""
    inside = wide[0] <= close[0] and wide[1] <= close[1]
    return inside and close[2] <= wide[2] and close[3] <= wide[3]


def keep_anchors(looks: Sequence[Remembered], most: int) -> tuple[Remembered, ...]:
    """Looks at so many frames at most; the first and the newest stay.

    The oldest one goes whose objects were all answered elsewhere too, or the oldest.
    """
    looks = [look for n, look in enumerate(looks) if not _is_outdated(look, looks[n + 1 :])]
    answered: dict[int, set[int]] = {}
    for look in looks:
        answered.setdefault(look.index, set()).update(look.anchors)
    while len(answered) > most:
        others = list(answered)[1:-1] or list(answered)[1:]
        gone = next((i for i in others if _is_told_elsewhere(i, answered)), others[0])
        del answered[gone]
    return tuple(look for look in looks if look.index in answered)


def _is_outdated(look: Remembered, newer: Sequence[Remembered]) -> bool:
    """Whether newer close looks at the same frame show all that was answered in this close one."""
    closer = [one.anchors for one in newer if one.index == look.index and one.part != WHOLE]
    return look.part != WHOLE and look.anchors <= frozenset().union(*closer)


def _is_told_elsewhere(index: int, answered: Mapping[int, set[int]]) -> bool:
    """Whether all that was answered in a frame was answered in another one too."""
    others = [ids for other, ids in answered.items() if other != index]
    return answered[index] <= set().union(*others)


def most_different(frames: tuple[Remembered, ...], most: int) -> tuple[Remembered, ...]:
    """Drop the frame whose objects look most like those of another one, if there are too many."""
    if len(frames) <= most:
        return frames
    looks = torch.stack([_look(frame) for frame in frames])
    likeness = looks @ looks.T - 2 * torch.eye(len(frames)).to(looks)
    most_alike = int(likeness.amax(1).argmax())
    return tuple(frame for n, frame in enumerate(frames) if n != most_alike)


def _look(frame: Remembered) -> Tensor:
    """(C,) unit vector: the mean key under a frame's objects."""
    cover = torch.stack(list(frame.covers.values())).amax(0)
    mean = cover @ frame.keys
    look: Tensor = mean / mean.norm().clamp(min=1e-6)
    return look
