"""The whole network: encode once, answer many.

Encoder: trunk, then a top-down neck to strides 16, 8 and 4 (feature pyramid: Lin et al., 2017)
and appearance keys at stride 16. Decoder: prompt maps and memory readings are added to the
features; three blocks at stride 16 each look at a coarse mask of their own and compare every cell
with what that mask covers; then strides 8 and 4 sharpen the edge. Everything that does not depend
on the prompt is computed once a picture.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from propagate.segmenters._lite import trunk
from propagate.segmenters._lite.layers import Block, upsample
from propagate.segmenters._lite.prompt_maps import MAPS
from propagate.segmenters._lite.trunk import Trunk
from propagate.types import READINGS

WIDE, MIDDLE, FINE = 128, 64, 32
"""Channels at strides 16, 8 and 4."""
KEY_CHANNELS = 48
KEY_TEMPERATURE = 16.0
"""Keys are unit vectors times sqrt(temperature): an exact match has this logit."""
CANDIDATES = 3


class Features(NamedTuple):
    """An encoded batch: (B, 128, H/16, W/16), (B, 64, H/8, W/8), (B, 32, H/4, W/4), keys."""

    wide: Tensor
    middle: Tensor
    fine: Tensor
    keys: Tensor


class Answer(NamedTuple):
    """What the decoder says: logits (N, 3, H/4, W/4), score logits (N, 3), coarse logits."""

    logits: Tensor
    scores: Tensor
    coarse: list[Tensor]


def channels_last(network: LiteNetwork) -> LiteNetwork:
    """Lay the weights out as a CPU's convolutions read them fastest; edits and returns."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def lateral(channels_in: int, channels: int) -> nn.Sequential:
    """Trunk channels to pyramid channels; the norm tames the trunk's free scale."""
    return nn.Sequential(nn.Conv2d(channels_in, channels, 1, bias=False), nn.BatchNorm2d(channels))


class Neck(nn.Module):
    """Trunk features to one pyramid, and appearance keys."""

    def __init__(self) -> None:
        """Make the laterals and a block a level."""
        super().__init__()
        at4, at8, at16, at32 = trunk.CHANNELS
        self.from32 = lateral(at32, WIDE)
        self.context = nn.Conv2d(WIDE, WIDE, 1)
        self.from16 = lateral(at16, WIDE)
        self.from8 = lateral(at8, MIDDLE)
        self.from4 = lateral(at4, FINE)
        self.down16 = nn.Conv2d(WIDE, MIDDLE, 1)
        self.down8 = nn.Conv2d(MIDDLE, FINE, 1)
        self.block16 = Block(WIDE, 5, 2 * WIDE)
        self.block8 = Block(MIDDLE, 3, 2 * MIDDLE)
        self.block4 = Block(FINE, 3, 2 * FINE)
        self.keys = nn.Conv2d(WIDE, KEY_CHANNELS, 1)

    def forward(self, taps: list[Tensor]) -> Features:
        """Features at strides 4, 8, 16, 32 → the pyramid and the keys."""
        at4, at8, at16, at32 = taps
        top = self.from32(at32)
        top = top + self.context(top.mean((2, 3), keepdim=True))
        wide = self.block16(self.from16(at16) + upsample(top, at16))
        middle = self.block8(self.from8(at8) + upsample(self.down16(wide), at8))
        fine = self.block4(self.from4(at4) + upsample(self.down8(middle), at4))
        keys = F.normalize(self.keys(wide).float(), dim=1) * KEY_TEMPERATURE**0.5
        return Features(wide, middle, fine, keys)


