"""SAM whole: pictures to embeddings, prompts to masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from propagate import coords
from propagate.segmenters._sam.image_encoder import VIT_B, VIT_H, VIT_L, ImageEncoder
from propagate.segmenters._sam.mask_decoder import MaskDecoder
from propagate.segmenters._sam.prompt_encoder import PromptEncoder
from propagate.segmenters._sam.tiny_vit import TinyVit

SIDE = 1024
_MEAN, _DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)

ENCODERS: dict[str, Callable[[], nn.Module]] = {
    "sam-vit-b": lambda: ImageEncoder(VIT_B),
    "sam-vit-l": lambda: ImageEncoder(VIT_L),
    "sam-vit-h": lambda: ImageEncoder(VIT_H),
    "mobile-sam": TinyVit,
}
"""Name → image encoder: (B, 3, S, S) normalised → (B, 256, S/16, S/16)."""


@dataclass(frozen=True, eq=False)
class Question:
    """A batch of N prompts about one picture, in pixels of the network's input.

    Attributes:
        points_xy: (N, P, 2), see `coords.sam_points`.
        labels: (N, P), see `prompt_encoder`; at least one point or corner a prompt.
        masks: (N, 1, 256, 256) logits, or None.
    """

    points_xy: Tensor
    labels: Tensor
    masks: Tensor | None = None


class SamNetwork(nn.Module):
    """Image encoder, prompt encoder, mask decoder."""

    def __init__(self, image_encoder: nn.Module, side: int = SIDE) -> None:
        """Put them together; `side` is that of the encoder's input in pixels."""
        super().__init__()
        self.image_encoder = image_encoder
        self.prompt_encoder = PromptEncoder(side)
        self.mask_decoder = MaskDecoder()

    def encode(self, image: Tensor) -> Tensor:
        """(3, H, W) uint8 RGB → (1, 256, 64, 64), see `prepare`."""
        embedding: Tensor = self.image_encoder(prepare(image))
        return embedding

    def decode(self, embedding: Tensor, question: Question) -> tuple[Tensor, Tensor]:
        """Logits (N, 4, 256, 256) over the padded square, and predicted IoU (N, 4)."""
        encoder = self.prompt_encoder
        tokens = encoder.tokens(question.points_xy, question.labels)
        answer: tuple[Tensor, Tensor] = self.mask_decoder(
            embedding, encoder.places(), tokens, encoder.maps(question.masks)
        )
        return answer


def prepare(image: Tensor) -> Tensor:
    """(3, H, W) uint8 RGB → (1, 3, 1024, 1024): resized, normalised, padded below and right.

    The resize averages in 8 bits as Pillow's bilinear filter does, which the weights were trained
    with.
    """
    size_hw = coords.fit_long_side((image.shape[1], image.shape[2]), SIDE)
    resized = F.interpolate(image[None], size_hw, mode="bilinear", antialias=True).float()
    mean, deviation = (
        torch.tensor(values, device=image.device).view(1, 3, 1, 1) for values in (_MEAN, _DEVIATION)
    )
    return F.pad((resized - mean) / deviation, (0, SIDE - size_hw[1], 0, SIDE - size_hw[0]))
