"""The trunk in whole numbers, for CPUs that multiply bytes faster than floats.

Weights get 8 bits with a scale for each filter, activations 8 bits with one scale: after a ReLU6
those are known to lie within 0..6, between blocks within ranges that were measured (Jacob et al.,
"Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
2018). The stem and the first block stay in floats: filters there are small differences of large
weights, and rounding those alone made three quarters of the whole error.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from propagate.segmenters._lite.fast import RELU6, Convolution, FastBottleneck
from propagate.segmenters._lite.trunk import TAPS, InvertedBottleneck, Trunk

_STEPS = 255
_SIGNED = 127
_CALM = 0.9999  # of the values of a block lie within its range; the rest would coarsen all
_SAMPLED = 2**20  # values of a block that are looked at

Affine = tuple[float, int]
"""Scale and zero point: a byte b stands for (b - zero) * scale."""

_RELU6: Affine = (6 / _STEPS, 0)


@torch.no_grad()
def measure_ranges(trunk: Trunk, pictures: Iterable[Tensor]) -> None:
    """Set `trunk.ranges`: within which values the blocks' results lie.

    Args:
        trunk: trained.
        pictures: (B, 3, H, W) uint8 each, H and W multiples of 32; two dozen photos will do.
    """
    found = []
    for picture in pictures:
        x = F.relu6(trunk.stem((picture.float() - 127.0) / 128.0))
        ends = []
        for block in trunk.blocks:
            x = block(x)
            values = x.flatten()
            values = values[:: -(-len(values) // _SAMPLED)]
            ends.append(torch.quantile(values, torch.tensor([1 - _CALM, _CALM])))
        found.append(torch.stack(ends))
    lows, highs = torch.stack(found).unbind(2)
    trunk.ranges.copy_(torch.stack([lows.amin(0), highs.amax(0)], 1))


def can_be_fast() -> bool:
    """Whether this CPU multiplies bytes faster than floats, and this build of torch knows how."""
    known: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(known.get("avx512_vnni") or known.get("avx_vnni")) and is_possible()


def is_possible() -> bool:
    """Whether this build of torch has the operators."""
    integers = hasattr(torch.ops.onednn, "qconv2d_pointwise")
    return integers and hasattr(torch.ops.mkldnn, "_convolution_pointwise")


class IntegerTrunk(nn.Module):
    """`Trunk` in whole numbers, but for the stem and the first block."""

    def __init__(self, slow: Trunk) -> None:
        """Take over the weights; its `ranges` must be known."""
        super().__init__()
        if not isinstance(slow.stem, nn.Conv2d):
            raise TypeError("the trunk's activations are fused already")
        blocks = [block for block in slow.blocks if isinstance(block, InvertedBottleneck)]
        affines = [_affine(low, high) for low, high in slow.ranges.tolist()]
        self.stem = Convolution(slow.stem, RELU6)
        self.first, self._start = FastBottleneck(blocks[0]), affines[0]
        self._rest = [
            IntegerBottleneck(block, before, after)
            for block, before, after in zip(blocks[1:], affines, affines[1:], strict=False)
        ]

    def forward(self, x: Tensor) -> list[Tensor]:
        """See `Trunk.forward`."""
        x = self.first(self.stem(x))
        scale, zero = self._start
        x = x.mul(1 / scale).add_(zero).round_().clamp_(0, _STEPS).to(torch.uint8)
        taps = []
        for index, block in enumerate(self._rest, 1):
            x = block(x)
            if index in TAPS:
                scale, zero = block.after
                taps.append(x.float().sub_(zero).mul_(scale))
        return taps


class IntegerBottleneck(nn.Module):
    """`InvertedBottleneck` of bytes: its input as `before` says, its result as `after`."""

    def __init__(self, slow: InvertedBottleneck, before: Affine, after: Affine) -> None:
        """Take over the weights."""
        super().__init__()
        self.expand = None
        if slow.expand is not None:
            self.expand = IntegerConvolution(slow.expand, before, _RELU6)
        self.depthwise = IntegerConvolution(slow.depthwise, _RELU6, _RELU6)
        self.project = IntegerConvolution(slow.project, _RELU6, after)
        self.residual, self.before, self.after = slow.residual, before, after

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C', H/stride, W/stride), uint8; overwrites what it adds to."""
        y = x if self.expand is None else self.expand(x)
        plus = (x, self.before) if self.residual else None
        out: Tensor = self.project(self.depthwise(y), plus)
        return out


class IntegerConvolution(nn.Module):
    """A convolution of bytes; what lies beyond the result's range is cut: that is all of ReLU6."""

    def __init__(self, conv: nn.Conv2d, before: Affine, after: Affine) -> None:
        """Take over the weights, in 8 bits and a scale a filter."""
        super().__init__()
        same = Convolution(conv)
        padding, stride, dilation, groups = same.geometry
        self._geometry = (stride, padding, dilation, groups)
        weight = same.weight.detach()
        self._scales = (weight.abs().amax((1, 2, 3)) / _SIGNED).clamp(min=1e-9)
        self._zeros = torch.zeros(len(weight), dtype=torch.long)
        self._weight = (weight / self._scales[:, None, None, None]).round_().to(torch.int8)
        self._bias = None if same.bias is None else same.bias.detach()
        self._before, self._after = before, after
        self._packed: dict[int, Tensor] = {}  # for so many threads; for others it would be slow

    def forward(self, x: Tensor, plus: tuple[Tensor, Affine] | None = None) -> Tensor:
        """(B, C, H, W) → (B, C', H', W'), uint8.

        Bytes `plus` of that shape are added, and overwritten with the result.
        """
        threads = torch.get_num_threads()
        if threads not in self._packed:
            self._packed[threads] = torch.ops.onednn.qconv_prepack(
                self._weight, self._scales, *self._before, *self._geometry, list(x.shape)
            )
        weights = (self._packed[threads], self._scales, self._zeros)
        after = (*self._after, torch.uint8)
        if plus is None:
            operator = torch.ops.onednn.qconv2d_pointwise.default
            asked: tuple[Any, ...] = (x, *self._before, *weights, self._bias)
            done: Tensor = operator(*asked, *self._geometry, *after, "none", [], "")
        else:
            total, (scale, zero) = plus
            operator = torch.ops.onednn.qconv2d_pointwise.binary
            asked = (x, *self._before, *weights, total, self._bias)
            added: tuple[Any, ...] = (scale, zero, "sum", 1.0, "none", [], "")
            done = operator(*asked, *self._geometry, *after, *added)
        return done


def _affine(low: float, high: float) -> Affine:
    """The scale and zero point for values from `low` to `high`; 0 is always exact."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / _STEPS
    return scale, round(-low / scale)
