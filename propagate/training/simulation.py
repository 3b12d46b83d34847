"""What a tracker would know of an object in the next frame, simulated on the network's device."""

from __future__ import annotations

import torch
from torch import Tensor

from propagate.segmenters._lite import prompt_maps

LOST_PART, GAINED_OBJECT = 0.25, 0.1
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
    chance = torch.rand(len(last), 4, generator=generator, device=last.device)
    step = (_centre(truth) - _centre(last)) * (chance[:, :1] * 1.2).clamp(max=1)
    expected = _shift(last, step.round())
    both = torch.minimum(expected, truth).sum((1, 2))
    overlap = both / torch.maximum(expected, truth).sum((1, 2)).clamp(min=1)
    noise = torch.randn(len(last), generator=generator, device=last.device)
    trust = torch.where(chance[:, 1] < 0.5, overlap + 0.15 * noise, chance[:, 2])
    shown = (chance[:, 3] < 0.55).to(expected)
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
    chance = torch.rand(clips, objects, 4, generator=generator, device=masks.device)
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


def _centre(masks: Tensor) -> Tensor:
    """(N, 2) y, x of the centres of mass of (N, h, w) in cells; (0, 0) for an empty mask."""
    height, width = masks.shape[1:]
    mass = masks.sum((1, 2)) + 1e-3
    y = (masks.sum(2) * torch.arange(height, device=masks.device)).sum(1) / mass
    x = (masks.sum(1) * torch.arange(width, device=masks.device)).sum(1) / mass
    return torch.stack([y, x], 1)


def _shift(masks: Tensor, step: Tensor) -> Tensor:
    """Masks (N, h, w) moved by whole cells (N, 2) y, x; nothing comes in from outside."""
    count, height, width = masks.shape
    y = torch.arange(height, device=masks.device) - step[:, :1]
    x = torch.arange(width, device=masks.device) - step[:, 1:]
    inside_y, inside_x = (y >= 0) & (y < height), (x >= 0) & (x < width)
    rows = y.clamp(0, height - 1).long()[:, :, None].expand(count, height, width)
    columns = x.clamp(0, width - 1).long()[:, None, :].expand(count, height, width)
    moved = masks.gather(1, rows).gather(2, columns)
    return moved * (inside_y[:, :, None] & inside_x[:, None, :])


def hints(truth: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """A loose box around one object in five, no points: what a motion model would add.

    Args:
        truth: (N, h, w) 0..1.
        generator: of what is drawn.

    Returns:
        Points (N, 1, 2), labels (N, 1), all -1, and boxes (N, 4), NaN where there is none.
    """
    count, height, width = truth.shape
    inside = truth > 0.5
    left, right = _span(inside.any(1), width)
    top, bottom = _span(inside.any(2), height)
    box = torch.stack([left, top, right, bottom], 1)
    size = (box[:, 2:] - box[:, :2]).repeat(1, 2)
    jitter = 0.1 * torch.randn(count, 4, generator=generator, device=truth.device)
    given = torch.rand(count, generator=generator, device=truth.device) < 0.2
    boxes = torch.where(
        (given & inside.any(1).any(1))[:, None],
        (box + jitter * size) * prompt_maps.STRIDE,
        torch.nan,
    )
    labels = torch.full((count, 1), -1, device=truth.device)
    return truth.new_zeros(count, 1, 2), labels, boxes


def _span(occupied: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """First occupied cell and the one after the last of (N, length) bool, each (N,) float."""
    cells = torch.arange(length, device=occupied.device, dtype=torch.float32)
    first = torch.where(occupied, cells, length).amin(1)
    last = torch.where(occupied, cells, -1).amax(1)
    return first, last + 1
