"""One training step's forward pass: ask, correct, then follow the objects through the clip."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from propagate.memory import _attention
from propagate.segmenters._lite import prompt_maps
from propagate.segmenters._lite.network import KEY_TEMPERATURE, Answer, Features, LiteNetwork
from propagate.training import simulation
from propagate.training.losses import answer_loss, overlaps, reading_loss
from propagate.types import READINGS

READING_WEIGHT = 0.3
FOLLOW_WEIGHT = 1.5
"""Of following an object through the clip, against 1 for a fresh question about it."""
CORRECTIONS = 2
"""Times that a question is asked again, each for half of those before."""
CLICKED, SHOWN = 0.7, 0.6
"""Of questions asked again: how many have one more click, how many show the mask of the last
answer. Those without a click show it always: it is as a first answer is made better."""


class StepResult(NamedTuple):
    """The loss to minimise and mean IoUs to log, NaN where a batch held no such question.

    All are scalars on the network's device: reading one makes the host wait for it.
    """

    loss: Tensor
    click: Tensor
    box: Tensor
    corrected: Tensor
    followed: Tensor


def forward(
    network: LiteNetwork,
    batch: dict[str, Tensor],
    generator: torch.Generator,
    sharpness: float = 1.0,
) -> StepResult:
    """All questions of a batch (see `dataset.Samples`): the loss and what to log.

    Args:
        network: in training mode.
        batch: from the data set, on the network's device.
        generator: of what is drawn here, on the network's device.
        sharpness: of the memory's attention, see `appearance.Config`.
    """
    images = batch["images"]
    clips, frames = images.shape[:2]
    covers = batch["covers"].float() / 255  # (B, O, T, h, w)
    features = network.encode(images.flatten(0, 1).contiguous(memory_format=torch.channels_last))
    loss, asked, box, corrected = _ask(network, features, batch, covers, generator)
    followed = [torch.full_like(asked, torch.nan)[None]]  # what remains of single photos
    known = [covers[:, :, 0]]
    while len(known) < frames:
        recalled = _recall(features, covers, known, sharpness)
        step_loss, predicted, overlap = _follow(
            network, features, covers, known, recalled, generator
        )
        loss = loss + FOLLOW_WEIGHT * step_loss / (frames - 1)
        known.append(simulation.drift(predicted, generator))
        followed.append(overlap)
    return StepResult(loss, asked, box, corrected, torch.cat(followed).nanmean())


def take(features: Features, index: Tensor) -> Features:
    """The pictures `index` (N,) of encoded ones."""
    return Features(*(level[index] for level in features))


def empty_recall(features: Features) -> Tensor:
    """Readings that say nothing: (N, 5, h, w) zeros."""
    count, _, height, width = features.wide.shape
    return features.wide.new_zeros(count, len(READINGS) + 1, height, width)


class _Questions(NamedTuple):
    """N questions: about which picture (N,), the truth (N, h, w), whether there is any, prompts."""

    pictures: Tensor
    truth: Tensor
    present: Tensor
    points: Tensor
    labels: Tensor
    boxes: Tensor


def _ask(
    network: LiteNetwork,
    features: Features,
    batch: dict[str, Tensor],
    covers: Tensor,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Fresh questions without memory; half of them are asked again, a quarter twice.

    Returns:
        The loss, and mean IoUs of single clicks, of boxes, and after the last correction.
    """
    asked, priors = _questions(batch, covers)
    ambiguous = batch["ambiguous"].flatten()
    pictures = take(features, asked.pictures)
    maps = draw(asked.points, asked.labels, asked.boxes, priors)
    answer = network.decode(pictures, maps, empty_recall(pictures))
    loss, overlap = answer_loss(answer, asked.truth, ambiguous, asked.present)
    click = _mean_where(overlap, ambiguous & (asked.present > 0))
    box = _mean_where(overlap, torch.isfinite(asked.boxes).all(1) & (asked.present > 0))

    order = torch.rand(
        asked.present.shape, generator=generator, device=asked.present.device
    ).argsort()  # randperm would come from the host
    asked, answer = _part(asked, answer, order)
    for number in range(1, CORRECTIONS + 1):
        asked, answer = _part(asked, answer, slice(len(asked.pictures) // 2))
        asked, answer = _correct(network, features, asked, answer, generator)
        never = torch.zeros_like(asked.present, dtype=torch.bool)
        more, overlap = answer_loss(answer, asked.truth, never, asked.present)
        loss = loss + more / 2**number
    return loss, click, box, _mean_where(overlap, asked.present > 0)


def _questions(
    batch: dict[str, Tensor], covers: Tensor
) -> tuple[_Questions, tuple[Tensor, Tensor, Tensor]]:
    """The questions of a batch, and the masks shown with them (see `draw`)."""
    clips, objects, frames = covers.shape[:3]
    asked = batch["asked_frames"]  # (B, A)
    clip = torch.arange(clips, device=asked.device)[:, None, None]
    index = clip * frames + asked[:, None, :]
    index = index.expand(clips, objects, asked.shape[1]).flatten()
    chosen = asked[:, None, :, None, None].expand(-1, objects, -1, *covers.shape[3:])
    truth = covers.gather(2, chosen).flatten(0, 2)
    points, labels, boxes, priors, trusts, certain = (
        batch[key].flatten(0, 1)
        for key in ("points", "point_labels", "boxes", "priors", "trusts", "certain")
    )
    present = (truth.amax((1, 2)) > 0.5).float()
    return _Questions(index, truth, present, points, labels, boxes), (priors, trusts, certain)


def _part(asked: _Questions, answer: Answer, which: Tensor | slice) -> tuple[_Questions, Answer]:
    """Some of the questions, and what of their answers a correction looks at."""
    part = _Questions(*(value[which] for value in asked))
    return part, Answer(answer.logits[which], answer.scores[which], [])


def _correct(
    network: LiteNetwork,
    features: Features,
    asked: _Questions,
    answer: Answer,
    generator: torch.Generator,
) -> tuple[_Questions, Answer]:
    """Ask again: with one more click, with the mask of the last answer, or with both."""
    chance = torch.rand(2, len(asked.present), generator=generator, device=asked.present.device)
    clicked = chance[0] < CLICKED
    points, labels = _clicked(answer, asked, generator)
    points = torch.where(clicked[:, None, None], points, asked.points)
    labels = torch.where(clicked[:, None], labels, asked.labels)
    # Each candidate is looked at again in its turn, so also the one that is right.
    right = overlaps(answer.logits, asked.truth).argmax(1)
    index = torch.where(clicked, answer.scores.argmax(1), right)
    last = torch.sigmoid(_candidate(answer, index).detach().float())
    keep = (~clicked | (chance[1] < SHOWN)).float()
    shown = (last * keep[:, None, None], keep, torch.zeros_like(keep))
    pictures = take(features, asked.pictures)
    maps = draw(points, labels, asked.boxes, shown)
    again = network.decode(pictures, maps, empty_recall(pictures))
    return asked._replace(points=points, labels=labels), again


def _recall(features: Features, covers: Tensor, known: list[Tensor], sharpness: float) -> Tensor:
    """What the memory reads in frame `len(known)`: (B * O, 4, h, w)."""
    frames, frame = covers.shape[2], len(known)
    keys = torch.unflatten(features.keys, 0, (len(covers), frames))
    masks = torch.stack(known, 1)  # (B, t, O, h, w)
    return readings(keys[:, frame], keys[:, :frame], masks, sharpness).flatten(0, 1)


def _follow(
    network: LiteNetwork,
    features: Features,
    covers: Tensor,
    known: list[Tensor],
    recalled: Tensor,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Find the objects of frame 0 in the frame after the `known` ones, which are remembered."""
    clips, objects, frames = covers.shape[:3]
    frame = len(known)
    truth = covers[:, :, frame].flatten(0, 1)
    present = truth.amax((1, 2)) > 0.5
    weights = torch.where(present, 1.0, 0.5)
    flags = torch.ones_like(recalled[:, :1])
    prior = simulation.prior(known[-1].flatten(0, 1), truth, generator)
    points, labels, boxes = simulation.hints(truth, generator)
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


def readings(keys: Tensor, remembered: Tensor, masks: Tensor, sharpness: float = 1.0) -> Tensor:
    """What the memory reads of O objects in each of B clips.

    Args:
        keys: (B, C, h, w) of the current pictures.
        remembered: (B, T, C, h, w), the first one an anchor, the last one the frame just before.
        masks: (B, T, O, 4h, 4w) 0..1.
        sharpness: see `forward`.

    Returns:
        (B, O, 4, h, w), see `READINGS`.
    """
    grid = (keys.shape[2], keys.shape[3])
    with torch.autocast(keys.device.type, enabled=False):  # logits need more than bfloat16
        query = keys.float().flatten(2).mT
        stored = remembered.float().flatten(3).mT  # (B, T, hw, C)
        values = F.avg_pool2d(masks.flatten(0, 2), 4)
        values = torch.unflatten(values, 0, masks.shape[:3]).flatten(3).mT  # (B, T, hw, O)
        everything = torch.ones_like(values)
        weights, best = _attention.attend(query, stored.flatten(1, 2), sharpness)
        recent = _attention.read(weights, values.flatten(1, 2), everything.flatten(1, 2))
        cells = values.shape[2]
        anchors = _attention.read(weights[..., :cells], values[:, 0], everything[:, 0])
        close = weights[..., -cells:] * _attention.locality(grid, device=query.device)
        local = _attention.read(close, values[:, -1], everything[:, -1])
        familiar = _attention.familiarity(best, KEY_TEMPERATURE)[:, None].expand_as(local)
        return torch.unflatten(torch.stack([anchors, recent, local, familiar], 2), 3, grid)


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


def _mean_where(values: Tensor, where: Tensor) -> Tensor:
    """Mean of the values where a condition holds, NaN where it never does; no wait for the host."""
    return torch.where(where, values, torch.nan).nanmean()


def _chosen(answer: Answer) -> Tensor:
    """Logits (N, h, w) of the candidate with the highest score."""
    return _candidate(answer, answer.scores.argmax(1))


def _candidate(answer: Answer, index: Tensor) -> Tensor:
    """Logits (N, h, w) of one candidate (N,) of each answer."""
    return answer.logits[torch.arange(len(index), device=index.device), index]


def _clicked(
    answer: Answer, asked: _Questions, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Points of the questions with one more where the error is thickest (as SAM trains)."""
    wrong = ((_chosen(answer) > 0) != (asked.truth > 0.5)).float()[:, None]
    depth = wrong
    for _ in range(3):  # repeated averaging peaks in the middle of thick errors
        depth = F.avg_pool2d(depth, 5, 1, 2) * wrong
    noise = torch.rand(depth.shape, generator=generator, device=depth.device)
    place = (depth * (0.8 + 0.4 * noise)).flatten(1).argmax(1)
    width = asked.truth.shape[2]
    x, y = place % width, place // width
    sign = asked.truth.flatten(1).gather(1, place[:, None])[:, 0] > 0.5
    points, labels = asked.points.clone(), asked.labels.clone()
    slot = (labels >= 0).sum(1).clamp(max=labels.shape[1] - 1)
    rows = torch.arange(len(slot), device=slot.device)
    points[rows, slot] = (torch.stack([x, y], 1) + 0.5) * prompt_maps.STRIDE
    labels[rows, slot] = sign.long()
    return points, labels
