"""Linear layers in 8 bits: a third of the time on a CPU with VNNI, one part in a hundred off.

Weights are rounded once, with a step for every row; inputs at every call, each patch from its own
smallest to its own largest value, since a few of them are much larger than the rest (Jacob et al.,
"Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
2018). Sums and results stay wide.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from propagate.errors import ConfigError
from propagate.segmenters._sam.layers import Dense

_STEPS = 254  # one less than there are, so that nothing is rounded beyond the last


class Int8(nn.Module):
    """A `Dense` layer in 8 bits."""

    def __init__(self, dense: Dense) -> None:
        """Round and pack the weights of a layer."""
        super().__init__()
        weight = dense.weight.detach()
        self._steps = weight.abs().amax(1).clamp(min=1e-12) / 127
        whole = (weight / self._steps[:, None]).round().to(torch.int8)
        self._packed = torch.ops.onednn.qlinear_prepack(whole, None)
        self._sums = whole.sum(1) * self._steps
        self._zeros = torch.zeros(len(weight), dtype=torch.int32)
        self.bias = dense.bias.detach()
        self.out_features = dense.out_features

    def into(self, x: Tensor, out: Tensor) -> Tensor:
        """See `Dense.into`."""
        low, step, product = self._product(x)
        return torch.addcmul(self.bias, low, self._sums, out=out).addcmul_(product, step)

    def add_to(self, total: Tensor, x: Tensor) -> None:
        """See `Dense.add_to`."""
        low, step, product = self._product(x)
        total.add_(self.bias).addcmul_(low, self._sums).addcmul_(product, step)

    def _product(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(n, c) → (n, 1), (n, 1), (n, c'): x is `low` + `step` times what the product is of."""
        low, high = x.aminmax(dim=1, keepdim=True)
        step = (high - low).clamp_(min=1e-12).div_(_STEPS)
        whole = (x - (low - 0.5 * step)).mul_(1 / step).to(torch.uint8)
        weights = (self._packed, self._steps, self._zeros, None)
        kind: tuple[Any, ...] = (1.0, 0, torch.float32, "none", [], "")
        return low, step, torch.ops.onednn.qlinear_pointwise(whole, 1.0, 0, *weights, *kind)


def to_int8(encoder: nn.Module) -> None:
    """Put `Int8` in the place of the large layers of each block; edits the encoder.

    What attention finds is projected as before, a twelfth of the work.

    Raises:
        ConfigError: this build of torch has no such layers, or the encoder none to replace.
    """
    if not hasattr(torch.ops.onednn, "qlinear_pointwise"):
        raise ConfigError("this build of torch has no 8-bit layers; use precision=float32")
    found = [
        (module, name, layer)
        for module in encoder.modules()
        for name, layer in module.named_children()
        if isinstance(layer, Dense) and name in ("qkv", "lin1", "lin2")
    ]
    if not found:
        raise ConfigError("precision=int8 is for the ViT encoders; use float32 for this one")
    for module, name, layer in found:
        setattr(module, name, Int8(layer))
