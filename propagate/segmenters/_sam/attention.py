"""Attention between a few tokens and the many cells of a picture, without projecting the cells.

Attention as published projects every cell of the picture for every prompt, to keys and values, or
to queries and back. A prompt has about seven tokens, so it is cheaper to carry their side of each
product through the projection instead: with q a token's query, x a cell and W the projection of
keys, q · (W x) = (Wᵀ q) · x, and a weighted sum of values is the value of the weighted sum. The
answers are those of the published order of operations but for rounding.

N prompts, T tokens a prompt, S cells, heads of c channels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from propagate.segmenters._sam.workspace import Workspace

CHANNELS = 256
_HEADS = 8


class Attention(nn.Module):
    """Attention in as many channels as it is told, between what has that many rows or few."""

    def __init__(self, channels: int) -> None:
        """Make the projections."""
        super().__init__()
        self.q_proj = nn.Linear(CHANNELS, channels)
        self.k_proj = nn.Linear(CHANNELS, channels)
        self.v_proj = nn.Linear(CHANNELS, channels)
        self.out_proj = nn.Linear(channels, CHANNELS)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """(N, Q, 256), (N, K, 256) twice → (N, Q, 256)."""
        return self.mix(query, by_head(self.k_proj(key)), by_head(self.v_proj(value)))

    def mix(self, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """The same for keys and values that are projected: (N or 1, heads, K, c)."""
        queries = by_head(self.q_proj(query))
        keys, values = (x.expand(len(queries), -1, -1, -1) for x in (keys, values))
        return self.out(F.scaled_dot_product_attention(queries, keys, values))

    def out(self, mixed: Tensor) -> Tensor:
        """(N, heads, T, c) → (N, T, 256)."""
        done: Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))
        return done


class Found(NamedTuple):
    """What cells find in tokens, as a product: weightsᵀ @ values.

    Weights are (N, heads * T, S), values (N, heads * T, 256).
    """

    weights: Tensor
    values: Tensor


class Places:
    """Where the cells of a picture are, projected once for each attention that asks."""

    def __init__(self, cells: Tensor) -> None:
        """Hold (S, 256)."""
        self.cells = cells
        self._projected: dict[nn.Linear, Tensor] = {}

    def projected(self, layer: nn.Linear) -> Tensor:
        """(S, heads * c), with the layer's bias."""
        if layer not in self._projected:
            self._projected[layer] = layer(self.cells)
        return self._projected[layer]


class Shared:
    """A picture that all prompts share: projected once."""

    def __init__(
        self, image: Tensor, places: Places, reading: Attention, answering: Attention
    ) -> None:
        """Project cells (S, 256) for one attention from tokens and one to them."""
        placed = image + places.cells
        self.image, self.places = image, places
        self._keys = by_head(reading.k_proj(placed)[None])
        self._values = by_head(reading.v_proj(image)[None])
        self._queries = answering.q_proj(placed)

    def read(self, attention: Attention, tokens: Tensor, space: Workspace) -> Tensor:
        """What tokens (N, T, 256) find in the picture: the same shape."""
        return attention.mix(tokens, self._keys, self._values)

    def answer(self, attention: Attention, key: Tensor, value: Tensor, space: Workspace) -> Found:
        """What cells find in tokens (N, T, 256)."""
        logits = products(by_head(attention.k_proj(key)), self._queries, space)
        return found(attention, logits, value)

    def own(self, count: int, space: Workspace) -> Tensor:
        """The picture (N, S, 256), once a prompt, to write into."""
        copies = space.take("image", (count, *self.image.shape))
        return copies.copy_(self.image)


class Own:
    """A picture a prompt, such as they are when tokens were written into them."""

    def __init__(self, image: Tensor, places: Places) -> None:
        """Hold the cells (N, S, 256) and where they are."""
        self.image, self.places = image, places

    def read(self, attention: Attention, tokens: Tensor, space: Workspace) -> Tensor:
        """See `Shared.read`."""
        queries = by_head(attention.q_proj(tokens))
        logits = self._compare(queries, attention.k_proj, space)
        weights = torch.softmax(logits, -1, out=logits)
        cells = torch.unflatten(weights.flatten(1, 2) @ self.image, 1, logits.shape[1:3])
        value, bias = split(attention.v_proj.weight), split(attention.v_proj.bias)
        return attention.out(cells @ value.transpose(1, 2) + bias[:, None])

    def answer(self, attention: Attention, key: Tensor, value: Tensor, space: Workspace) -> Found:
        """See `Shared.answer`."""
        logits = self._compare(by_head(attention.k_proj(key)), attention.q_proj, space)
        return found(attention, logits, value)

    def own(self, count: int, space: Workspace) -> Tensor:
        """The pictures themselves, to write into: nothing else needs them as they were."""
        return self.image

    def _compare(self, tokens: Tensor, layer: nn.Linear, space: Workspace) -> Tensor:
        """Logits (N, heads, T, S) of tokens (N, heads, T, c) and of cells with their places."""
        logits = products(tokens, self.places.projected(layer), space)
        carried = (tokens @ split(layer.weight)).flatten(1, 2) * tokens.shape[-1] ** -0.5
        logits.flatten(1, 2).baddbmm_(carried, self.image.transpose(1, 2))
        return logits


def products(tokens: Tensor, cells: Tensor, space: Workspace) -> Tensor:
    """Logits (N, heads, T, S) of tokens (N, heads, T, c) and projected cells (S, heads * c)."""
    logits = space.take("logits", (*tokens.shape[:3], len(cells)))
    columns = split(cells.t())
    for one, out in zip(tokens * tokens.shape[-1] ** -0.5, logits, strict=True):
        torch.bmm(one, columns, out=out)
    return logits


def found(attention: Attention, logits: Tensor, value: Tensor) -> Found:
    """From logits (N, heads, T, S) of cells and tokens, and the tokens (N, T, 256)."""
    weights = torch.softmax(logits, 2, out=logits)
    layer = attention.out_proj
    values = by_head(attention.v_proj(value)) @ split(layer.weight.t())
    values = values + layer.bias / _HEADS  # the weights of each head sum to 1
    return Found(weights.flatten(1, 2), values.flatten(1, 2))


def by_head(x: Tensor) -> Tensor:
    """(N, T, heads * c) → (N, heads, T, c)."""
    return torch.unflatten(x, 2, (_HEADS, -1)).transpose(1, 2)


def split(x: Tensor) -> Tensor:
    """(heads * c, ...) → (heads, c, ...)."""
    return torch.unflatten(x, 0, (_HEADS, -1))
