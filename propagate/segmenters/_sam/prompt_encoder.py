"""Points, boxes and masks as tokens and maps that the mask decoder reads."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from propagate.segmenters._sam.layers import LayerNorm2d

CHANNELS = 256
NOTHING, OFF, ON, FIRST_CORNER, LAST_CORNER = -1, 0, 1, 2, 3
"""Labels of points: padding, off and on the object, corners of its box."""


class PromptEncoder(nn.Module):
    """Tokens (N, P, 256) of points and corners, and maps (N or 1, 256, S/16, S/16) of masks."""

    def __init__(self, side: int = 1024) -> None:
        """Make the embeddings; `side` is the network's input in pixels."""
        super().__init__()
        self.side = side
        self.pe_layer = FourierPlaces()
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, CHANNELS) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, CHANNELS)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, 4, 2, 2),
            LayerNorm2d(4),
            nn.GELU(),
            nn.Conv2d(4, 16, 2, 2),
            LayerNorm2d(16),
            nn.GELU(),
            nn.Conv2d(16, CHANNELS, 1),
        )
        self.no_mask_embed = nn.Embedding(1, CHANNELS)

    def tokens(self, points_xy: Tensor, labels: Tensor) -> Tensor:
        """Points as tokens.

        Args:
            points_xy: (N, P, 2) pixels of the network's input, see `coords.sam_points`.
            labels: (N, P), see `NOTHING` and its like.

        Returns:
            (N, P, 256).
        """
        placed = self.pe_layer(points_xy / self.side)
        kinds = [self.not_a_point_embed, *self.point_embeddings]
        table = torch.cat([kind.weight for kind in kinds])
        known = (labels != NOTHING)[..., None]
        return torch.where(known, placed, 0.0) + table[labels + 1]

    def maps(self, masks: Tensor | None) -> Tensor:
        """Mask logits (N, 1, S/4, S/4), or None → (N, 256, S/16, S/16), or (1, 256, 1, 1)."""
        if masks is None:
            return self.no_mask_embed.weight.view(1, CHANNELS, 1, 1)
        maps: Tensor = self.mask_downscaling(masks)
        return maps

    def places(self) -> Tensor:
        """(1, 256, S/16, S/16): where each cell of an embedding lies."""
        cells = self.side // 16
        centres = (torch.arange(cells, device=self.not_a_point_embed.weight.device) + 0.5) / cells
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        placed: Tensor = self.pe_layer(torch.stack([x, y], -1))
        return placed.permute(2, 0, 1)[None]


class FourierPlaces(nn.Module):
    """Places as sines and cosines of random frequencies (Tancik et al., 2020)."""

    def __init__(self) -> None:
        """Make room for the frequencies, which come with the checkpoint."""
        super().__init__()
        frequencies = torch.randn(2, CHANNELS // 2)
        self.register_buffer("positional_encoding_gaussian_matrix", frequencies)

    def forward(self, places: Tensor) -> Tensor:
        """(..., 2) x and y in 0..1 → (..., 256)."""
        frequencies = self.get_buffer("positional_encoding_gaussian_matrix")
        angle = 2 * torch.pi * ((2 * places - 1) @ frequencies)
        return torch.cat([angle.sin(), angle.cos()], -1)
