"""The default segmenter: a small network of our own, its weights in the package.

Real time on two CPU cores, no download. See `weights/lite.md` for what it was trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from propagate import coords
from propagate.errors import ConfigError
from propagate.segmenters._device import choose_device
from propagate.segmenters._lite import int8, prompt_maps
from propagate.segmenters._lite.fast import fuse_activations
from propagate.segmenters._lite.fuse import fuse_norms
from propagate.segmenters._lite.network import Features, LiteNetwork, channels_last
from propagate.segmenters._lite.weights import load_weights
from propagate.types import Candidates, Evidence, FloatArray, ImageArray, Prompt, check_image

SHIPPED = Path(__file__).parent / "weights" / "lite.safetensors"
_MULTIPLE = 32  # of the network's input sides
_BATCH = 8  # questions at a time: what lies between the layers then fits a CPU's cache
_OWN_TRUST = 1.0  # in an answer of its own


@dataclass(frozen=True)
class Config:
    """Settings of `lite`.

    Attributes:
        checkpoint: weights file; None takes the one in the package.
        device: "cpu", "cuda" or "auto".
        area: pixels of the network's input; more finds thinner things and takes longer, in
            proportion. Pictures are resized to about this area whatever their shape.
        precision: of the trunk. "float32" answers alike everywhere; "int8" takes a quarter less
            time for a frame and answers nearly the same; "auto" is int8 on a CPU that multiplies
            bytes faster (x86 with VNNI) and float32 elsewhere. A GPU computes in bfloat16.
    """

    checkpoint: str | None = None
    device: str = "auto"
    area: int = 288 * 512
    precision: Literal["auto", "float32", "int8"] = "auto"


@dataclass(frozen=True, eq=False)
class LiteEmbedding:
    """An encoded picture.

    Attributes:
        size_hw: (H, W) of the picture.
        input_hw: size at which the network saw it.
        features: the pyramid, batch of one.
    """

    size_hw: tuple[int, int]
    input_hw: tuple[int, int]
    features: Features

    @cached_property
    def keys(self) -> Tensor:
        """(48, h, w) float32 at stride 16, unit vectors times the root of the temperature."""
        return self.features.keys[0].float()


class Lite:
    """Holds the network; has no state of a picture."""

    def __init__(self, network: LiteNetwork, device: torch.device, area: int) -> None:
        """Wrap a trained network (evaluation mode)."""
        self._network = network
        self._device = device
        self._area = area

    @torch.inference_mode()
    def encode(self, image: ImageArray) -> LiteEmbedding:
        """See `Segmenter.encode`."""
        check_image(image)
        pixels = network_input(image, self._area).to(self._device)
        with self._precision():
            features = self._network.encode(pixels)
        size_hw = (image.shape[0], image.shape[1])
        return LiteEmbedding(size_hw, (pixels.shape[2], pixels.shape[3]), features)

    @torch.inference_mode()
    def decode(self, embedding: LiteEmbedding, prompts: Sequence[Prompt]) -> list[Candidates]:
        """See `Segmenter.decode`; three candidates a prompt.

        Clicks and boxes say little: each of their answers is asked about again, as a rough mask.
        """
        answers = self._answers(embedding, prompts)
        vague = [n for n, prompt in enumerate(prompts) if _is_vague(prompt)]
        again = [
            replace(prompts[n], evidence=Evidence(prior=_sigmoid(logits), trust=_OWN_TRUST))
            for n in vague
            for logits in answers[n].logits
        ]
        better = [_best(answer) for answer in self._answers(embedding, again)]
        for place, n in enumerate(vague):
            three = better[3 * place : 3 * place + 3]
            logits, scores = (np.stack(values) for values in zip(*three, strict=True))
            answers[n] = replace(answers[n], logits=logits, scores=scores)
        return answers

    def _answers(self, embedding: LiteEmbedding, prompts: Sequence[Prompt]) -> list[Candidates]:
        """The network's own answers."""
        batches = (prompts[n : n + _BATCH] for n in range(0, len(prompts), _BATCH))
        return [answer for batch in batches for answer in self._batch(embedding, batch)]

    def _batch(self, embedding: LiteEmbedding, prompts: Sequence[Prompt]) -> list[Candidates]:
        maps, recall = self._draw(embedding, prompts)
        with self._precision():
            answer = self._network.decode(embedding.features, maps, recall)
        logits = answer.logits.float().contiguous().cpu().numpy()  # not channels last
        scores = answer.scores.float().sigmoid().cpu().numpy()
        return [
            Candidates(prompt.object_id, logits[i], scores[i], embedding.size_hw)
            for i, prompt in enumerate(prompts)
        ]

    def _draw(self, embedding: LiteEmbedding, prompts: Sequence[Prompt]) -> tuple[Tensor, Tensor]:
        """The decoder's inputs: prompt maps (N, 6, h, w) and memory readings (N, 5, h16, w16)."""
        from_hw, to_hw = embedding.size_hw, embedding.input_hw
        grid_hw = (to_hw[0] // prompt_maps.STRIDE, to_hw[1] // prompt_maps.STRIDE)
        points, labels = _padded_points(prompts, from_hw, to_hw)
        boxes = np.full((len(prompts), 4), np.nan, np.float32)
        priors = np.zeros((len(prompts), 3, *grid_hw), np.float32)
        readings = np.zeros((len(prompts), 5, *embedding.features.wide.shape[-2:]), np.float32)
        for i, prompt in enumerate(prompts):
            if prompt.box is not None:
                boxes[i] = coords.scale_box(prompt.box, from_hw, to_hw)
            priors[i] = _prior_maps(prompt, grid_hw)
            evidence = prompt.evidence or Evidence()
            if evidence.recall is not None:
                readings[i, :4] = evidence.recall
                readings[i, 4] = 1
        drawn = [
            prompt_maps.draw_points(torch.from_numpy(points), torch.from_numpy(labels), grid_hw),
            prompt_maps.draw_boxes(torch.from_numpy(boxes), grid_hw),
            torch.from_numpy(priors),
        ]
        maps = torch.cat(drawn, 1).contiguous(memory_format=torch.channels_last)
        return maps.to(self._device), torch.from_numpy(readings).to(self._device)

    def _precision(self) -> torch.autocast:
        """Of what is not in 8 bits: float32 on a CPU, where the fused network is as fast."""
        fast = self._device.type != "cpu"
        return torch.autocast(self._device.type, torch.bfloat16, enabled=fast)


def _is_vague(prompt: Prompt) -> bool:
    """Whether there are clicks or a box and nothing else."""
    return prompt.mask is None and prompt.evidence is None


def _sigmoid(logits: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


def _best(candidates: Candidates) -> tuple[FloatArray, np.float32]:
    """Logits (h, w) and score of the best of them."""
    best = candidates.scores.argmax()
    return candidates.logits[best], candidates.scores[best]


def input_size(size_hw: tuple[int, int], area: int) -> tuple[int, int]:
    """The network's input for a picture: about `area` pixels, sides multiples of 32."""
    scale = (area / (size_hw[0] * size_hw[1])) ** 0.5
    height, width = (max(1, round(side * scale / _MULTIPLE)) * _MULTIPLE for side in size_hw)
    return height, width


def network_input(image: ImageArray, area: int) -> Tensor:
    """A picture (H, W, 3) as the network sees it: (1, 3, h, w) uint8, channels last in memory."""
    input_hw = input_size((image.shape[0], image.shape[1]), area)
    small = cv2.resize(image, input_hw[::-1], interpolation=cv2.INTER_AREA)
    return torch.from_numpy(np.ascontiguousarray(small)).permute(2, 0, 1)[None]


def _padded_points(
    prompts: Sequence[Prompt], from_hw: tuple[int, int], to_hw: tuple[int, int]
) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Points (N, P, 2) in pixels of the input and labels (N, P): 1, 0, or -1 for padding."""
    most = max(len(prompt.points_xy) for prompt in prompts)
    points = np.zeros((len(prompts), most, 2), np.float32)
    labels = np.full((len(prompts), most), -1, np.int64)
    for i, prompt in enumerate(prompts):
        count = len(prompt.points_xy)
        if count and prompt.labels is not None:
            points[i, :count] = coords.scale_points(prompt.points_xy, from_hw, to_hw)
            labels[i, :count] = prompt.labels
    return points, labels


def _prior_maps(prompt: Prompt, grid_hw: tuple[int, int]) -> FloatArray:
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


def build(config: Config) -> Lite:
    """The segmenter with its weights loaded.

    Raises:
        CheckpointError: the weights file is missing, damaged or made for another network.
        ConfigError: no such device, "cuda" where there is none, or an area below one tile.
    """
    device = choose_device(config.device)
    if config.area < _MULTIPLE**2:
        raise ConfigError(f"area must be at least {_MULTIPLE**2} pixels, got {config.area}")
    path = SHIPPED if config.checkpoint is None else Path(config.checkpoint)
    network = fuse_norms(load_weights(path))
    if _in_int8(config.precision, network, device):
        setattr(network, "trunk", int8.IntegerTrunk(network.trunk))  # noqa: B010 - another type
    network = channels_last(network.to(device))
    return Lite(fuse_activations(network) if device.type == "cpu" else network, device, config.area)


def _in_int8(precision: str, network: LiteNetwork, device: torch.device) -> bool:
    """Whether the trunk computes in whole numbers."""
    measured = bool(network.trunk.ranges.any())
    if precision == "auto":
        return measured and device.type == "cpu" and int8.can_be_fast()
    if precision == "float32":
        return False
    if device.type != "cpu" or not int8.is_possible():
        raise ConfigError(
            "precision=int8 is for a CPU and a build of torch with 8-bit convolutions"
        )
    if not measured:
        raise ConfigError(
            "precision=int8 needs weights that know the ranges of what they compute; "
            "use float32, or make some with propagate train-lite"
        )
    return True
