"""The ViT image encoder: windows, a few global blocks, decomposed relative positions.

Li et al., "Exploring Plain Vision Transformer Backbones for Object Detection", 2022.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from propagate.segmenters._sam.layers import MlpBlock, neck

PATCH = 16
WINDOW = 14


@dataclass(frozen=True)
class VitSize:
    """Width, depth, heads, and which blocks look at the whole picture."""

    channels: int
    depth: int
    heads: int
    whole: tuple[int, ...]


VIT_B = VitSize(768, 12, 12, (2, 5, 8, 11))
VIT_L = VitSize(1024, 24, 16, (5, 11, 17, 23))
VIT_H = VitSize(1280, 32, 16, (7, 15, 23, 31))


class ImageEncoder(nn.Module):
    """(B, 3, S, S) normalised → (B, 256, S/16, S/16)."""

    def __init__(self, size: VitSize, side: int = 1024) -> None:
        """Make the blocks; `side` is S in pixels."""
        super().__init__()
        grid = side // PATCH
        self.patch_embed = PatchEmbed(size.channels)
        self.pos_embed = nn.Parameter(torch.zeros(1, grid, grid, size.channels))
        self.blocks = nn.ModuleList(
            Block(size, grid if index in size.whole else WINDOW, whole=index in size.whole)
            for index in range(size.depth)
        )
        self.neck = neck(size.channels)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        x = self.patch_embed(images) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        embedding: Tensor = self.neck(x.permute(0, 3, 1, 2))
        return embedding


class PatchEmbed(nn.Module):
    """Patches of 16 x 16 pixels to channels: (B, 3, H, W) → (B, H/16, W/16, C)."""

    def __init__(self, channels: int) -> None:
        """Make the projection."""
        super().__init__()
        self.proj = nn.Conv2d(3, channels, PATCH, PATCH)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        patches: Tensor = self.proj(images)
        return patches.permute(0, 2, 3, 1)


class Block(nn.Module):
    """Attention, within windows or over the whole picture, then a multilayer perceptron."""

    def __init__(self, size: VitSize, side: int, *, whole: bool) -> None:
        """Make the layers; `side` is that of the square which attention sees, in patches."""
        super().__init__()
        self.norm1 = nn.LayerNorm(size.channels, eps=1e-6)
        self.attn = Attention(size.channels, size.heads, side)
        self.norm2 = nn.LayerNorm(size.channels, eps=1e-6)
        self.mlp = MlpBlock(size.channels, 4 * size.channels, nn.GELU)
        self._whole = whole

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) → the same shape."""
        normed = self.norm1(x)
        if self._whole:
            x = x + self.attn(normed)
        else:
            windows, padded_hw = to_windows(normed)
            x = x + from_windows(self.attn(windows), padded_hw, (x.shape[1], x.shape[2]))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class Attention(nn.Module):
    """Attention with relative positions along each axis."""

    def __init__(self, channels: int, heads: int, side: int) -> None:
        """Make the projections and one vector for every offset along an axis."""
        super().__init__()
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * side - 1, channels // heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * side - 1, channels // heads))
        self._heads = heads

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) → the same shape; H = W = side."""
        batch, height, width, channels = x.shape
        qkv = self.qkv(x).reshape(batch, height * width, 3, self._heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.flatten(1, 2).unbind(0)  # each (B * heads, H * W, C / heads)
        along_h = offsets(self.rel_pos_h, height)
        along_w = offsets(self.rel_pos_w, width)
        grid = torch.unflatten(query, 1, (height, width))
        bias_h = torch.einsum("bhwc,hkc->bhwk", grid, along_h)
        bias_w = torch.einsum("bhwc,wkc->bhwk", grid, along_w)
        out = torch.empty_like(query)
        step = max(1, _MOST_LOGITS // (height * width) ** 2)
        for first in range(0, len(query), step):
            part = slice(first, first + step)
            bias = (
                (bias_h[part, ..., :, None] + bias_w[part, ..., None, :]).flatten(3).flatten(1, 2)
            )
            out[part] = F.scaled_dot_product_attention(
                query[part][None], key[part][None], value[part][None], bias[None]
            )[0]
        heads = torch.unflatten(out, 0, (batch, self._heads)).transpose(1, 2)
        mixed: Tensor = self.proj(heads.reshape(batch, height, width, channels))
        return mixed


_MOST_LOGITS = 2**25  # of attention at a time: bounds memory, and keeps the work in the cache


def offsets(vectors: Tensor, side: int) -> Tensor:
    """(2 side - 1, c), one vector for every offset → (side, side, c) for query and key places."""
    place = torch.arange(side, device=vectors.device)
    return vectors[place[:, None] - place + side - 1]


def to_windows(x: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """(B, H, W, C) → (B * windows, 14, 14, C), padded with zeros, and the padded (H, W)."""
    batch, height, width, channels = x.shape
    below, right = -height % WINDOW, -width % WINDOW
    x = F.pad(x, (0, 0, 0, right, 0, below))
    rows, columns = (height + below) // WINDOW, (width + right) // WINDOW
    x = x.view(batch, rows, WINDOW, columns, WINDOW, channels).transpose(2, 3)
    return x.reshape(-1, WINDOW, WINDOW, channels), (height + below, width + right)


def from_windows(windows: Tensor, padded_hw: tuple[int, int], size_hw: tuple[int, int]) -> Tensor:
    """The inverse of `to_windows`."""
    rows, columns = padded_hw[0] // WINDOW, padded_hw[1] // WINDOW
    x = windows.view(-1, rows, columns, WINDOW, WINDOW, windows.shape[-1]).transpose(2, 3)
    return x.reshape(-1, *padded_hw, windows.shape[-1])[:, : size_hw[0], : size_hw[1]]
