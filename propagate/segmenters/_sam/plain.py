"""SAM's decoder in the order of operations that was published, as a graph for other runtimes.

It is slower here than `MaskDecoder`, with the same weights and answers; what it has for that is
nothing but plain operators, no buffers and no loops over prompts.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from propagate.segmenters._graph import Graph
from propagate.segmenters._sam.attention import Attention
from propagate.segmenters._sam.network import SIDE, SamNetwork
from propagate.segmenters._sam.prompt_encoder import FIRST_CORNER, LAST_CORNER, ON
from propagate.segmenters._sam.transformer import Layer

_HEADS = 8


class PlainDecoder(nn.Module):
    """Points, corners and masks about one picture to masks and their predicted IoU."""

    def __init__(self, network: SamNetwork) -> None:
        """Use the weights of a network."""
        super().__init__()
        self.prompts, self.decoder = network.prompt_encoder, network.mask_decoder
        self.register_buffer("places", network.prompt_encoder.places().detach(), persistent=False)

    def forward(
        self,
        embedding: Tensor,
        points: Tensor,
        labels: Tensor,
        masks: Tensor,
        has_mask: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Answer.

        Args:
            embedding: (1, 256, 64, 64).
            points: (N, P, 2) pixels of the padded square, plus a half.
            labels: (N, P) int64: 0 and 1 are points off and on the object, 2 and 3 the corners of
                its box, -1 is padding, one of which follows the points where there is no box.
            masks: (N, 1, 256, 256) logits; anything where there are none.
            has_mask: (N,) float: 1 where the mask counts, else 0.

        Returns:
            Logits (N, 4, 256, 256) and predicted IoU (N, 4).
        """
        decoder = self.decoder
        own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
        asked = self.prompts.tokens(points, labels)
        tokens = asked = torch.cat([own[None].expand(points.shape[0], -1, -1), asked], 1)
        given = has_mask[:, None, None, None]
        maps = given * self.prompts.maps(masks) + (1 - given) * self.prompts.maps(None)
        image = (embedding + maps).flatten(2).transpose(1, 2)
        places = self.get_buffer("places").flatten(2).transpose(1, 2)
        for number, layer in enumerate(decoder.transformer.layers):
            assert isinstance(layer, Layer)
            tokens, image = _layer(layer, (image, places), tokens, asked, first=number == 0)
        last = decoder.transformer.final_attn_token_to_image
        tokens = tokens + _attend(last, tokens + asked, image + places, image)
        tokens = decoder.transformer.norm_final_attn(tokens)
        side = embedding.shape[-1]
        large = decoder.output_upscaling(torch.unflatten(image.transpose(1, 2), 2, (side, side)))
        heads = enumerate(decoder.output_hypernetworks_mlps, start=1)
        weights = torch.stack([head(tokens[:, number]) for number, head in heads], 1)
        logits = torch.unflatten(weights @ large.flatten(2), 2, (4 * side, 4 * side))
        return logits, decoder.iou_prediction_head(tokens[:, 0])


def _layer(
    layer: Layer, scene: tuple[Tensor, Tensor], tokens: Tensor, asked: Tensor, *, first: bool
) -> tuple[Tensor, Tensor]:
    """Tokens (N, T, 256) and picture (N, S, 256) after a layer; `scene` is picture and places."""
    image, places = scene
    placed = tokens if first else tokens + asked
    found = _attend(layer.self_attn, placed, placed, tokens)
    tokens = layer.norm1(found if first else tokens + found)
    read = _attend(layer.cross_attn_token_to_image, tokens + asked, image + places, image)
    tokens = layer.norm2(tokens + read)
    tokens = layer.norm3(tokens + layer.mlp(tokens))
    answer = _attend(layer.cross_attn_image_to_token, image + places, tokens + asked, tokens)
    return tokens, layer.norm4(image + answer)


def _attend(attention: Attention, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """(N, Q, 256), (N, K, 256) twice → (N, Q, 256)."""
    q, k, v = (
        torch.unflatten(projection(x), 2, (_HEADS, -1)).transpose(1, 2)
        for projection, x in (
            (attention.q_proj, query),
            (attention.k_proj, key),
            (attention.v_proj, value),
        )
    )
    logits = q @ k.transpose(2, 3) * q.shape[-1] ** -0.5
    mixed: Tensor = attention.out_proj((logits.softmax(-1) @ v).transpose(1, 2).flatten(2))
    return mixed


def graphs(network: SamNetwork) -> list[Graph]:
    """The decoder of a network."""
    cells = SIDE // 16

    def example(count: int) -> tuple[Tensor, ...]:
        corners = SIDE * torch.rand(count, 3, 2)
        labels = torch.tensor([ON, FIRST_CORNER, LAST_CORNER]).expand(count, 3).contiguous()
        masks = 4 * torch.randn(count, 1, 4 * cells, 4 * cells)
        has_mask = (torch.arange(count) % 2).float()
        return torch.randn(1, 256, cells, cells), corners, labels, masks, has_mask

    each = {0: "prompts"}
    return [
        Graph(
            "decoder",
            PlainDecoder(network).eval(),
            ("embedding", "points", "labels", "masks", "has_mask"),
            ("logits", "scores"),
            {
                "points": {0: "prompts", 1: "points"},
                "labels": {0: "prompts", 1: "points"},
                "masks": each,
                "has_mask": each,
            },
            example,
        )
    ]
