"""EfficientNet-Lite0 up to stride 32, its batch norms folded into the convolutions.

Tan and Le, "EfficientNet", 2019; the Lite variant has ReLU6 and no squeeze-and-excitation.
ImageNet statistics never move here, so a folded network trains and runs as one definition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_BATCH_NORM_EPS = 1e-3


@dataclass(frozen=True)
class Stage:
    """One run of equal blocks: repeats, kernel, stride of the first, expansion, channels out."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
TAPS = {2: 0, 4: 1, 10: 2, 15: 3}
"""Block index → output: the last blocks at strides 4, 8, 16 and 32."""
CHANNELS = (24, 40, 112, 320)
_STEM_CHANNELS = 32


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME is: more on the right and below when strided.

    The weights were trained so; symmetric padding would shift every stride by half a cell.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C', H/stride, W/stride); H and W multiples of the stride."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        if stride == 1:
            return F.conv2d(x, self.weight, self.bias, 1, kernel // 2, 1, self.groups)
        before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
        x = F.pad(x, (before, after, before, after))
        return F.conv2d(x, self.weight, self.bias, stride, 0, 1, self.groups)


class InvertedBottleneck(nn.Module):
    """Expand, filter depthwise, project; a residual where the shape allows."""

    def __init__(self, channels_in: int, channels: int, stage: Stage, stride: int) -> None:
        """Make the three convolutions (two without expansion)."""
        super().__init__()
        wide = channels_in * stage.expansion
        self.expand = SameConv(channels_in, wide, 1) if stage.expansion > 1 else None
        self.depthwise = SameConv(wide, wide, stage.kernel, stride, groups=wide)
        self.project = SameConv(wide, channels, 1)
        self.residual = stride == 1 and channels_in == channels

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C', H/stride, W/stride)."""
        y = x if self.expand is None else F.relu6(self.expand(x))
        out: Tensor = self.project(F.relu6(self.depthwise(y)))
        return x + out if self.residual else out


class Trunk(nn.Module):
    """An RGB image to features at strides 4, 8, 16 and 32 (`CHANNELS`).

    Attributes:
        ranges: (16, 2) least and largest result of each block, 0 where that was not measured; see
            `int8`.
    """

    def __init__(self) -> None:
        """Make the stem and sixteen blocks."""
        super().__init__()
        self.stem: nn.Module = SameConv(3, _STEM_CHANNELS, 3, 2)
        blocks = []
        channels_in = _STEM_CHANNELS
        for stage in STAGES:
            for repeat in range(stage.repeats):
                stride = stage.stride if repeat == 0 else 1
                blocks.append(InvertedBottleneck(channels_in, stage.channels, stage, stride))
                channels_in = stage.channels
        self.blocks = nn.ModuleList(blocks)
        self.ranges: Tensor
        self.register_buffer("ranges", torch.zeros(len(blocks), 2))

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) normalised, H and W multiples of 32 → features at strides 4, 8, 16, 32."""
        x = F.relu6(self.stem(x))
        taps = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in TAPS:
                taps.append(x)
        return taps


def fold_imagenet(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The published ImageNet state dict of EfficientNet-Lite0 → the state dict of `Trunk`.

    Each batch norm is folded into the convolution before it; the classifier is dropped.
    """
    folded: dict[str, Tensor] = {}

    def fold(name: str, conv: str, norm: str) -> None:
        weight = published[f"{conv}.weight"].double()
        scale = published[f"{norm}.weight"].double() / torch.sqrt(
            published[f"{norm}.running_var"].double() + _BATCH_NORM_EPS
        )
        bias = (
            published[f"{norm}.bias"].double() - published[f"{norm}.running_mean"].double() * scale
        )
        folded[f"{name}.weight"] = (weight * scale[:, None, None, None]).float()
        folded[f"{name}.bias"] = bias.float()

    fold("stem", "_conv_stem", "_bn0")
    for index in range(sum(stage.repeats for stage in STAGES)):
        source, target = f"_blocks.{index}", f"blocks.{index}"
        if index > 0:
            fold(f"{target}.expand", f"{source}._expand_conv", f"{source}._bn0")
        fold(f"{target}.depthwise", f"{source}._depthwise_conv", f"{source}._bn1")
        fold(f"{target}.project", f"{source}._project_conv", f"{source}._bn2")
    folded["ranges"] = torch.zeros(sum(stage.repeats for stage in STAGES), 2)  # not measured
    return folded
