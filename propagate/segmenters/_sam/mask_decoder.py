"""Tokens and an image embedding to masks and their predicted IoU."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from propagate.segmenters._sam.layers import LayerNorm2d, Mlp
from propagate.segmenters._sam.transformer import CHANNELS, TwoWayTransformer

MASKS = 4
"""The first is the answer to a clear prompt, the other three are those to an ambiguous one."""


class MaskDecoder(nn.Module):
    """Answers N prompts about one picture."""

    def __init__(self) -> None:
        """Make tokens, transformer, upscaling and heads."""
        super().__init__()
        self.transformer = TwoWayTransformer()
        self.iou_token = nn.Embedding(1, CHANNELS)
        self.mask_tokens = nn.Embedding(MASKS, CHANNELS)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(CHANNELS, CHANNELS // 4, 2, 2),
            LayerNorm2d(CHANNELS // 4),
            nn.GELU(),
            nn.ConvTranspose2d(CHANNELS // 4, CHANNELS // 8, 2, 2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(
            Mlp(CHANNELS, CHANNELS, CHANNELS // 8, 3) for _ in range(MASKS)
        )
        self.iou_prediction_head = Mlp(CHANNELS, CHANNELS, MASKS, 3)

    def forward(
        self, embedding: Tensor, places: Tensor, tokens: Tensor, maps: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Answer.

        Args:
            embedding: (1, 256, h, w) of the picture.
            places: (1, 256, h, w), see `PromptEncoder.places`.
            tokens: (N, P, 256), see `PromptEncoder.tokens`.
            maps: (N or 1, 256, h, w) or (1, 256, 1, 1), see `PromptEncoder.maps`.

        Returns:
            Logits (N, 4, 4h, 4w) and predicted IoU (N, 4).
        """
        height, width = embedding.shape[-2:]
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([own.expand(len(tokens), -1, -1), tokens], 1)
        image = (embedding + maps).flatten(2).transpose(1, 2)
        tokens, image = self.transformer(image, places.flatten(2).transpose(1, 2), tokens)
        scores: Tensor = self.iou_prediction_head(tokens[:, 0])
        weights = torch.stack(
            [head(tokens[:, 1 + n]) for n, head in enumerate(self.output_hypernetworks_mlps)], 1
        )
        logits = [
            (one @ self._upscale(picture, (height, width))).unflatten(1, (4 * height, 4 * width))
            for one, picture in zip(weights, image, strict=True)
        ]
        return torch.stack(logits), scores

    def _upscale(self, image: Tensor, size_hw: tuple[int, int]) -> Tensor:
        """(h * w, 256) → (32, 16 * h * w); one prompt at a time, since that stays in the cache."""
        x = torch.unflatten(image.T, 1, size_hw)[None]
        up: Tensor = self.output_upscaling(x)
        return up[0].flatten(1)


def single_or_three(values: Tensor, *, several: bool) -> Tensor:
    """Of the four answers (N, 4, ...) those to an ambiguous prompt, or that to a clear one."""
    return values[:, 1:] if several else values[:, :1]
