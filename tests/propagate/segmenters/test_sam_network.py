"""SAM's networks against outputs of the official code, on weights that anyone can make again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from propagate import coords
from propagate.segmenters._sam import network as sam
from propagate.segmenters._sam.prompt_encoder import FIRST_CORNER, LAST_CORNER, NOTHING
from propagate.segmenters._sam.segmenter import load

MODELS = [
    "mobile-sam",
    pytest.param("sam-vit-b", marks=pytest.mark.slow),
]


def question(case: dict, size_hw: tuple[int, int]) -> sam.Question:
    """A case of the golden file as the network takes it."""
    points, labels = np.zeros((0, 2), np.float32), []
    if case["points"] is not None:
        points, labels = np.array(case["points"], np.float32), list(case["labels"])
    if case["box"] is None:
        points, labels = np.concatenate([points, [[0, 0]]]), [*labels, NOTHING]
    else:
        corners = np.array(case["box"], np.float32).reshape(2, 2)
        points, labels = np.concatenate([points, corners]), [*labels, FIRST_CORNER, LAST_CORNER]
    scaled = coords.sam_points(points.astype(np.float32), size_hw)
    masks = None
    if case["mask"]:
        yy, xx = np.mgrid[:256, :256]
        masks = torch.tensor(8 * np.cos(xx / 20 + case["case"]) * np.sin(yy / 31)).float()
    return sam.Question(
        torch.from_numpy(scaled)[None],
        torch.tensor(labels)[None],
        None if masks is None else masks[None, None],
    )


def full(logits: torch.Tensor, size_hw: tuple[int, int]) -> torch.Tensor:
    """Logits at the picture's size, as the official code makes them."""
    height, width = coords.fit_long_side(size_hw, sam.SIDE)
    square = torch.nn.functional.interpolate(logits, (sam.SIDE, sam.SIDE), mode="bilinear")
    return torch.nn.functional.interpolate(square[..., :height, :width], size_hw, mode="bilinear")


def close(found: torch.Tensor, wanted: np.ndarray) -> None:
    """Within 2e-3, and within a thousandth of how far the values spread."""
    apart = np.abs(found.numpy() - wanted).max()
    assert found.shape == wanted.shape
    assert apart < 2e-3, apart
    assert apart < 1e-3 * wanted.std() or apart < 1e-5, (apart, wanted.std())


@pytest.mark.parametrize("name", MODELS)
def test_it_answers_as_the_official_code(golden, name: str) -> None:
    known = golden(name)
    network = load(name, known.checkpoint)
    embeddings: dict[int, torch.Tensor] = {}
    with torch.inference_mode():
        for case in known.cases:
            size_hw, number = tuple(case["size"]), case["image"]
            if number not in embeddings:
                image = torch.from_numpy(known.picture(size_hw)).permute(2, 0, 1)
                embeddings[number] = network.encode(image)
                close(embeddings[number][0, ::8, ::4, ::4], known.arrays[f"embedding_{number}"])
            logits, scores = network.decode(embeddings[number], question(case, size_hw))
            for multi, part in ((1, slice(1, 4)), (0, slice(0, 1))):
                key = f"{number}_{case['case']}_{multi}"
                close(logits[0, part, ::4, ::4], known.arrays[f"low_{key}"])
                close(scores[0, part], known.arrays[f"iou_{key}"])
                close(full(logits[:, part], size_hw)[0, :, ::8, ::8], known.arrays[f"full_{key}"])
