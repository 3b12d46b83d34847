"""What the appearance memory holds, and what it lets go."""

from __future__ import annotations

from collections.abc import Mapping
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
        surroundings: whether a closer look at the same frame shows the object better: this one
            tells what is beside it, and how it looks from far.
    """

    index: int
    keys: Tensor
    grid_hw: Size
    covers: Mapping[int, Tensor]
    anchors: frozenset[int] = frozenset()
    part: Part = WHOLE
    surroundings: bool = False

    @property
    def place(self) -> tuple[int, Part]:
        """Which frame, and which part of it."""
        return self.index, self.part


@dataclass(frozen=True, eq=False)
class MemoryState:
    """What is remembered. `last` is the frame just before, good or bad."""

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


def seen_closer(frame: Remembered, closer: Remembered) -> Remembered:
    """A frame after a look at a part of it, or another frame as it was."""
    if frame.index != closer.index or frame.part == closer.part:
        return frame
    return replace(frame, surroundings=True)


def keep_anchors(frames: tuple[Remembered, ...], most: int) -> tuple[Remembered, ...]:
    """The first and the newest; two of the same part of a frame become the newer one."""
    looks = tuple({frame.place: frame for frame in frames}.values())
    indices = list(dict.fromkeys(look.index for look in looks))
    kept = {indices[0], *indices[max(1, len(indices) - most + 1) :]}
    return tuple(look for look in looks if look.index in kept)


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
