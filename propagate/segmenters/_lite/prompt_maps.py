"""Prompts drawn as maps at stride 4: what the decoder sees of a question.

Every map covers the network's input. Points are soft discs, so that a click says where but not
how large; the box is filled; the prior is the last mask as the tracker expects it now.
"""

from __future__ import annotations

import torch
from torch import Tensor

STRIDE = 4
POSITIVE, NEGATIVE, BOX, PRIOR, TRUST, CERTAIN = range(6)
"""CERTAIN is 1 everywhere where the prior is a mask that the user gave."""
MAPS = 6
_DISC_SIGMA = 1.5  # cells at stride 4, so a disc spans about 12 px of the network's input


def draw_points(points_xy: Tensor, labels: Tensor, grid_hw: tuple[int, int]) -> Tensor:
    """Points as positive and negative discs.

    Args:
        points_xy: (B, N, 2) in pixels of the network's input.
        labels: (B, N) 1 on the object, 0 off it, -1 where there is no point (padding).
        grid_hw: (h, w) of the maps, at stride 4.

    Returns:
        (B, 2, h, w) 0..1.
    """
    height, width = grid_hw
    if points_xy.shape[1] == 0:
        return points_xy.new_zeros(len(points_xy), 2, height, width)
    x = torch.arange(width, device=points_xy.device) + 0.5
    y = torch.arange(height, device=points_xy.device) + 0.5
    cells = points_xy / STRIDE
    fall_x = torch.exp(-((x - cells[..., :1]) ** 2) / (2 * _DISC_SIGMA**2))  # (B, N, w)
    fall_y = torch.exp(-((y - cells[..., 1:]) ** 2) / (2 * _DISC_SIGMA**2))  # (B, N, h)
    discs = fall_y[..., :, None] * fall_x[..., None, :]
    drawn = [(discs * (labels == sign)[..., None, None]).amax(1) for sign in (1, 0)]
    return torch.stack(drawn, 1)


def draw_boxes(boxes: Tensor, grid_hw: tuple[int, int]) -> Tensor:
    """Boxes (B, 4) in pixels of the input, NaN where there is none → (B, 1, h, w), filled.

    A cell that the box covers in part gets that part, so that the edge stays sharper than a cell.
    """
    height, width = grid_hw
    known = torch.isfinite(boxes).all(1)
    cells = torch.nan_to_num(boxes) / STRIDE
    x = torch.arange(width, device=boxes.device)
    y = torch.arange(height, device=boxes.device)
    cover_x = (torch.minimum(cells[:, 2:3], x + 1) - torch.maximum(cells[:, 0:1], x)).clamp(0, 1)
    cover_y = (torch.minimum(cells[:, 3:4], y + 1) - torch.maximum(cells[:, 1:2], y)).clamp(0, 1)
    filled = cover_y[:, :, None] * cover_x[:, None, :]
    return (filled * known[:, None, None])[:, None]
