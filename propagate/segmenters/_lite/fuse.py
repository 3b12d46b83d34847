"""Batch norms folded into the convolutions before them, for inference."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from propagate.segmenters._lite.layers import Block
from propagate.segmenters._lite.network import LiteNetwork


def fuse_norms(network: LiteNetwork) -> LiteNetwork:
    """Fold every norm of a network in evaluation mode; edits the network and returns it."""
    for module in network.modules():
        if isinstance(module, Block):
            for conv, norm in (("depthwise", "norm"), ("narrow", "last_norm")):
                fused = fuse_conv_bn_eval(getattr(module, conv), getattr(module, norm))
                setattr(module, conv, fused)
                setattr(module, norm, nn.Identity())
    for level in ("from32", "from16", "from8", "from4"):
        conv, norm = getattr(network.neck, level)
        setattr(network.neck, level, fuse_conv_bn_eval(conv, norm))
    return network
