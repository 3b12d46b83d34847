"""The same network with fewer passes over memory, for inference on a CPU.

On a CPU the trunk waits for memory, not for arithmetic: an activation or a residual sum of its own
reads and writes everything once more. oneDNN does both while a convolution's result is still in
registers; this is the operator that `torch.compile` lowers convolutions to, without its minutes of
compiling. Numbers come out the same.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from propagate.segmenters._lite.layers import Block
from propagate.segmenters._lite.network import LiteNetwork
from propagate.segmenters._lite.trunk import InvertedBottleneck, SameConv

_NONE: tuple[str, list[float]] = ("none", [])
_RELU: tuple[str, list[float]] = ("relu", [])
_RELU6: tuple[str, list[float]] = ("hardtanh", [0.0, 6.0])


def fuse_activations(network: LiteNetwork) -> LiteNetwork:
    """Rebuild trunk, neck and decoder of fused convolutions; edits the network and returns it.

    Norms must be folded already, see `fuse_norms`. Where this build of torch lacks the operator,
    the network stays as it is.
    """
    if not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return network
    if isinstance(network.trunk.stem, nn.Conv2d):
        network.trunk.stem = Convolution(network.trunk.stem, _RELU6)
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, InvertedBottleneck):
                setattr(module, name, FastBottleneck(child))
            elif isinstance(child, Block):
                setattr(module, name, FastBlock(child))
    return network


class Convolution(nn.Module):
    """A convolution, what is added to its result, and its activation, in one pass."""

    def __init__(self, conv: nn.Conv2d, activation: tuple[str, list[float]] = _NONE) -> None:
        """Take over the weights; `activation` is oneDNN's name and its numbers."""
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias
        self._stride, self._groups = list(conv.stride), conv.groups
        self._activation = activation
        kernel, stride = conv.kernel_size[0], conv.stride[0]
        strided = isinstance(conv, SameConv) and stride > 1
        self._padding = [0, 0] if strided else [kernel // 2, kernel // 2]
        before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
        self._around = (before, after, before, after) if strided else None

    def forward(self, x: Tensor, plus: Tensor | None = None) -> Tensor:
        """(B, C, H, W) → (B, C', H', W'), with `plus` of that shape added where there is one."""
        if self._around is not None:
            x = F.pad(x, self._around)
        what: tuple[Any, ...] = (self.weight, self.bias, self._padding, self._stride, [1, 1])
        name, numbers = self._activation
        operator = torch.ops.mkldnn._convolution_pointwise
        if plus is None:
            done: Tensor = operator(x, *what, self._groups, name, numbers, "")
        else:
            done = operator.binary(x, plus, *what, self._groups, "add", 1.0, None, [], None)
        return done


class FastBottleneck(nn.Module):
    """`InvertedBottleneck` of fused convolutions."""

    def __init__(self, slow: InvertedBottleneck) -> None:
        """Take over the weights."""
        super().__init__()
        self.expand = None if slow.expand is None else Convolution(slow.expand, _RELU6)
        self.depthwise = Convolution(slow.depthwise, _RELU6)
        self.project = Convolution(slow.project)
        self.residual = slow.residual

    def forward(self, x: Tensor) -> Tensor:
        """See `InvertedBottleneck.forward`."""
        y = x if self.expand is None else self.expand(x)
        out: Tensor = self.project(self.depthwise(y), x if self.residual else None)
        return out


class FastBlock(nn.Module):
    """`Block` of fused convolutions."""

    def __init__(self, slow: Block) -> None:
        """Take over the weights."""
        super().__init__()
        self.depthwise = Convolution(slow.depthwise)
        self.widen = Convolution(slow.widen, _RELU)
        self.narrow = Convolution(slow.narrow)

    def forward(self, x: Tensor) -> Tensor:
        """See `Block.forward`."""
        out: Tensor = self.narrow(self.widen(self.depthwise(x)), x)
        return out
