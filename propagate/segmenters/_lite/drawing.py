"""Prompts as the decoder takes them: drawn on the network's grids."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from propagate import coords
from propagate.coords import Size
from propagate.segmenters._lite import prompt_maps
from propagate.types import READINGS, Evidence, FloatArray, Prompt


def draw(
    prompts: Sequence[Prompt], size_hw: Size, input_hw: Size, cells_hw: Size
) -> tuple[Tensor, Tensor]:
    """The decoder's inputs for N prompts.

    Args:
        prompts: in pixels of the picture.
        size_hw: (H, W) of the picture.
        input_hw: of the network's input.
        cells_hw: (h, w) of the widest features.

    Returns:
        Prompt maps (N, 6, H/4, W/4) of the input, channels last, and memory readings (N, 5, h, w).
    """
    grid_hw = (input_hw[0] // prompt_maps.STRIDE, input_hw[1] // prompt_maps.STRIDE)
    points, labels = _padded_points(prompts, size_hw, input_hw)
    boxes = np.full((len(prompts), 4), np.nan, np.float32)
    priors = np.zeros((len(prompts), 3, *grid_hw), np.float32)
    readings = np.zeros((len(prompts), len(READINGS) + 1, *cells_hw), np.float32)
    for i, prompt in enumerate(prompts):
        if prompt.box is not None:
            boxes[i] = coords.scale_box(prompt.box, size_hw, input_hw)
        priors[i] = _prior_maps(prompt, grid_hw)
        if prompt.evidence is not None and prompt.evidence.recall is not None:
            readings[i, :-1] = prompt.evidence.recall
            readings[i, -1] = 1
    drawn = [
        prompt_maps.draw_points(torch.from_numpy(points), torch.from_numpy(labels), grid_hw),
        prompt_maps.draw_boxes(torch.from_numpy(boxes), grid_hw),
        torch.from_numpy(priors),
    ]
    maps = torch.cat(drawn, 1).contiguous(memory_format=torch.channels_last)
    return maps, torch.from_numpy(readings)


def _padded_points(
    prompts: Sequence[Prompt], size_hw: Size, input_hw: Size
) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Points (N, P, 2) in pixels of the input and labels (N, P): 1, 0, or -1 for padding."""
    most = max(len(prompt.points_xy) for prompt in prompts)
    points = np.zeros((len(prompts), most, 2), np.float32)
    labels = np.full((len(prompts), most), -1, np.int64)
    for i, prompt in enumerate(prompts):
        count = len(prompt.points_xy)
        if count and prompt.labels is not None:
            points[i, :count] = coords.scale_points(prompt.points_xy, size_hw, input_hw)
            labels[i, :count] = prompt.labels
    return points, labels


def _prior_maps(prompt: Prompt, grid_hw: Size) -> FloatArray:
    """(3, h, w): the prior, how far to trust it, and whether it is the user's own mask."""
    maps = np.zeros((3, *grid_hw), np.float32)
    evidence = prompt.evidence or Evidence()
    if prompt.mask is not None:
        given = prompt.mask.astype(np.float32)
        maps[0] = cv2.resize(given, grid_hw[::-1], interpolation=cv2.INTER_AREA)
        maps[1:] = 1
    elif evidence.prior is not None and evidence.trust > 0:
        maps[0] = cv2.resize(evidence.prior, grid_hw[::-1], interpolation=cv2.INTER_LINEAR)
        maps[1] = evidence.trust
    return maps
