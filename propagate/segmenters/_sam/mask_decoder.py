"""Tokens and an image embedding to masks and their predicted IoU."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from propagate.segmenters._sam.attention import CHANNELS, Own, Places
from propagate.segmenters._sam.layers import LayerNorm2d, Mlp, gelu_
from propagate.segmenters._sam.transformer import TwoWayTransformer
from propagate.segmenters._sam.workspace import Workspace

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

    @torch.no_grad()
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
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([own.expand(len(tokens), -1, -1), tokens], 1)
        image = (embedding + maps).flatten(2).transpose(1, 2).contiguous()
        where = Places(places[0].flatten(1).t().contiguous())
        shared = self.transformer.share(image[0], where) if len(image) == 1 else None
        space = Workspace(embedding)
        logits = embedding.new_empty(
            len(tokens), MASKS, *(4 * side for side in embedding.shape[-2:])
        )
        upscaling = Upscaling(self.output_upscaling, space)
        scores = []
        for first in range(0, len(tokens), _PROMPTS):
            part = slice(first, first + _PROMPTS)
            scene = shared or Own(image[part], where)
            mixed, answers = self.transformer(scene, tokens[part], space)
            scores.append(self.iou_prediction_head(mixed[:, 0]))
            weights = self._weights(mixed)
            for one, answer, out in zip(weights, answers, logits[part], strict=True):
                upscaling.draw(answer, one, out)
        return logits, torch.cat(scores)

    def _weights(self, tokens: Tensor) -> Tensor:
        """(N, T, 256) → (N, 4, 32): the sum of channels that is each mask."""
        heads = enumerate(self.output_hypernetworks_mlps, start=1)
        return torch.stack([head(tokens[:, n]) for n, head in heads], 1)


_PROMPTS = 4  # at a time: what they make of the picture stays in the cache
_CELLS = 2048  # likewise, when masks are drawn


class Upscaling:
    """Cells to masks, for one decoding; the layers of `output_upscaling` as matrices.

    The transposed convolutions do not overlap: each cell becomes 2 x 2 cells by itself. So they
    are products, and a part of the picture goes all the way to masks while it is in the cache.
    """

    def __init__(self, layers: nn.Sequential, space: Workspace) -> None:
        """Lay the weights out."""
        first, norm, _, second, _ = layers
        assert isinstance(norm, LayerNorm2d)
        self._norm = norm.weight, norm.bias
        self._first, self._second = as_matrix(first), as_matrix(second)
        self._space = space

    def draw(self, image: Tensor, weights: Tensor, out: Tensor) -> None:
        """Cells (h * w, 256) and weights (4, 32) to masks (4, 4h, 4w), written to `out`."""
        width = out.shape[2] // 4
        nested = out.view(MASKS, -1, 2, 2, width, 2, 2)  # y three times, x three times
        rows = max(1, _CELLS // width)
        for cells, part in zip(
            torch.split(image, rows * width), torch.split(nested, rows, 1), strict=True
        ):
            x = self._enlarge("finer", cells, self._first)
            x = F.layer_norm(x, x.shape[1:], *self._norm, 1e-6)
            x = self._enlarge("finest", gelu_(x), self._second)
            masks = gelu_(x) @ weights.t()
            part.copy_(masks.view(-1, width, 2, 2, 2, 2, MASKS).permute(6, 0, 2, 4, 1, 3, 5))

    def _enlarge(self, name: str, x: Tensor, layer: tuple[Tensor, Tensor]) -> Tensor:
        """(n, c) → (4n, c'), the four of a cell row by row."""
        bias, matrix = layer
        larger = self._space.take(name, (len(x), len(bias)))
        return torch.addmm(bias, x, matrix, out=larger).view(4 * len(x), -1)


def as_matrix(layer: nn.Module) -> tuple[Tensor, Tensor]:
    """Bias (4c') and weight (c, 4c') of a transposed convolution of 2 x 2 with stride 2."""
    assert isinstance(layer, nn.ConvTranspose2d) and layer.bias is not None
    return layer.bias.repeat(4), layer.weight.permute(0, 2, 3, 1).flatten(1)


def single_or_three(values: Tensor, *, several: bool) -> Tensor:
    """Of the four answers (N, 4, ...) those to an ambiguous prompt, or that to a clear one."""
    return values[:, 1:] if several else values[:, :1]