class Round(nn.Module):
    """One look: guess a coarse mask, compare all cells with what it covers, then mix."""

    def __init__(self) -> None:
        """Make the guess, the comparison and the block."""
        super().__init__()
        self.guess = nn.Conv2d(WIDE, 1, 1)
        self.compare = nn.Conv2d(WIDE, KEY_CHANNELS, 1)
        self.compared = nn.Conv2d(2, WIDE, 1)
        self.modulate = nn.Sequential(
            nn.LayerNorm(3 * WIDE), nn.Linear(3 * WIDE, WIDE), nn.ReLU(), nn.Linear(WIDE, 2 * WIDE)
        )
        nn.init.zeros_(self.modulate[-1].get_parameter("weight"))
        self.block = Block(WIDE, 5, 3 * WIDE // 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 128, h, w) → the same shape, and the coarse logits (N, 1, h, w)."""
        coarse = self.guess(x)
        inside = torch.sigmoid(coarse)
        pooled = pool(x, inside)
        likeness = compare(self.compare(x), torch.cat([inside, 1 - inside], 1))
        scale, shift = self.modulate(pooled[:, 0])[..., None, None].chunk(2, 1)
        return self.block(x * (1 + scale) + shift + self.compared(likeness)), coarse


def weigh(x: Tensor, weights: Tensor) -> Tensor:
    """Sums of features under K maps: (N, C, h, w), (N, K, h, w) → (N, K, C)."""
    cells = x.permute(0, 2, 3, 1).flatten(1, 2)  # no copy where channels are last
    return torch.bmm(weights.flatten(2).to(cells.dtype), cells)


def compare(traits: Tensor, parts: Tensor) -> Tensor:
    """How much every cell is like the mean of each part: cosine, (N, K, h, w).

    Args:
        traits: (N, C, h, w).
        parts: (N, K, h, w) 0..1.
    """
    means = F.normalize(weigh(traits, parts).float(), dim=2).to(traits.dtype)
    cells = traits.permute(0, 2, 3, 1).flatten(1, 2)
    dots = torch.bmm(cells, means.transpose(1, 2))
    lengths = torch.linalg.vector_norm(cells, dim=2, keepdim=True).clamp(min=1e-8)
    return torch.unflatten((dots / lengths).transpose(1, 2), 2, traits.shape[2:])


def pool(x: Tensor, inside: Tensor) -> Tensor:
    """Mean features inside, outside and everywhere: (N, C, h, w), (N, K, h, w) → (N, K, 3C)."""
    count = inside[0, 0].numel()
    exact = torch.float32  # the area outside is a small difference where the mask is large
    area = inside.sum((2, 3), dtype=exact)[..., None]
    everywhere = x.mean((2, 3), dtype=exact)[:, None].expand(-1, inside.shape[1], -1)
    within = weigh(x, inside).to(exact)
    outside = (everywhere * count - within) / (count - area + 1e-3)
    return torch.cat([within / (area + 1e-3), outside, everywhere], 2)


class Decoder(nn.Module):
    """Prompt maps and memory readings on top of shared features → masks and their scores."""

    def __init__(self) -> None:
        """Make the prompt path, three rounds, and two sharpening levels."""
        super().__init__()
        self.prompt8 = nn.Conv2d(MAPS, 16, 3, stride=2, padding=1)
        self.prompt16 = nn.Conv2d(16, WIDE, 3, stride=2, padding=1)
        self.readings = nn.Conv2d(len(READINGS) + 1, WIDE, 3, padding=1)
        self.rounds = nn.ModuleList(Round() for _ in range(3))
        self.down16 = nn.Conv2d(WIDE, MIDDLE, 1)
        self.into8 = nn.Conv2d(16, MIDDLE, 1)
        self.blocks8 = nn.ModuleList(Block(MIDDLE, 3, 3 * MIDDLE // 2) for _ in range(2))
        self.down8 = nn.Conv2d(MIDDLE, FINE, 1)
        self.into4 = nn.Conv2d(MAPS, FINE, 3, padding=1)
        self.block4 = Block(FINE, 3, 3 * FINE // 2)
        self.masks = nn.Conv2d(FINE, CANDIDATES, 3, padding=1)
        self.score = nn.Sequential(
            nn.LayerNorm(3 * WIDE + 4), nn.Linear(3 * WIDE + 4, 96), nn.ReLU(), nn.Linear(96, 1)
        )

    def forward(self, features: Features, maps: Tensor, recall: Tensor) -> Answer:
        """Answer N questions.

        Args:
            features: of N pictures, or of one that all questions share.
            maps: (N, 6, H/4, W/4), see `prompt_maps`.
            recall: (N, 5, H/16, W/16): the readings and a plane of ones where there are any.
        """
        at8 = F.relu(self.prompt8(maps))
        x = features.wide + self.prompt16(at8) + self.readings(recall)
        coarse = []
        for look in self.rounds:
            x, guess = look(x)
            coarse.append(guess)
        y = features.middle + self.into8(at8)
        y = y + upsample(self.down16(x), y)
        for block in self.blocks8:
            y = block(y)
        z = features.fine + self.into4(maps)
        z = self.block4(z + upsample(self.down8(y), z))
        logits = self.masks(F.relu(z))
        return Answer(logits, self.scores(x, logits), coarse)

    def scores(self, x: Tensor, logits: Tensor) -> Tensor:
        """Score logits (N, 3): what each mask covers, how large and how sure it is."""
        inside = F.avg_pool2d(torch.sigmoid(logits.detach()), 4)
        sure = (2 * inside - 1).abs()
        looks = [
            inside.mean((2, 3)),
            inside.amax((2, 3)),
            sure.mean((2, 3)),
            (inside * sure).mean((2, 3)),
        ]
        scores: Tensor = self.score(torch.cat([pool(x, inside), torch.stack(looks, 2)], 2))
        return scores[..., 0]


class LiteNetwork(nn.Module):
    """Trunk, neck and decoder."""

    def __init__(self) -> None:
        """Make the parts, untrained."""
        super().__init__()
        self.trunk = Trunk()
        self.neck = Neck()
        self.decoder: nn.Module = Decoder()

    def encode(self, images: Tensor) -> Features:
        """(B, 3, H, W) uint8 or float 0..255, H and W multiples of 32 → features."""
        features: Features = self.neck(self.trunk((images.float() - 127.0).div_(128.0)))
        return features

    def decode(self, features: Features, maps: Tensor, recall: Tensor) -> Answer:
        """See `Decoder.forward`."""
        answer: Answer = self.decoder(features, maps, recall)
        return answer
