"""The two-way transformer: tokens read the picture, the picture reads the tokens.

All prompts of a batch share the picture until the first layer has written what the tokens say into
it; so far it is projected once for all of them. The published code copies it for every prompt.
"""

from __future__ import annotations

from torch import Tensor, nn

from propagate.segmenters._sam.attention import CHANNELS, Attention, Own, Places, Shared
from propagate.segmenters._sam.layers import MlpBlock
from propagate.segmenters._sam.workspace import Workspace, norm_in_place

_LAYERS = 2


class TwoWayTransformer(nn.Module):
    """Two layers and a last look at the picture."""

    def __init__(self) -> None:
        """Make the layers."""
        super().__init__()
        self.layers = nn.ModuleList(Layer(first=index == 0) for index in range(_LAYERS))
        self.final_attn_token_to_image = Attention(CHANNELS // 2)
        self.norm_final_attn = nn.LayerNorm(CHANNELS)

    def share(self, image: Tensor, places: Places) -> Shared:
        """A picture for many prompts: cells (S, 256) and where they are."""
        first: Layer = self.layers[0]  # type: ignore[assignment]
        return Shared(
            image, places, first.cross_attn_token_to_image, first.cross_attn_image_to_token
        )

    def forward(
        self, scene: Shared | Own, tokens: Tensor, space: Workspace
    ) -> tuple[Tensor, Tensor]:
        """Mix.

        Args:
            scene: the picture.
            tokens: (N, T, 256).
            space: buffers; the returned image lies in them.

        Returns:
            Tokens (N, T, 256) and image (N, S, 256).
        """
        asked = tokens
        for layer in self.layers:
            tokens, scene = layer(scene, tokens, asked, space)
        tokens = tokens + scene.read(self.final_attn_token_to_image, tokens + asked, space)
        return self.norm_final_attn(tokens), scene.image


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
        self, scene: Shared | Own, tokens: Tensor, asked: Tensor, space: Workspace
    ) -> tuple[Tensor, Own]:
        """See `TwoWayTransformer.forward`; `asked` are the tokens as they came in."""
        if self._first:
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            placed = tokens + asked
            tokens = tokens + self.self_attn(placed, placed, tokens)
        tokens = self.norm1(tokens)
        read = scene.read(self.cross_attn_token_to_image, tokens + asked, space)
        tokens = self.norm2(tokens + read)
        tokens = self.norm3(tokens + self.mlp(tokens))
        found = scene.answer(self.cross_attn_image_to_token, tokens + asked, tokens, space)
        image = scene.own(len(tokens), space)
        image.baddbmm_(found.weights.transpose(1, 2), found.values)
        return tokens, Own(norm_in_place(image, self.norm4), scene.places)
