"""Memory that the steps of one computation share.

A new tensor of several megabytes is new memory from the system, which clears each of its pages at
first touch: on a CPU that takes longer than most of what is computed into it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Workspace:
    """Buffers by name, as long as one computation lasts; not for several threads at once."""

    def __init__(self, like: Tensor) -> None:
        """Nothing yet; buffers get the kind and the device of `like`."""
        self._like = like
        self._buffers: dict[str, Tensor] = {}

    def take(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """An uninitialised tensor; what was taken under the same name before is overwritten."""
        count = math.prod(shape)
        buffer = self._buffers.get(name)
        if buffer is None or buffer.numel() < count:
            buffer = self._buffers[name] = self._like.new_empty(count)
        return buffer[:count].view(shape)


def norm_in_place(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    """Norm the rows of `x` (..., c), contiguous, part by part in the cache; returns it."""
    for part in torch.split(x.flatten(0, -2), _ROWS):
        part.copy_(norm(part))
    return x


_ROWS = 1024
