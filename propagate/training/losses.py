"""Losses: cross entropy with a heavier edge, dice, best of three, expected overlap."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from propagate.segmenters._lite.network import Answer

EDGE_WEIGHT = 2.0
DICE_WEIGHT = 1.0
CROSS_ENTROPY_WEIGHT = 2.0
SCORE_WEIGHT = 0.5
COARSE_WEIGHT = 0.2


def mask_losses(logits: Tensor, covers: Tensor) -> Tensor:
    """Loss of every candidate against the truth.

    Args:
        logits: (N, K, h, w).
        covers: (N, h, w) how far the object covers each cell, 0..1.

    Returns:
        (N, K): weighted cross entropy plus dice (Milletari et al., 2016). An object that is not
        in the picture has no dice: only cross entropy pulls its mask to nothing.
    """
    truth = covers[:, None].expand_as(logits)
    smooth = F.avg_pool2d(covers[:, None], 5, 1, 2, count_include_pad=False)
    weight = 1 + EDGE_WEIGHT * 2 * (0.5 - (smooth - 0.5).abs()).clamp(min=0)
    entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    entropy = (entropy * weight).sum((2, 3)) / weight.sum((2, 3))
    inside = torch.sigmoid(logits)
    both = (inside * truth).sum((2, 3))
    dice = 1 - (2 * both + 1) / (inside.sum((2, 3)) + truth.sum((2, 3)) + 1)
    present = (covers.amax((1, 2)) > 0.5).float()[:, None]
    return CROSS_ENTROPY_WEIGHT * entropy + DICE_WEIGHT * dice * present


def overlaps(logits: Tensor, covers: Tensor) -> Tensor:
    """IoU of every candidate with the truth (N, K); 0 where the object is not in the picture."""
    mask, truth = logits > 0, covers[:, None] > 0.5
    both = (mask & truth).sum((2, 3)).float()
    either = (mask | truth).sum((2, 3)).float()
    return both / either.clamp(min=1)


def answer_loss(
    answer: Answer, covers: Tensor, ambiguous: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """The whole loss of a batch of answers and the overlap of the best-scored candidate.

    Args:
        answer: of N questions.
        covers: (N, h, w) the truth, 0..1.
        ambiguous: (N,) bool: only the best of the candidates has to be right.
        weights: (N,) how much each question counts.

    Returns:
        A scalar, and (N,) IoU of the candidate with the highest score.
    """
    losses = mask_losses(answer.logits.float(), covers)
    best, mean = losses.amin(1), losses.mean(1)
    share = torch.where(ambiguous, 0.9, 0.3)
    loss = share * best + (1 - share) * mean
    overlap = overlaps(answer.logits.detach(), covers)
    scores = answer.scores.float()
    loss = loss + SCORE_WEIGHT * F.binary_cross_entropy_with_logits(
        scores, overlap, reduction="none"
    ).mean(1)
    small = F.avg_pool2d(covers[:, None], 4)
    for coarse in answer.coarse:
        entropy = F.binary_cross_entropy_with_logits(coarse.float(), small, reduction="none")
        loss = loss + COARSE_WEIGHT * entropy.mean((1, 2, 3)) * torch.where(ambiguous, 0.3, 1.0)
    chosen = overlap.gather(1, scores.argmax(1, keepdim=True))[:, 0]
    return (loss * weights).sum() / weights.sum().clamp(min=1), chosen


def reading_loss(readings: Tensor, covers: Tensor, weights: Tensor) -> Tensor:
    """Cross entropy of what the memory read (N, R, h, w) in 0..1 with covers (N, h, w)."""
    truth = covers[:, None].expand_as(readings)
    read = readings.float().clamp(1e-4, 1 - 1e-4)
    entropy = -(truth * read.log() + (1 - truth) * (1 - read).log())
    return (entropy.mean((1, 2, 3)) * weights).sum() / weights.sum().clamp(min=1)
