"""One training step's forward pass: ask, correct, then follow the objects through the clip."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from propagate.memory import _attention
from propagate.segmenters._lite import prompt_maps
from propagate.segmenters._lite.network import KEY_TEMPERATURE, Answer, Features, LiteNetwork
from propagate.training.losses import answer_loss, reading_loss
from propagate.types import READINGS

READING_WEIGHT = 0.3
LOST_PART, GAINED_OBJECT = 0.35, 0.1
"""How often a remembered mask is spoilt by hand, see `drift`."""


class StepResult(NamedTuple):
    """The loss to minimise and mean IoUs to log."""

    loss: Tensor
    click: float
    box: float
    corrected: float
    followed: float


def forward(
    network: LiteNetwork, batch: dict[str, Tensor], generator: torch.Generator
) -> StepResult:
    """All questions of a batch (see `dataset.Samples`): the loss and what to log."""
    images = batch["images"]
    clips, frames = images.shape[:2]
    covers = batch["covers"].float() / 255  # (B, O, T, h, w)
    features = network.encode(images.flatten(0, 1).contiguous(memory_format=torch.channels_last))
    loss, asked, box, corrected = _ask(network, features, batch, covers, generator)
    followed = []
    known = [covers[:, :, 0]]
    for frame in range(1, frames):
        step_loss, predicted, overlap = _follow(network, features, covers, known, frame, generator)
        loss = loss + step_loss / (frames - 1)
        known.append(drift(predicted, generator))
        followed.append(overlap)
    return StepResult(loss, asked, box, corrected, float(torch.cat(followed).nanmean()))


def take(features: Features, index: Tensor) -> Features:
    """The pictures `index` (N,) of encoded ones."""
    return Features(*(level[index] for level in features))


def empty_recall(features: Features) -> Tensor:
    """Readings that say nothing: (N, 5, h, w) zeros."""
    count, _, height, width = features.wide.shape
    return features.wide.new_zeros(count, len(READINGS) + 1, height, width)


def _ask(
    network: LiteNetwork,
    features: Features,
    batch: dict[str, Tensor],
    covers: Tensor,
    generator: torch.Generator,
) -> tuple[Tensor, float, float, float]:
    """Fresh questions without memory, then one corrective click on half of them."""
    clips, objects, frames = covers.shape[:3]
    asked = batch["asked_frames"]  # (B, A)
    index = (
        (torch.arange(clips)[:, None, None].to(asked) * frames + asked[:, None, :])
        .expand(clips, objects, asked.shape[1])
        .flatten()
    )
    truth = covers.gather(
        2, asked[:, None, :, None, None].expand(-1, objects, -1, *covers.shape[3:])
    ).flatten(0, 2)
    points, labels, boxes, priors, trusts, certain, ambiguous = (
        batch[key].flatten(0, 1)
        for key in ("points", "point_labels", "boxes", "priors", "trusts", "certain", "ambiguous")
    )
    present = (truth.amax((1, 2)) > 0.5).float()
    maps = draw(points, labels, boxes, (priors, trusts, certain))
    pictures = take(features, index)
    answer = network.decode(pictures, maps, empty_recall(pictures))
    loss, overlap = answer_loss(answer, truth, ambiguous, present)

    half = torch.randperm(len(index), generator=generator)[: len(index) // 2].to(index.device)
    points, labels = _corrected(answer, truth, points, labels, half, generator)
    best = torch.sigmoid(_chosen(answer)[half].detach().float())
    keep = (torch.rand(len(half), generator=generator) < 0.5).float().to(best)
    shown = (best * keep[:, None, None], keep * 0.5, torch.zeros_like(keep))
    maps = draw(points, labels, boxes[half], shown)
    pictures = take(features, index[half])
    second = network.decode(pictures, maps, empty_recall(pictures))
    never = torch.zeros_like(ambiguous[half])
    second_loss, second_overlap = answer_loss(second, truth[half], never, present[half])
    is_box = torch.isfinite(boxes).all(1)
    return (
        loss + 0.5 * second_loss,
        float(overlap[ambiguous & (present > 0)].nanmean()),
        float(overlap[is_box & (present > 0)].mean()),
        float(second_overlap[present[half] > 0].mean()),
    )


def _follow(
    network: LiteNetwork,
    features: Features,
    covers: Tensor,
    known: list[Tensor],
    frame: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Find the objects of frame 0 in a later frame; what was answered between is remembered."""
    clips, objects, frames = covers.shape[:3]
    recalls = []
    for clip in range(clips):
        keys = features.keys[clip * frames : clip * frames + frame + 1]
        masks = torch.stack([mask[clip] for mask in known])  # (t, O, h, w)
        recalls.append(readings(keys[-1], keys[:-1], masks))
    recalled = torch.cat(recalls)  # (B*O, R, h16, w16)
    truth = covers[:, :, frame].flatten(0, 1)
    present = truth.amax((1, 2)) > 0.5
    weights = torch.where(present, 1.0, 0.5)
    flags = torch.ones_like(recalled[:, :1])
    prior = _prior(known[-1].flatten(0, 1), truth, generator)
    points, labels, boxes = _hints(truth, generator)
    maps = draw(points, labels, boxes, (*prior, torch.zeros_like(prior[1])))
    index = torch.arange(clips, device=truth.device).repeat_interleave(objects) * frames + frame
    answer = network.decode(
        take(features, index), maps, torch.cat([recalled, flags], 1).to(features.wide.dtype)
    )
    never = torch.zeros(len(truth), dtype=torch.bool, device=truth.device)
    loss, overlap = answer_loss(answer, truth, never, weights)
    small = F.avg_pool2d(truth[:, None], 4)[:, 0]
    loss = loss + READING_WEIGHT * reading_loss(recalled[:, :-1], small, weights)
    predicted = torch.sigmoid(_chosen(answer).detach().float())
    overlap = torch.where(present, overlap, torch.nan)
    return loss, torch.unflatten(predicted, 0, (clips, objects)), overlap


