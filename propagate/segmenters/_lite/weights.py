"""The weights file: safetensors, half precision, strict."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from propagate.errors import CheckpointError
from propagate.segmenters import _checkpoints
from propagate.segmenters._lite.network import LiteNetwork


def save_weights(network: LiteNetwork, path: Path) -> None:
    """Write the network's state in half precision, to a temporary name first."""
    state = {
        key: value.detach().cpu().half().contiguous()
        for key, value in network.state_dict().items()
        if value.dtype.is_floating_point
    }
    part = path.with_name(path.name + ".part")
    save_file(state, part)
    part.replace(path)


def blended(one: LiteNetwork, other: LiteNetwork, share: float) -> LiteNetwork:
    """A network whose weights lie between two, `share` of them of the other.

    What a network has learnt last it knows best, and what it knew before it half forgets; between
    the two it often does both (Wortsman et al., "Robust fine-tuning of zero-shot models", 2022).
    """
    theirs = other.state_dict()
    made = LiteNetwork().eval()
    made.load_state_dict(
        {
            key: torch.lerp(value, theirs[key], share) if value.is_floating_point() else value
            for key, value in one.state_dict().items()
        }
    )
    return made


def load_weights(path: Path) -> LiteNetwork:
    """A network with the weights of a file, in evaluation mode, float32.

    Raises:
        CheckpointError: no such file, not safetensors, or made for another network.
    """
    if not path.is_file():
        raise CheckpointError(f"no weights at {path}; reinstall the package or give --checkpoint")
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a safetensors file: {error}") from error
    network = LiteNetwork()
    wanted = {k: v for k, v in network.state_dict().items() if v.dtype.is_floating_point}
    state.setdefault("trunk.ranges", torch.zeros_like(network.trunk.ranges))  # came later
    _checkpoints.check(state, wanted, path)
    network.load_state_dict({k: v.float() for k, v in state.items()}, strict=False)
    return network.eval()
