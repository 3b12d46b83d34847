"""The one block that neck and decoder are made of."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Block(nn.Module):
    """Filter depthwise, mix channels through a wider layer, add: a residual block.

    The last norm starts small, so that a new block is nearly the identity.
    """

    def __init__(self, channels: int, kernel: int, wide: int) -> None:
        """Make the layers; `wide` is the number of channels between."""
        super().__init__()
        self.depthwise = nn.Conv2d(
            channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False
        )
        self.norm = nn.BatchNorm2d(channels)
        self.widen = nn.Conv2d(channels, wide, 1)
        self.narrow = nn.Conv2d(wide, channels, 1, bias=False)
        self.last_norm = nn.BatchNorm2d(channels)
        nn.init.constant_(self.last_norm.weight, 0.2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) → the same shape."""
        y = F.relu(self.widen(self.norm(self.depthwise(x))))
        change: Tensor = self.last_norm(self.narrow(y))
        return x + change


def upsample(x: Tensor, like: Tensor) -> Tensor:
    """Bilinear, to the height and width of `like`; cells are areas, so corners do not align."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)