def readings(keys: Tensor, remembered: Tensor, masks: Tensor) -> Tensor:
    """What the memory reads of O objects.

    Args:
        keys: (C, h, w) of the current picture.
        remembered: (T, C, h, w), the first one an anchor, the last one the frame just before.
        masks: (T, O, 4h, 4w) 0..1.

    Returns:
        (O, 4, h, w), see `READINGS`.
    """
    grid = keys.shape[1:]
    query = keys.flatten(1).T
    stored = remembered.flatten(2).transpose(1, 2)  # (T, hw, C)
    values = F.avg_pool2d(masks, 4).flatten(2).transpose(1, 2)  # (T, hw, O)
    everything = torch.ones_like(values)
    weights, best = _attention.attend(query, stored.flatten(0, 1))
    recent = _attention.read(weights, values.flatten(0, 1), everything.flatten(0, 1))
    weights, _ = _attention.attend(query, stored[0])
    anchors = _attention.read(weights, values[0], everything[0])
    weights, _ = _attention.attend(query, stored[-1])
    weights = weights * _attention.locality((grid[0], grid[1])).to(query)
    local = _attention.read(weights, values[-1], everything[-1])
    familiar = _attention.familiarity(best, KEY_TEMPERATURE).expand_as(local)
    return torch.unflatten(torch.stack([anchors, recent, local, familiar], 1), 2, grid)


def draw(
    points: Tensor, labels: Tensor, boxes: Tensor, prior: tuple[Tensor, Tensor, Tensor]
) -> Tensor:
    """Prompt maps (N, 6, h, w) from points, boxes and (prior (N, h, w), trust, certain)."""
    shown, trust, certain = prior
    grid = (shown.shape[1], shown.shape[2])
    planes = torch.stack([trust, certain], 1)[..., None, None].expand(-1, -1, *grid)
    return torch.cat(
        [
            prompt_maps.draw_points(points, labels, grid),
            prompt_maps.draw_boxes(boxes, grid),
            shown[:, None],
            planes,
        ],
        1,
    ).contiguous(memory_format=torch.channels_last)


def _chosen(answer: Answer) -> Tensor:
    """Logits (N, h, w) of the candidate with the highest score."""
    best = answer.scores.argmax(1)
    return answer.logits[torch.arange(len(best), device=best.device), best]


def _corrected(
    answer: Answer,
    truth: Tensor,
    points: Tensor,
    labels: Tensor,
    half: Tensor,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Points of the questions `half` with one more where the error is thickest (as SAM trains)."""
    wrong = ((_chosen(answer)[half] > 0) != (truth[half] > 0.5)).float()[:, None]
    depth = wrong
    for _ in range(3):  # repeated averaging peaks in the middle of thick errors
        depth = F.avg_pool2d(depth, 5, 1, 2) * wrong
    noise = torch.rand(depth.shape, generator=generator).to(depth)
    place = (depth * (0.8 + 0.4 * noise)).flatten(1).argmax(1)
    width = truth.shape[2]
    x, y = place % width, place // width
    sign = truth[half].flatten(1).gather(1, place[:, None])[:, 0] > 0.5
    points, labels = points[half].clone(), labels[half].clone()
    slot = (labels >= 0).sum(1).clamp(max=labels.shape[1] - 1)
    rows = torch.arange(len(half), device=slot.device)
    points[rows, slot] = (torch.stack([x, y], 1) + 0.5) * prompt_maps.STRIDE
    labels[rows, slot] = sign.long()
    return points, labels


def _prior(last: Tensor, truth: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The last mask, moved part of the way to the object, and how far to trust it; often none."""
    count = len(last)
    chance = torch.rand(count, 3, generator=generator)
    moved = []
    for mask, cover, draw_ in zip(last, truth, chance, strict=True):
        shift = (_centre(cover) - _centre(mask)) * (draw_[0] * 1.2).clamp(max=1).to(mask)
        dy, dx = (int(v) for v in shift.round())
        moved.append(torch.roll(mask, (dy, dx), (0, 1)))
    prior = torch.stack(moved)
    both = torch.minimum(prior, truth).sum((1, 2))
    overlap = both / torch.maximum(prior, truth).sum((1, 2)).clamp(min=1)
    noise = 0.15 * torch.randn(count, generator=generator).to(overlap)
    trust = torch.where(chance[:, 1].to(overlap) < 0.5, overlap + noise, chance[:, 2].to(overlap))
    shown = (torch.rand(count, generator=generator) < 0.55).to(prior)
    return prior * shown[:, None, None], trust.clamp(0.05, 0.95) * shown


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


def _hints(truth: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """A loose box around one object in five, no points: what a motion model would add."""
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
