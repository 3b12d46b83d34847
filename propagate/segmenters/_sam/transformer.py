"""The two-way transformer: tokens read the picture, the picture reads the tokens.

All prompts of a batch share the picture. Until the first layer has written what the tokens say
into it, there is one picture for all, and it is projected once: that saves a third of the work of
the published code, which copies the picture for every prompt.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from propagate.segmenters._sam.layers import MlpBlock

CHANNELS = 256
_HEADS = 8
_LAYERS = 2


class TwoWayTransformer(nn.Module):
    """Two layers and a last look at the picture."""

    def __init__(self) -> None:
        """Make the layers."""
        super().__init__()
        self.layers = nn.ModuleList(Layer(first=index == 0) for index in range(_LAYERS))
        self.final_attn_token_to_image = Attention(CHANNELS // 2)
        self.norm_final_attn = nn.LayerNorm(CHANNELS)

    def forward(self, image: Tensor, places: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Mix.

        Args:
            image: (N or 1, cells, 256).
            places: (1, cells, 256).
            tokens: (N, T, 256).

        Returns:
            Tokens (N, T, 256) and image (N, cells, 256).
        """
        asked = tokens
        for layer in self.layers:
            tokens, image = layer(image, places, tokens, asked)
        tokens = tokens + self.final_attn_token_to_image(tokens + asked, image + places, image)
        return self.norm_final_attn(tokens), image


class Layer(nn.Module):
    """Tokens among themselves, tokens to image, a perceptron, image to tokens."""

    def __init__(self, *, first: bool) -> None:
        """Make the parts; in the first layer the tokens are their own places."""
        super().__init__()
        self.self_attn = Attention(CHANNELS)
        self.norm1 = nn.LayerNorm(CHANNELS)
        self.cross_attn_token_to_image = Attention(CHANNELS // 2)
        self.norm2 = nn.LayerNorm(CHANNELS)
        self.mlp = MlpBlock(CHANNELS, 2048, nn.ReLU)
        self.norm3 = nn.LayerNorm(CHANNELS)
        self.norm4 = nn.LayerNorm(CHANNELS)
        self.cross_attn_image_to_token = Attention(CHANNELS // 2)
        self._first = first

    def forward(
        self, image: Tensor, places: Tensor, tokens: Tensor, asked: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `TwoWayTransformer.forward`; `asked` are the tokens as they came in."""
        if self._first:
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            placed = tokens + asked
            tokens = tokens + self.self_attn(placed, placed, tokens)
        tokens = self.norm1(tokens)
        image_placed = image + places
        tokens = tokens + self.cross_attn_token_to_image(tokens + asked, image_placed, image)
        tokens = self.norm2(tokens)
        tokens = self.norm3(tokens + self.mlp(tokens))
        image = image + self.cross_attn_image_to_token(image_placed, tokens + asked, tokens)
        return tokens, self.norm4(image)


class Attention(nn.Module):
    """Attention between two sequences, in as many channels as it is told."""

    def __init__(self, channels: int) -> None:
        """Make the projections."""
        super().__init__()
        self.q_proj = nn.Linear(CHANNELS, channels)
        self.k_proj = nn.Linear(CHANNELS, channels)
        self.v_proj = nn.Linear(CHANNELS, channels)
        self.out_proj = nn.Linear(channels, CHANNELS)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """(N or 1, Q, 256), (N or 1, K, 256) twice → (N, Q, 256); a 1 serves all N."""
        q, k, v = (
            projection(x).unflatten(2, (_HEADS, -1)).transpose(1, 2)
            for projection, x in ((self.q_proj, query), (self.k_proj, key), (self.v_proj, value))
        )
        count = max(len(q), len(k))
        q, k, v = (x.expand(count, -1, -1, -1) for x in (q, k, v))
        mixed = F.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))
        return out
