"""ViT in 8 bits: close to what it is in 32, layer by layer and as a whole."""

from __future__ import annotations

import copy

import pytest
import torch

from propagate.errors import ConfigError
from propagate.segmenters._sam.image_encoder import ImageEncoder, VitSize
from propagate.segmenters._sam.int8 import Int8, to_int8
from propagate.segmenters._sam.layers import Dense
from propagate.segmenters._sam.tiny_vit import TinyVit


@pytest.fixture
def layer():
    dense = Dense(64, 96)
    torch.nn.init.normal_(dense.weight)
    torch.nn.init.normal_(dense.bias)
    return dense


@pytest.mark.parametrize("shift", [0.0, 3.0, -50.0])
@torch.no_grad()
def test_a_layer_is_off_by_one_part_in_a_hundred(layer, shift):
    x = torch.randn(50, 64) + shift
    x[7] *= 1000  # one patch far larger than the rest costs the rest nothing
    x[9] = 0
    x[11] = 2.5
    wanted, small = layer(x), Int8(layer)
    found = small.into(x, torch.empty(50, 96))
    apart = (found - wanted).norm(dim=1) / wanted.norm(dim=1)
    assert apart.max() < 0.02
    total = torch.randn(50, 96)
    before = total.clone()
    small.add_to(total, x)
    torch.testing.assert_close(total - before, found, atol=1e-2, rtol=1e-3)


@torch.no_grad()
def test_a_whole_encoder_stays_close():
    size = VitSize(64, 3, 2, (1,))
    exact = ImageEncoder(size, 256).eval()
    for name, value in exact.named_parameters():
        if value.ndim > 1:
            torch.nn.init.normal_(value, std=0.1)
        assert name
    small = copy.deepcopy(exact)
    to_int8(small)
    assert sum(isinstance(module, Int8) for module in small.modules()) == 9
    image = torch.randn(1, 3, 256, 256)
    wanted, found = exact(image), small(image)
    assert not torch.equal(found, wanted)
    assert (found - wanted).std() / wanted.std() < 0.05


def test_an_encoder_without_such_layers_is_refused():
    with pytest.raises(ConfigError, match="ViT"):
        to_int8(TinyVit())
