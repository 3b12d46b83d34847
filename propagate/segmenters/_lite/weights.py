"""The weights file: safetensors, half precision, strict."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from propagate.errors import CheckpointError
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
    missing = sorted(set(wanted) - set(state))
    unexpected = sorted(set(state) - set(wanted))
    shaped = [k for k in wanted if k in state and wanted[k].shape != state[k].shape]
    if missing or unexpected or shaped:
        raise CheckpointError(
            f"{path} was made for another network: missing {_some(missing)}, "
            f"unexpected {_some(unexpected)}, of another shape {_some(shaped)}"
        )
    if not all(torch.isfinite(value).all() for value in state.values()):
        raise CheckpointError(f"{path} holds NaN or infinity; it is damaged, fetch it again")
    network.load_state_dict({k: v.float() for k, v in state.items()}, strict=False)
    return network.eval()


def _some(names: list[str]) -> str:
    return f"{len(names)}" + (f" ({', '.join(names[:3])}, …)" if names else "")
