"""The same network with fewer passes over memory, for inference on a CPU.

On a CPU the trunk waits for memory, not for arithmetic: an activation or a residual sum of its own
reads and writes everything once more. oneDNN does both while a convolution's result is still in
registers; this is the operator that `torch.compile` lowers convolutions to, without its minutes of
compiling. Weights are laid out once for it, not at every call. Numbers come out the same, unless
the decoder is made to compute in bfloat16, which some CPUs multiply twice as fast.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from propagate.segmenters._lite.layers import Block, upsample
from propagate.segmenters._lite.network import (
    Answer,
    Decoder,
    Features,
    LiteNetwork,
    Round,
    compare,
    pool,
)
from propagate.segmenters._lite.trunk import InvertedBottleneck, SameConv

_AT_ONCE = 2
"""Questions at stride 4: what is larger the C library gives back and fetches anew every time."""

_NONE: tuple[str, list[float]] = ("none", [])
_RELU: tuple[str, list[float]] = ("relu", [])
RELU6: tuple[str, list[float]] = ("hardtanh", [0.0, 6.0])


def bfloat16_is_fast() -> bool:
    """Whether this CPU multiplies bfloat16 faster than float32."""
    known: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(known.get("avx512_bf16") or known.get("amx_bf16"))


def fuse_activations(
    network: LiteNetwork, decoder_dtype: torch.dtype = torch.float32
) -> LiteNetwork:
    """Rebuild trunk, neck and decoder of fused convolutions; edits the network and returns it.

    Norms must be folded already, see `fuse_norms`. Where this build of torch lacks the operator,
    the network stays as it is.
    """
    if not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return network
    if isinstance(network.trunk.stem, nn.Conv2d):
        network.trunk.stem = Convolution(network.trunk.stem, RELU6)
    if isinstance(network.neck.from32, nn.Conv2d):  # its sums depend on the number of threads
        setattr(network.neck, "from32", Convolution(network.neck.from32))  # noqa: B010 - another type
    if isinstance(network.decoder, Decoder):
        network.decoder = FastDecoder(network.decoder, decoder_dtype)
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
        kernel, stride = conv.kernel_size[0], conv.stride[0]
        shifted = isinstance(conv, SameConv) and stride > 1
        self.weight, self.bias = _shifted(conv) if shifted else conv.weight, conv.bias
        padding = (kernel - 1) // 2 if shifted else kernel // 2
        self.geometry = ([padding] * 2, [stride] * 2, [1, 1], conv.groups)
        self._activation = activation
        self._packed: Tensor | None = None

    def forward(self, x: Tensor, plus: Tensor | None = None) -> Tensor:
        """(B, C, H, W) → (B, C', H', W').

        A `plus` of that shape is added before the activation, and overwritten with the result.
        """
        if self._packed is None:
            self._packed = self._pack(list(x.shape))
        weights = (self._packed, self.bias)
        name, numbers = self._activation
        if plus is None:
            operator = torch.ops.mkldnn._convolution_pointwise.default
            done: Tensor = operator(x, *weights, *self.geometry, name, numbers, "")
        else:
            after = (None, [], None) if name == "none" else (name, numbers, "")
            operator = torch.ops.mkldnn._convolution_pointwise_.binary
            done = operator(plus, x, *weights, *self.geometry, "add", 1.0, *after)
        return done

    def _pack(self, shape: list[int]) -> Tensor:
        """The weights as oneDNN lays them out for pictures of about a shape; opaque."""
        packed: Tensor = torch.ops.mkldnn._reorder_convolution_weight(
            self.weight, *self.geometry, shape
        )
        return packed


def _shifted(conv: nn.Conv2d) -> nn.Parameter:
    """Weights with a row and a column of zeros before them.

    TensorFlow's SAME pads a strided picture by one more behind than before; a kernel that much
    larger can be padded alike on all sides, which spares a copy of the picture.
    """
    larger = F.pad(conv.weight.detach(), (1, 0, 1, 0))
    return nn.Parameter(larger.contiguous(memory_format=torch.channels_last), requires_grad=False)


class FastBottleneck(nn.Module):
    """`InvertedBottleneck` of fused convolutions."""

    def __init__(self, slow: InvertedBottleneck) -> None:
        """Take over the weights."""
        super().__init__()
        self.expand = None if slow.expand is None else Convolution(slow.expand, RELU6)
        self.depthwise = Convolution(slow.depthwise, RELU6)
        self.project = Convolution(slow.project)
        self.residual = slow.residual

    def forward(self, x: Tensor) -> Tensor:
        """See `InvertedBottleneck.forward`."""
        y = x if self.expand is None else self.expand(x)
        out: Tensor = self.project(self.depthwise(y), x if self.residual else None)
        return out


class FastBlock(nn.Module):
    """`Block` of fused convolutions."""

    def __init__(self, slow: Block, activation: tuple[str, list[float]] = _NONE) -> None:
        """Take over the weights; the activation is of the block's result."""
        super().__init__()
        self.depthwise = Convolution(slow.depthwise)
        self.widen = Convolution(slow.widen, _RELU)
        self.narrow = Convolution(slow.narrow, activation)

    def forward(self, x: Tensor) -> Tensor:
        """See `Block.forward`."""
        out: Tensor = self.narrow(self.widen(self.depthwise(x)), x)
        return out


class FastRound(nn.Module):
    """`Round` with its sums inside convolutions."""

    def __init__(self, slow: Round) -> None:
        """Take over the layers."""
        super().__init__()
        self.guess, self.compare = Convolution(slow.guess), Convolution(slow.compare)
        self.compared = Convolution(slow.compared)
        self.modulate, self.block = slow.modulate, FastBlock(slow.block)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """See `Round.forward`."""
        coarse = self.guess(x)
        inside = torch.sigmoid(coarse)
        likeness = compare(self.compare(x), torch.cat([inside, 1 - inside], 1))
        pooled = pool(x, inside)[:, 0]
        scale, shift = self.modulate(pooled).to(x.dtype)[..., None, None].chunk(2, 1)
        return self.block(self.compared(likeness, torch.addcmul(shift, x, 1 + scale))), coarse


class FastDecoder(nn.Module):
    """`Decoder` with its sums inside convolutions, which compute in `dtype`."""

    def __init__(self, slow: Decoder, dtype: torch.dtype = torch.float32) -> None:
        """Take over the layers."""
        super().__init__()
        self.prompt8 = Convolution(slow.prompt8, _RELU)
        self.prompt16, self.readings = Convolution(slow.prompt16), Convolution(slow.readings)
        self.rounds = nn.ModuleList(FastRound(r) for r in slow.rounds if isinstance(r, Round))
        self.down16, self.into8 = Convolution(slow.down16), Convolution(slow.into8)
        self.blocks8 = nn.ModuleList(FastBlock(b) for b in slow.blocks8 if isinstance(b, Block))
        self.down8, self.into4 = Convolution(slow.down8), Convolution(slow.into4)
        self.block4 = FastBlock(slow.block4, _RELU)
        self.masks = Convolution(slow.masks)
        self.scores = slow.scores
        self._dtype = dtype
        for module in self.modules():
            if isinstance(module, Convolution):  # what is pooled has few numbers, which stay exact
                module.to(dtype)

    def forward(self, features: Features, maps: Tensor, recall: Tensor) -> Answer:
        """See `Decoder.forward`."""
        maps, recall = maps.to(self._dtype), recall.to(self._dtype)
        features = Features(*(plane.to(self._dtype) for plane in features))
        at8 = self.prompt8(maps)
        x = self.prompt16(at8, self.readings(recall)).add_(features.wide)
        coarse = []
        for look in self.rounds:
            x, guess = look(x)
            coarse.append(guess)
        y = self.into8(at8, upsample(self.down16(x), at8)).add_(features.middle)
        for block in self.blocks8:
            y = block(y)
        fine = features.fine.expand(len(maps), -1, -1, -1)
        some = [slice(first, first + _AT_ONCE) for first in range(0, len(maps), _AT_ONCE)]
        logits = torch.cat([self._sharpened(maps[each], y[each], fine[each]) for each in some])
        logits = logits.float()
        return Answer(logits, self.scores(x.float(), logits), coarse)

    def _sharpened(self, maps: Tensor, y: Tensor, fine: Tensor) -> Tensor:
        """Logits (n, 3, H/4, W/4) from what stride 8 says of some questions."""
        z = self.into4(maps, upsample(self.down8(y), maps)).add_(fine)
        logits: Tensor = self.masks(self.block4(z))
        return logits
