"""SAM's networks against outputs of the official code, on weights that anyone can make again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from propagate import coords
from propagate.segmenters._sam import network as sam
from propagate.segmenters._sam.prompt_encoder import FIRST_CORNER, LAST_CORNER, NOTHING

MODELS = [
    "mobile-sam",
    pytest.param("sam-vit-b", marks=pytest.mark.slow),
]
UNUSED = ("image_encoder.norm_head.", "image_encoder.head.")


def golden_weights(keys: dict[str, list[int]], seed: int) -> dict[str, torch.Tensor]:
    """The state dict that the golden outputs were made with."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for key in sorted(keys):
        if key.endswith("num_batches_tracked"):
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


def golden_image(size_hw: tuple[int, int]) -> np.ndarray:
    height, width = size_hw
    y, x = np.mgrid[:height, :width]
    green = np.floor(127.5 + 127.5 * np.sin(x / 17) * np.cos(y / 23))
    return np.stack([x * 255 // (width - 1), green, (x ^ y) & 255], -1).astype(np.uint8)


def question(case: dict, size_hw: tuple[int, int]) -> sam.Question:
    """A case of the golden file as the network takes it."""
    to_hw = sam.input_size(size_hw)
    points, labels = np.zeros((0, 2), np.float32), []
    if case["points"] is not None:
        points, labels = np.array(case["points"], np.float32), list(case["labels"])
    if case["box"] is None:
        points, labels = np.concatenate([points, [[0, 0]]]), [*labels, NOTHING]
    else:
        corners = np.array(case["box"], np.float32).reshape(2, 2)
        points, labels = np.concatenate([points, corners]), [*labels, FIRST_CORNER, LAST_CORNER]
    scaled = coords.scale_points(points.astype(np.float32), size_hw, to_hw)
    masks = None
    if case["mask"]:
        yy, xx = np.mgrid[:256, :256]
        masks = torch.tensor(8 * np.cos(xx / 20 + case["case"]) * np.sin(yy / 31)).float()
    return sam.Question(
        torch.from_numpy(scaled)[None],
        torch.tensor(labels)[None],
        None if masks is None else masks[None, None],
    )


@pytest.fixture(scope="module")
def golden(shared_data):
    """Name → (network, cases, arrays)."""
    folder: Path = shared_data / "golden"

    def load(name: str):
        stem = name.replace("-", "_")
        keys = json.loads((folder / f"keys_{stem}.json").read_text())
        told = json.loads((folder / f"gold_{stem}.json").read_text())
        state = golden_weights(keys, told["seed"])
        used = {key: value for key, value in state.items() if not key.startswith(UNUSED)}
        network = sam.SamNetwork(sam.ENCODERS[name]()).eval()
        missing, unexpected = network.load_state_dict(used, strict=False)
        assert not unexpected
        assert all(key.endswith("num_batches_tracked") for key in missing)
        return network, told["cases"], np.load(folder / f"gold_{stem}.npz")

    return load


def close(found: torch.Tensor, wanted: np.ndarray) -> None:
    """Within 2e-3, and within a thousandth of how far the values spread."""
    apart = np.abs(found.numpy() - wanted).max()
    assert found.shape == wanted.shape
    assert apart < 2e-3, apart
    assert apart < 1e-3 * wanted.std() or apart < 1e-5, (apart, wanted.std())


@pytest.mark.parametrize("name", MODELS)
def test_it_answers_as_the_official_code(golden, name: str) -> None:
    network, cases, arrays = golden(name)
    embeddings: dict[int, torch.Tensor] = {}
    with torch.inference_mode():
        for case in cases:
            size_hw, number = tuple(case["size"]), case["image"]
            if number not in embeddings:
                image = torch.from_numpy(golden_image(size_hw)).permute(2, 0, 1)
                embeddings[number] = network.encode(image)
                close(embeddings[number][0, ::8, ::4, ::4], arrays[f"embedding_{number}"])
            logits, scores = network.decode(embeddings[number], question(case, size_hw))
            for multi, part in ((1, slice(1, 4)), (0, slice(0, 1))):
                key = f"{number}_{case['case']}_{multi}"
                close(logits[0, part, ::4, ::4], arrays[f"low_{key}"])
                close(scores[0, part], arrays[f"iou_{key}"])
