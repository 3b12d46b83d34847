"""Reading remembered masks by appearance: how the network recognises an object again.

A cell of the current frame attends to the cells of remembered frames and reads whether those
belonged to the object (space-time memory: Oh et al., 2019; one attention serves all objects,
as in STCN: Cheng et al., 2021).
"""

from __future__ import annotations

import torch
from torch import Tensor

from propagate.coords import WHOLE, Part, Size

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
    return share(inside, seen).mT


def share(inside: Tensor, seen: Tensor) -> Tensor:
    """Which part of the attention falls on an object; 0 where there is none at all."""
    return inside / seen.clamp(min=1e-20)


def locality(
    grid_hw: Size,
    sigma: float = LOCAL_SIGMA,
    here: Part = WHOLE,
    there: Part = WHOLE,
    there_hw: Size | None = None,
    device: torch.device | None = None,
) -> Tensor:
    """(h*w, h'*w') factors 0..1 that let a cell attend only to cells around its own place.

    Args:
        grid_hw: cells of the frame that attends.
        sigma: its cells.
        here: the part of the picture that they cover.
        there: the same of the frame that is attended to.
        there_hw: cells of that frame; None where both have as many.
        device: where they are wanted.
    """
    down, across = (
        _closeness(
            (torch.arange(own, device=device), torch.arange(others, device=device)),
            sigma,
            (here[axis], here[axis + 2]),
            (there[axis], there[axis + 2]),
        )
        for axis, own, others in zip((1, 0), grid_hw, there_hw or grid_hw, strict=True)
    )
    return torch.kron(down, across)


def _closeness(
    cells: tuple[Tensor, Tensor],
    sigma: float,
    here: tuple[float, float],
    there: tuple[float, float],
) -> Tensor:
    """(n, m) factors between cells along one axis; spans are shares of the picture's side."""
    own, others = (each + 0.5 for each in cells)
    size = (here[1] - here[0]) / len(own)  # of a cell, as a share of the side
    others = (others * (there[1] - there[0]) / len(others) + there[0] - here[0]) / size
    return torch.exp(-(own[:, None] - others).square() / (2 * sigma**2))


def familiarity(best: Tensor, temperature: float) -> Tensor:
    """Best logits (…, Q) of unit keys times `temperature` → 0..1, 1 where the match is exact."""
    return torch.exp(0.25 * (best - temperature)).clamp(0, 1)
