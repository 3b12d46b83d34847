"""Layers that several parts of SAM share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LayerNorm2d(nn.Module):
    """Layer norm over the channels of (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        """Make weight and bias."""
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → the same shape."""
        channels_last = x.permute(0, 2, 3, 1)
        normed = F.layer_norm(channels_last, self.weight.shape, self.weight, self.bias, 1e-6)
        return normed.permute(0, 3, 1, 2)


class Mlp(nn.Module):
    """Linear layers with ReLU between them (the heads of the mask decoder)."""

    def __init__(self, channels: int, wide: int, out: int, depth: int) -> None:
        """Make `depth` layers."""
        super().__init__()
        sizes = [channels, *[wide] * (depth - 1), out]
        self.layers = nn.ModuleList(
            nn.Linear(before, after) for before, after in zip(sizes[:-1], sizes[1:], strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(..., channels) → (..., out)."""
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        last: Tensor = self.layers[-1](x)
        return last


class Dense(nn.Linear):
    """A linear layer that writes where it is told, which saves a CPU new memory."""

    def into(self, x: Tensor, out: Tensor) -> Tensor:
        """The answer to (n, c), written to `out` (n, c')."""
        return torch.addmm(self.bias, x, self.weight.t(), out=out)

    def add_to(self, total: Tensor, x: Tensor) -> None:
        """Add the answer to (n, c) to `total` (n, c')."""
        total.add_(self.bias).addmm_(x, self.weight.t())


class MlpBlock(nn.Module):
    """Two linear layers with an activation between them (the blocks of transformers)."""

    def __init__(self, channels: int, wide: int, activation: type[nn.Module]) -> None:
        """Make both layers."""
        super().__init__()
        self.lin1 = Dense(channels, wide)
        self.lin2 = Dense(wide, channels)
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        """(..., channels) → the same shape."""
        out: Tensor = self.lin2(self.activation(self.lin1(x)))
        return out


def neck(channels_in: int, channels: int = 256) -> nn.Sequential:
    """What every image encoder of SAM ends with: to 256 channels, normed twice."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, 1, bias=False),
        LayerNorm2d(channels),
        nn.Conv2d(channels, channels, 3, padding=1, bias=False),
        LayerNorm2d(channels),
    )


def gelu_(x: Tensor) -> Tensor:
    """GELU in place; returns `x`."""
    done: Tensor = torch.ops.aten.gelu_(x)
    return done
