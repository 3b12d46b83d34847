"""Reading remembered masks by appearance: how the network recognises an object again.

A cell of the current frame attends to the cells of remembered frames and reads whether those
belonged to the object (space-time memory: Oh et al., 2019; one attention serves all objects,
as in STCN: Cheng et al., 2021).
"""

from __future__ import annotations

import torch
from torch import Tensor

LOCAL_SIGMA = 4.0  # cells at stride 16: how far a cell may move from one frame to the next


def attend(keys: Tensor, remembered: Tensor, sharpness: float = 1.0) -> tuple[Tensor, Tensor]:
    """Match cells with remembered cells.

    Args:
        keys: (…, Q, C) of the current frame; the dot product is a logit.
        remembered: (…, M, C).
        sharpness: factor on the logits, see `appearance.Config`.

    Returns:
        Unnormalised weights (…, Q, M) and the best logit of each cell (…, Q).
    """
    logits = keys @ remembered.mT
    best = logits.amax(-1)
    return torch.exp(sharpness * (logits - best[..., None])), best


def read(weights: Tensor, masks: Tensor, known: Tensor) -> Tensor:
    """Read masks with attention weights.

    Args:
        weights: (…, Q, M) unnormalised.
        masks: (…, M, N) coverage 0..1 of N objects at the remembered cells.
        known: (…, M, N) 1 where the object had an answer in that frame, else 0.

    Returns:
        (…, N, Q) 0..1: the part of the known attention that falls on the object.
    """
    both = weights @ torch.cat([masks * known, known], -1)
    inside, seen = both.chunk(2, -1)
    return (inside / seen.clamp(min=1e-20)).mT


def locality(grid_hw: tuple[int, int], sigma: float = LOCAL_SIGMA) -> Tensor:
    """(h*w, h*w) factors 0..1 that let a cell attend only to cells around its own place."""
    height, width = grid_hw
    x, y = torch.arange(width).float(), torch.arange(height).float()
    across = torch.exp(-(x[:, None] - x).square() / (2 * sigma**2))
    down = torch.exp(-(y[:, None] - y).square() / (2 * sigma**2))
    return torch.kron(down, across)


def familiarity(best: Tensor, temperature: float) -> Tensor:
    """Best logits (…, Q) of unit keys scaled by `temperature` → 0..1, 1 where the match is exact."""
    return torch.exp(0.25 * (best - temperature)).clamp(0, 1)
