"""`lite` as two graphs for other runtimes: one encodes a picture, one answers prompts about it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from propagate.segmenters._graph import Graph
from propagate.segmenters._lite import prompt_maps
from propagate.segmenters._lite.network import Features, LiteNetwork
from propagate.types import READINGS

_FEATURES = ("wide", "middle", "fine", "keys")


class PlainEncoder(nn.Module):
    """(1, H, W, 3) uint8 RGB → the features of `network.Features`."""

    def __init__(self, network: LiteNetwork) -> None:
        """Use a network."""
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Features:
        """See the class."""
        return self.network.encode(image.permute(0, 3, 1, 2))


class PlainDecoder(nn.Module):
    """Features and prompts in pixels of the network's input → masks and their expected IoU."""

    def __init__(self, network: LiteNetwork) -> None:
        """Use a network."""
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Answer.

        Args:
            inputs: in this order, the first three from `PlainEncoder`.
            wide: (1, 128, H/16, W/16).
            middle: (1, 64, H/8, W/8).
            fine: (1, 32, H/4, W/4).
            points: (N, P, 2) pixels.
            labels: (N, P) int64: 1 on the object, 0 off it, -1 padding.
            boxes: (N, 4) pixels; x1 <= x0 where there is none.
            priors: (N, 3, H/4, W/4): the last mask, how far to trust it, 1 if the user gave it.
            readings: (N, 5, H/16, W/16): what the memory reads, and a plane of ones if it did.

        Returns:
            Logits (N, 3, H/4, W/4) and expected IoU (N, 3).
        """
        wide, middle, fine, points, labels, boxes, priors, readings = inputs
        grid_hw = (fine.shape[2], fine.shape[3])
        known = (boxes[:, 2] > boxes[:, 0]).to(boxes.dtype)[:, None, None, None]
        maps = [
            prompt_maps.draw_points(points, labels, grid_hw),
            prompt_maps.draw_boxes(boxes, grid_hw) * known,
            priors,
        ]
        features = Features(wide, middle, fine, wide)  # the decoder reads no keys
        answer = self.network.decode(features, torch.cat(maps, 1), readings)
        return answer.logits, answer.scores.sigmoid()


def graphs(network: LiteNetwork, input_hw: tuple[int, int]) -> list[Graph]:
    """Both halves of a network in evaluation mode, for inputs of one size in pixels."""
    height, width = input_hw

    def image(count: int) -> tuple[Tensor, ...]:
        return (torch.randint(0, 256, (1, height, width, 3), dtype=torch.uint8),)

    def questions(count: int) -> tuple[Tensor, ...]:
        with torch.inference_mode():
            features = network.encode(image(1)[0].permute(0, 3, 1, 2))[:3]
        side = torch.tensor([width, height]).float()
        corners = torch.rand(count, 2, 2).sort(1).values * side
        priors = torch.rand(count, 3, height // 4, width // 4)
        readings = torch.rand(count, len(READINGS) + 1, height // 16, width // 16)
        labels = torch.tensor([[1, 0, -1]]).repeat(count, 1)
        points = torch.rand(count, 3, 2) * side
        # a copy: what was made in inference mode cannot be exported
        shared = [one.clone() for one in features]
        return *shared, points, labels, corners.flatten(1), priors, readings

    each = {0: "prompts"}
    several = {0: "prompts", 1: "points"}
    prompts = ("points", "labels", "boxes", "priors", "readings")
    shapes = {"points": several, "labels": several, "boxes": each, "priors": each, "readings": each}
    decoder = PlainDecoder(network).eval()
    return [
        Graph("encoder", PlainEncoder(network).eval(), ("image",), _FEATURES, {}, image),
        Graph(
            "decoder", decoder, (*_FEATURES[:3], *prompts), ("logits", "scores"), shapes, questions
        ),
    ]
