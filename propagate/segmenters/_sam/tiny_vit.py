"""The image encoder of MobileSAM.

Wu et al., "TinyViT", 2022; Zhang et al., "Faster Segment Anything", 2023.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from propagate.segmenters._sam.layers import neck


@dataclass(frozen=True)
class Level:
    """Channels, blocks, heads of attention, and patches along a window's side."""

    channels: int
    depth: int
    heads: int = 0
    window: int = 0


LEVELS = (Level(64, 2), Level(128, 2, 4, 7), Level(160, 6, 5, 14), Level(320, 2, 10, 7))
_STRIDES = (2, 2, 1)  # between the levels
_EXPANSION = 4


class TinyVit(nn.Module):
    """(B, 3, S, S) normalised → (B, 256, S/16, S/16)."""

    def __init__(self) -> None:
        """Make a level of convolutions and three with attention."""
        super().__init__()
        first = LEVELS[0].channels
        self.patch_embed = PatchEmbed(first)
        self.layers = nn.ModuleList(
            Layer(level, LEVELS[n + 1].channels if n < 3 else None, _STRIDES[n] if n < 3 else 1)
            for n, level in enumerate(LEVELS)
        )
        self.neck = neck(LEVELS[-1].channels)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        x = self.patch_embed(images)
        for layer in self.layers:
            x = layer(x)
        embedding: Tensor = self.neck(x)
        return embedding


class ConvNorm(nn.Module):
    """A convolution without bias and its batch norm."""

    def __init__(
        self, channels_in: int, channels: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        """Make both; the padding keeps the size at stride 1."""
        super().__init__()
        self.c = nn.Conv2d(
            channels_in, channels, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C', H/stride, W/stride)."""
        normed: Tensor = self.bn(self.c(x))
        return normed


class PatchEmbed(nn.Module):
    """Two strided convolutions: (B, 3, H, W) → (B, C, H/4, W/4)."""

    def __init__(self, channels: int) -> None:
        """Make both."""
        super().__init__()
        self.seq = nn.Sequential(
            ConvNorm(3, channels // 2, 3, 2), nn.GELU(), ConvNorm(channels // 2, channels, 3, 2)
        )

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        patches: Tensor = self.seq(images)
        return patches


class Layer(nn.Module):
    """The blocks of a level, and the way to the next one."""

    def __init__(self, level: Level, next_channels: int | None, stride: int) -> None:
        """Make convolutional blocks where the level has no heads, else attention."""
        super().__init__()
        make = (lambda: Block(level)) if level.heads else (lambda: InvertedBlock(level.channels))
        self.blocks = nn.ModuleList(make() for _ in range(level.depth))
        self.downsample = (
            None if next_channels is None else Merging(level.channels, next_channels, stride)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C', H/stride, W/stride)."""
        for block in self.blocks:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


class InvertedBlock(nn.Module):
    """Expand, filter depthwise, project, add: all with GELU."""

    def __init__(self, channels: int) -> None:
        """Make the three convolutions."""
        super().__init__()
        wide = _EXPANSION * channels
        self.conv1 = ConvNorm(channels, wide)
        self.conv2 = ConvNorm(wide, wide, 3, groups=wide)
        self.conv3 = ConvNorm(wide, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → the same shape."""
        y = F.gelu(self.conv1(x))
        y = F.gelu(self.conv2(y))
        return F.gelu(x + self.conv3(y))


class Merging(nn.Module):
    """To the next level's channels and stride."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        """Make the three convolutions."""
        super().__init__()
        self.conv1 = ConvNorm(channels_in, channels)
        self.conv2 = ConvNorm(channels, channels, 3, stride, groups=channels)
        self.conv3 = ConvNorm(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C', H/stride, W/stride)."""
        y = F.gelu(self.conv1(x))
        y = F.gelu(self.conv2(y))
        out: Tensor = self.conv3(y)
        return out


class Block(nn.Module):
    """Attention within windows, a depthwise convolution across them, a perceptron."""

    def __init__(self, level: Level) -> None:
        """Make the three."""
        super().__init__()
        self.attn = Attention(level)
        self.local_conv = ConvNorm(level.channels, level.channels, 3, groups=level.channels)
        self.mlp = NormedMlp(level.channels)
        self._window = level.window

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → the same shape."""
        x = x + self._attend(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        x = self.local_conv(x)
        out: Tensor = x + self.mlp(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return out

    def _attend(self, x: Tensor) -> Tensor:
        """(B, H, W, C) → the same shape; the padding of the last windows takes part."""
        batch, height, width, channels = x.shape
        side = self._window
        x = F.pad(x, (0, 0, 0, -width % side, 0, -height % side))
        rows, columns = x.shape[1] // side, x.shape[2] // side
        x = x.view(batch, rows, side, columns, side, channels).transpose(2, 3)
        x = self.attn(x.reshape(-1, side * side, channels))
        x = x.view(batch, rows, columns, side, side, channels).transpose(2, 3)
        return x.reshape(batch, rows * side, columns * side, channels)[:, :height, :width]


class Attention(nn.Module):
    """Attention with one bias a head for every distance along both axes."""

    def __init__(self, level: Level) -> None:
        """Make norm, projections and biases."""
        super().__init__()
        self.norm = nn.LayerNorm(level.channels)
        self.qkv = nn.Linear(level.channels, 3 * level.channels)
        self.proj = nn.Linear(level.channels, level.channels)
        self.attention_biases = nn.Parameter(torch.zeros(level.heads, level.window**2))
        place = torch.arange(level.window)
        along = (place[:, None] - place).abs()
        apart = along[:, None, :, None] * level.window + along[None, :, None, :]
        self.register_buffer("_apart", apart.reshape(level.window**2, -1), persistent=False)
        self._heads = level.heads

    def forward(self, x: Tensor) -> Tensor:
        """(windows, patches, C) → the same shape."""
        split = self.qkv(self.norm(x)).unflatten(2, (self._heads, 3, -1)).permute(3, 0, 2, 1, 4)
        bias = self.attention_biases[:, self.get_buffer("_apart")]
        mixed = F.scaled_dot_product_attention(split[0], split[1], split[2], bias[None])
        out: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return out


class NormedMlp(nn.Module):
    """Norm and two linear layers with GELU between them."""

    def __init__(self, channels: int) -> None:
        """Make all three."""
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.fc2 = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) → the same shape."""
        out: Tensor = self.fc2(F.gelu(self.fc1(self.norm(x))))
        return out
