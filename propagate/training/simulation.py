"""What a tracker would know of an object in the next frame, simulated on the network's device."""

from __future__ import annotations

import torch
from torch import Tensor

from propagate.segmenters._lite import prompt_maps

LOST_PART, GAINED_OBJECT = 0.35, 0.1
"""How often a remembered mask is spoilt by hand, see `drift`."""


def prior(last: Tensor, truth: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The last mask, moved part of the way to the object, and how far to trust it; often none.

    Args:
        last: (N, h, w) 0..1.
        truth: (N, h, w) 0..1.
        generator: of what is drawn.

    Returns:
        (N, h, w) and (N,), both 0 where there is none.
    """
    count = len(last)
    chance = torch.rand(count, 3, generator=generator)
    moved = []
    for mask, cover, draw_ in zip(last, truth, chance, strict=True):
        shift = (_centre(cover) - _centre(mask)) * (draw_[0] * 1.2).clamp(max=1).to(mask)
        dy, dx = (int(v) for v in shift.round())
        moved.append(torch.roll(mask, (dy, dx), (0, 1)))
    expected = torch.stack(moved)
    both = torch.minimum(expected, truth).sum((1, 2))
    overlap = both / torch.maximum(expected, truth).sum((1, 2)).clamp(min=1)
    noise = 0.15 * torch.randn(count, generator=generator).to(overlap)
    trust = torch.where(chance[:, 1].to(overlap) < 0.5, overlap + noise, chance[:, 2].to(overlap))
    shown = (torch.rand(count, generator=generator) < 0.55).to(expected)
    return expected * shown[:, None, None], trust.clamp(0.05, 0.95) * shown


def drift(masks: Tensor, generator: torch.Generator) -> Tensor:
    """Answers as they are remembered after many frames: errors that grew.

    A clip is too short for a mask to shrink to a part of its object, or to spill onto the next
    one, and to be confirmed by its own memory. Spoilt by hand, it teaches to believe the frame
    that the user answered more than what came after it.

    Args:
        masks: (B, O, h, w) 0..1.
        generator: of what is spoilt.

    Returns:
        The same shape. Of some masks one side of a line across the object is gone; some have
        another object of the clip as well.
    """
    clips, objects, height, width = masks.shape
    chance = torch.rand(clips, objects, 4, generator=generator).to(masks)
    y = torch.arange(height, device=masks.device).view(-1, 1)
    x = torch.arange(width, device=masks.device).view(1, -1)
    area = masks.sum((2, 3), keepdim=True) + 1e-3
    middle_y, middle_x = ((masks * axis).sum((2, 3), keepdim=True) / area for axis in (y, x))
    angle = (2 * torch.pi * chance[..., 1])[..., None, None]
    distance = (1.2 * chance[..., 2] - 0.4)[..., None, None] * (area / torch.pi).sqrt()
    beyond = (x - middle_x) * torch.cos(angle) + (y - middle_y) * torch.sin(angle) > distance
    lost = (chance[..., 0] < LOST_PART)[..., None, None]
    gained = (chance[..., 3] < GAINED_OBJECT)[..., None, None]
    kept = torch.where(lost & beyond, 0.0, masks)
    return torch.where(gained, torch.maximum(kept, masks.roll(1, 1)), kept)


def _centre(mask: Tensor) -> Tensor:
    """(y, x) of the centre of mass in cells; the middle of the picture for an empty mask."""
    height, width = mask.shape
    mass = mask.sum() + 1e-3
    y = (mask.sum(1) * torch.arange(height, device=mask.device)).sum() / mass
    x = (mask.sum(0) * torch.arange(width, device=mask.device)).sum() / mass
    return torch.stack([y, x])


def hints(truth: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """A loose box around one object in five, no points: what a motion model would add.

    Args:
        truth: (N, h, w) 0..1.
        generator: of what is drawn.

    Returns:
        Points (N, 1, 2), labels (N, 1), all -1, and boxes (N, 4), NaN where there is none.
    """
    count = len(truth)
    points = truth.new_zeros(count, 1, 2)
    labels = torch.full((count, 1), -1, device=truth.device)
    boxes = truth.new_full((count, 4), torch.nan)
    chance = torch.rand(count, generator=generator)
    for number in range(count):
        ys, xs = torch.nonzero(truth[number] > 0.5, as_tuple=True)
        if len(ys) and chance[number] < 0.2:
            box = torch.stack([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]).float()
            size = (box[2:] - box[:2]).repeat(2)
            jitter = 0.1 * torch.randn(4, generator=generator).to(box)
            boxes[number] = (box + jitter * size) * prompt_maps.STRIDE
    return points, labels, boxes
