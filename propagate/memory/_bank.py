"""What the appearance memory holds, and what it lets go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from propagate.coords import WHOLE, Part


@dataclass(frozen=True, eq=False)
class Remembered:
    """One frame.

    Attributes:
        index: of the frame.
        keys: (h*w, C) float32.
        covers: object id → (h*w,) float32 0..1, how far the object covers each cell.
        anchors: ids that the user answered in this frame.
        part: of the picture that the cells cover.
        outside: (h*w,) 1 for the cells that count, 0 for those that a closer look at the same
            frame shows better; None where all count.
    """

    index: int
    keys: Tensor
    covers: Mapping[int, Tensor]
    anchors: frozenset[int] = frozenset()
    part: Part = WHOLE
    outside: Tensor | None = None

    @property
    def place(self) -> tuple[int, Part]:
        """Which frame, and which part of it."""
        return self.index, self.part


@dataclass(frozen=True, eq=False)
class MemoryState:
    """What is remembered. `last` is the frame just before, good or bad."""

    grid_hw: tuple[int, int] = (0, 0)
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


def beyond(frame: Remembered, closer: Remembered, grid_hw: tuple[int, int]) -> Remembered:
    """The surroundings of what a closer look at the same frame shows; other frames as they are.

    Surroundings tell what is not the object. They are not read with the anchors, or they would
    claim whatever an object shows for the first time.
    """
    if frame.index != closer.index or frame.part == closer.part:
        return frame
    inside = [
        _within(count, (frame.part[axis], frame.part[axis + 2]), closer.part[axis::2])
        for axis, count in ((1, grid_hw[0]), (0, grid_hw[1]))
    ]
    outside = 1 - torch.outer(*inside).flatten()
    return replace(frame, outside=outside.to(frame.keys))


def _within(cells: int, span: tuple[float, float], part: tuple[float, ...]) -> Tensor:
    """(cells,) 1 where the middle of a cell of `span` lies in `part`, both along one axis."""
    middles = span[0] + (torch.arange(cells) + 0.5) / cells * (span[1] - span[0])
    return ((middles >= part[0]) & (middles < part[1])).float()


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
