"""Segment everything as it was published, and weights that make it worth timing.

Kirillov et al., "Segment Anything", 2023: all points of the grid in batches of 64, each answer
enlarged to the picture before it is judged, boxes that repeat a better one dropped at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from propagate import coords, masks
from propagate.automatic import Config, box_iou
from propagate.segmenters._sam.network import ENCODERS, SIDE, Question, SamNetwork
from propagate.segmenters._sam.prompt_encoder import NOTHING

BATCH = 64


@dataclass(frozen=True)
class Kept:
    """One answer: mask (H, W) bool, box (4,), predicted IoU."""

    mask: np.ndarray
    box: np.ndarray
    score: float


@torch.inference_mode()
def everything(image: np.ndarray, network: SamNetwork, theirs: Any, config: Config) -> list[Kept]:
    """What passes, repeats and all; `theirs`: a `transformers.SamModel` with the same decoder."""
    height, width = size_hw = image.shape[:2]
    embedding = network.encode(torch.from_numpy(image).permute(2, 0, 1))
    place = (np.arange(config.points_per_side) + 0.5) / config.points_per_side
    x, y = np.meshgrid(place * width, place * height)
    points = coords.sam_points(np.stack([x.ravel(), y.ravel()], 1), size_hw, SIDE)
    found: list[Kept] = []
    for first in range(0, len(points), BATCH):
        asked = torch.from_numpy(points[first : first + BATCH])[None, :, None]
        answer = theirs(
            image_embeddings=embedding,
            input_points=asked - 0.5,  # they add half a pixel themselves
            input_labels=torch.ones(asked.shape[:3], dtype=torch.int64),
            multimask_output=True,
        )
        found += judged(answer.pred_masks[0], answer.iou_scores[0], size_hw, config)
    return found


def suppressed(found: list[Kept], most_overlap: float) -> list[Kept]:
    """Without those whose box is that of a better one."""
    found = sorted(found, key=lambda one: -one.score)
    boxes = np.array([one.box for one in found]).reshape(-1, 4)
    left = np.ones(len(found), bool)
    for number in range(len(found)):
        if left[number]:
            overlap = box_iou(boxes[number], boxes[number + 1 :])
            left[number + 1 :] &= overlap <= most_overlap
    return [one for one, stays in zip(found, left, strict=True) if stays]


def judged(
    logits: torch.Tensor, scores: torch.Tensor, size_hw: tuple[int, int], config: Config
) -> list[Kept]:
    """Logits (N, 3, 256, 256), scores (N, 3) → what passes, at the picture's size."""
    height, width = coords.fit_long_side(size_hw, SIDE)
    large = F.interpolate(logits, (SIDE, SIDE), mode="bilinear")[..., :height, :width]
    large = F.interpolate(large, size_hw, mode="bilinear").flatten(0, 1)
    scores = scores.flatten()
    passed = scores > config.least_score
    large, scores = large[passed], scores[passed]
    offset = config.stability_offset
    sure = (large > offset).sum((1, 2))
    stability = sure / (large > -offset).sum((1, 2)).clamp(min=1)
    passed = stability >= config.least_stability
    pixels = (large[passed] > 0).numpy()
    kept = []
    for mask, score in zip(pixels, scores[passed].tolist(), strict=True):
        box = masks.box_of(mask)
        if box is not None:
            again = masks.decode_rle(masks.encode_rle(mask))  # the published code keeps run lengths
            kept.append(Kept(again, box, score))
    return kept


@torch.no_grad()
def blobs(state: dict[str, torch.Tensor], image: np.ndarray) -> SamNetwork:
    """MobileSAM with random weights, bent until its masks are blobs here and there.

    Random weights alone draw noise all over the picture, which leaves one box and nothing to
    compare. So cells look for the tokens of their own place, all four cells that one becomes are
    alike, and what the masks have in common is taken out of them, less a little.
    """
    generator = torch.Generator().manual_seed(1)
    state = {key: value.clone() for key, value in state.items()}
    for layer in (0, 1):
        key = f"mask_decoder.transformer.layers.{layer}.cross_attn_image_to_token."
        alike = torch.randn(128, 256, generator=generator) * 3 / 16
        state[f"{key}q_proj.weight"], state[f"{key}k_proj.weight"] = alike, alike.clone()
        state[f"{key}q_proj.bias"].zero_()
        state[f"{key}k_proj.bias"].zero_()
    state["prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"] = 0.7 * torch.randn(
        2, 128, generator=generator
    )
    for layer in (0, 3):
        key = f"mask_decoder.output_upscaling.{layer}.weight"
        state[key] = 2 * state[key].mean((2, 3), keepdim=True).expand_as(state[key]).contiguous()
    for key in ("weight", "bias"):
        state[f"image_encoder.neck.3.{key}"] *= 0.7
    network = SamNetwork(ENCODERS["mobile-sam"]()).eval()
    network.load_state_dict(state, strict=False)
    last = network.mask_decoder.iou_prediction_head.layers[2]
    last.weight.mul_(0.15)  # so that all scores lie between 0 and 1
    last.bias.mul_(0.15).add_(0.5)
    _take_out_what_is_common(network, image, generator)
    return network


def _take_out_what_is_common(
    network: SamNetwork, image: np.ndarray, generator: torch.Generator
) -> None:
    """Of the 32 channels that masks are sums of; their mean is read by asking for each alone."""
    last = [head.layers[2] for head in network.mask_decoder.output_hypernetworks_mlps]
    before = [(layer.weight.clone(), layer.bias.clone()) for layer in last]
    embedding = network.encode(torch.from_numpy(image).permute(2, 0, 1))
    points = 600 * torch.rand(8, 1, 2, generator=generator)
    question = Question(
        torch.cat([points, torch.zeros(8, 1, 2)], 1), torch.tensor([[1, NOTHING]]).expand(8, 2)
    )
    means = []
    for first in range(0, 32, 4):
        for number, layer in enumerate(last):
            layer.weight.zero_()
            layer.bias.copy_(torch.eye(32)[first + number])
        means.append(network.decode(embedding, question)[0][:, :, :160].mean((0, 2, 3)))
    mean = torch.cat(means)
    way = mean / mean.norm()
    for layer, (weight, bias) in zip(last, before, strict=True):
        layer.weight.copy_(60 * (weight - way[:, None] * (way @ weight)))
        layer.bias.copy_(60 * (bias - way * (way @ bias)) - 4 * way / mean.norm())
