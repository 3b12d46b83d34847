"""The ViT image encoder: windows, a few global blocks, decomposed relative positions.

Li et al., "Exploring Plain Vision Transformer Backbones for Object Detection", 2022.

For inference only. On a CPU the published way of computing it waits for memory most of the time:
every step writes a new tensor of the whole picture, padded and copied into windows and back. Here
a block goes through the picture in bands, one row of windows each, in buffers that all blocks
share, so that a band stays in the cache from its first norm to its last sum. Numbers stay the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from propagate.segmenters._sam.layers import Dense, MlpBlock, gelu_, neck
from propagate.segmenters._sam.workspace import Workspace

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

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        space = Workspace(images)
        x = self.patch_embed(images).add_(self.pos_embed)
        for picture in x:
            for block in self.blocks:
                block(picture, space)
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
        return patches.permute(0, 2, 3, 1).contiguous()


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

    def forward(self, x: Tensor, space: Workspace) -> None:
        """Change the patches of one picture (H, W, C), contiguous, in place."""
        attend = self.attn.whole if self._whole else self.attn.windows
        for band, mixed in attend(x, self.norm1, space):
            self.attn.proj.add_to(band, mixed)
            wide = space.take("wide", (len(band), self.mlp.lin1.out_features))
            self.mlp.lin1.into(self.norm2(band), wide)
            self.mlp.lin2.add_to(band, gelu_(wide))


class Attention(nn.Module):
    """Attention with relative positions along each axis."""

    def __init__(self, channels: int, heads: int, side: int) -> None:
        """Make the projections and one vector for every offset along an axis."""
        super().__init__()
        self.qkv = Dense(channels, 3 * channels)
        self.proj = Dense(channels, channels)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * side - 1, channels // heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * side - 1, channels // heads))
        self._heads = heads

    def windows(
        self, x: Tensor, norm: nn.LayerNorm, space: Workspace
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Attention within windows of 14 x 14 patches, one row of windows after the other.

        Args:
            x: (H, W, C) contiguous; may be changed where it was yielded.
            norm: for what is attended to.
            space: buffers.

        Yields:
            The patches of a row (n, C), a part of `x`, and what each of them found (n, C).
        """
        width, channels = x.shape[1:]
        columns = [slice(left, min(left + WINDOW, width)) for left in range(0, width, WINDOW)]
        split = (3, self._heads, channels // self._heads)
        for rows in torch.split(x, WINDOW):
            band = rows.flatten(0, 1)
            qkv = self.qkv.into(norm(band), space.take("qkv", (len(band), 3 * channels)))
            qkv = qkv.view(*rows.shape[:2], *split)
            inside = space.take("inside", (3, len(columns), split[1], WINDOW, WINDOW, split[2]))
            if len(rows) < WINDOW or width % WINDOW:  # the norm's result is padded with zeros
                inside.copy_(self.qkv.bias.view(3, 1, split[1], 1, 1, split[2]))
            for part, window in zip(columns, inside.unbind(1), strict=True):
                wide = part.stop - part.start
                window[:, :, : len(rows), :wide] = qkv[:, part].permute(2, 3, 0, 1, 4)
            query, key, value = inside.flatten(1, 2)
            found = self._mix(query, key, value, space.take("found", query.shape), space)
            found = torch.unflatten(found, 0, (len(columns), self._heads))
            mixed = space.take("mixed", (*rows.shape[:2], *split[1:]))
            for part, window in zip(columns, found, strict=True):
                wide = part.stop - part.start
                mixed[:, part] = window[:, : len(rows), :wide].permute(1, 2, 0, 3)
            yield band, mixed.view(band.shape)

    def whole(
        self, x: Tensor, norm: nn.LayerNorm, space: Workspace
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Attention over the whole picture; see `windows`."""
        height, width, channels = x.shape
        patches = x.flatten(0, 1)
        qkv = space.take("qkv", (len(patches), 3 * channels))
        for band, out in zip(torch.split(patches, _BAND), torch.split(qkv, _BAND), strict=True):
            self.qkv.into(norm(band), out)
        grid = qkv.view(height, width, 3, self._heads, channels // self._heads)
        found = space.take("found", (height, width, *grid.shape[3:]))
        for head in range(self._heads):
            query, key, value = grid[:, :, :, head].unbind(2)
            self._mix(query[None], key[None], value[None], found[None, :, :, head], space)
        yield from zip(
            torch.split(patches, _BAND), torch.split(found.view(patches.shape), _BAND), strict=True
        )

    def _mix(
        self, query: Tensor, key: Tensor, value: Tensor, out: Tensor, space: Workspace
    ) -> Tensor:
        """Attention of G squares, each within itself: (G, H, W, c) three times, into `out`."""
        groups, height, width, channels = query.shape
        along_h, along_w = offsets(self.rel_pos_h, height), offsets(self.rel_pos_w, width)
        bias_h = query @ along_h.transpose(1, 2)
        bias_w = (query.transpose(1, 2) @ along_w.transpose(1, 2)).transpose(1, 2)
        keys, values = key.flatten(1, 2).transpose(1, 2), value.flatten(1, 2)
        rows = max(1, _LOGITS // (groups * height * width**2))
        for top in range(0, height, rows):
            part = slice(top, top + rows)
            asked = query[:, part].flatten(1, 2)
            logits = space.take("logits", (groups, asked.shape[1] // width, width, height, width))
            torch.add(bias_h[:, part, :, :, None], bias_w[:, part, :, None, :], out=logits)
            logits = logits.flatten(1, 2).flatten(2)
            logits.baddbmm_(asked, keys, alpha=channels**-0.5)
            torch.softmax(logits, -1, out=logits)
            torch.bmm(logits, values, out=out[:, part].flatten(1, 2))
        return out


_BAND = 896  # patches at a time: as many as a row of windows has
_LOGITS = 2**21 + 2**19  # of attention at a time


def offsets(vectors: Tensor, side: int) -> Tensor:
    """(2 side - 1, c), one vector for every offset → (side, side, c) for query and key places."""
    place = torch.arange(side, device=vectors.device)
    return vectors[place[:, None] - place + side - 1]
