"""The weights and pictures that golden outputs were made with (golden/README.md in the data)."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch


def weights(keys: dict[str, list[int]], seed: int) -> dict[str, torch.Tensor]:
    """A state dict that anyone can make again."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for key in sorted(keys):
        if key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(0)
            continue
        shape = keys[key]
        count = int(np.prod(shape))
        r = torch.rand(count, generator=generator, dtype=torch.float64).reshape(shape)
        if key.endswith("running_var"):
            value = 0.5 + r
        elif len(shape) == 1 and key.endswith("weight"):
            value = 0.8 + 0.4 * r
        elif len(shape) <= 1:
            value = (r - 0.5) * 0.2
        else:
            value = (2 * r - 1) * (3 / (count / shape[0])) ** 0.5
        state[key] = value.float()
    return state


def picture(size_hw: tuple[int, int]) -> np.ndarray:
    height, width = size_hw
    y, x = np.mgrid[:height, :width]
    green = np.floor(127.5 + 127.5 * np.sin(x / 17) * np.cos(y / 23))
    return np.stack([x * 255 // (width - 1), green, (x ^ y) & 255], -1).astype(np.uint8)


@pytest.fixture(scope="session")
def golden(shared_data, tmp_path_factory):
    """Name → checkpoint file, cases, arrays of the official code's outputs; and `picture`."""
    folder = shared_data / "golden"
    made = {}

    def load(name: str) -> SimpleNamespace:
        if name not in made:
            stem = name.replace("-", "_")
            keys = json.loads((folder / f"keys_{stem}.json").read_text())
            told = json.loads((folder / f"gold_{stem}.json").read_text())
            checkpoint = tmp_path_factory.mktemp("golden") / f"{stem}.pth"
            torch.save(weights(keys, told["seed"]), checkpoint)
            arrays = np.load(folder / f"gold_{stem}.npz")
            made[name] = SimpleNamespace(
                checkpoint=checkpoint, cases=told["cases"], arrays=arrays, picture=picture
            )
        return made[name]

    return load
