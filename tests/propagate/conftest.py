"""What tests of several rooms share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import torch


@pytest.fixture(scope="session")
def published() -> dict[str, torch.Tensor]:
    """Random weights under the published names of EfficientNet-Lite0."""
    import torch

    from propagate.segmenters._lite.trunk import Trunk

    generator = torch.Generator().manual_seed(5)
    state = {}

    def conv(name: str, norm: str, weight: torch.Tensor) -> None:
        channels = len(weight)
        fan = weight[0].numel()
        state[f"{name}.weight"] = torch.randn(weight.shape, generator=generator) * (2 / fan) ** 0.5
        for key, low in (
            ("weight", 0.8),
            ("running_var", 0.8),
            ("bias", -0.2),
            ("running_mean", -0.2),
        ):
            state[f"{norm}.{key}"] = low + 0.4 * torch.rand(channels, generator=generator)

    trunk = Trunk()
    conv("_conv_stem", "_bn0", trunk.stem.weight)
    for number, block in enumerate(trunk.blocks):
        name = f"_blocks.{number}"
        if block.expand is not None:
            conv(f"{name}._expand_conv", f"{name}._bn0", block.expand.weight)
        conv(f"{name}._depthwise_conv", f"{name}._bn1", block.depthwise.weight)
        conv(f"{name}._project_conv", f"{name}._bn2", block.project.weight)
    return state
