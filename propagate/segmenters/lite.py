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
import torch
from scipy.special import expit
from torch import Tensor

from propagate.coords import Window
from propagate.errors import ConfigError
from propagate.segmenters._device import choose_device
from propagate.segmenters._lite import int8
from propagate.segmenters._lite.drawing import draw
from propagate.segmenters._lite.fast import bfloat16_is_fast, fuse_activations
from propagate.segmenters._lite.fuse import fuse_norms
from propagate.segmenters._lite.network import Features, LiteNetwork, channels_last
from propagate.segmenters._lite.second_look import close_up, improved, is_vague
from propagate.segmenters._lite.weights import load_weights
from propagate.types import Candidates, Evidence, FloatArray, ImageArray, Prompt, check_image
from propagate.windows import map_in, map_in_picture, prompt_in

SHIPPED = Path(__file__).parent / "weights" / "lite.safetensors"
_MULTIPLE = 32  # of the network's input sides
_BATCH = 8  # questions at a time: what lies between the layers then fits a CPU's cache
_LEARNT_AREA = 288 * 512  # input pixels: at this size a click's whole is best told from its parts
_OWN_TRUST = 1.0  # in an answer of its own
_FAR_OUT = -10.0  # logit of what the box leaves out of sight


@dataclass(frozen=True)
class Config:
    """Settings of `lite`.

    Attributes:
        checkpoint: weights file; None takes the one in the package.
        device: "cpu", "cuda" or "auto".
        area: pixels of the network's input; more finds thinner things and takes longer, in
            proportion. Pictures are resized to about this area whatever their shape. Clicks and
            boxes are answered at the area that was trained with.
        precision: "float32" answers alike everywhere; "int8" has a trunk of bytes, which takes a
            quarter less time for a frame and answers nearly the same; "auto" is whatever this CPU
            is faster at: a trunk of bytes with VNNI (x86), a decoder of bfloat16 with AVX512-BF16
            or AMX, float32 elsewhere. A GPU computes in bfloat16.
    """

    checkpoint: str | None = None
    device: str = "auto"
    area: int = _LEARNT_AREA
    precision: Literal["auto", "float32", "int8"] = "auto"


@dataclass(frozen=True, eq=False)
class LiteEmbedding:
    """An encoded picture.

    Attributes:
        image: (H, W, 3), the picture: small things in it may be looked at again.
        input_hw: size at which the network saw it.
        features: the pyramid, batch of one.
    """

    image: ImageArray
    input_hw: tuple[int, int]
    features: Features

    @property
    def size_hw(self) -> tuple[int, int]:
        """(H, W) of the picture."""
        return self.image.shape[0], self.image.shape[1]

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

    @property
    def lanes(self) -> int:
        """How many threads should encode and answer at once, each on its share of the cores.

        Where the trunk computes in floats one core needs longer for a picture than two for all.
        """
        quick = isinstance(self._network.trunk, int8.IntegerTrunk)
        return 2 if quick and torch.get_num_threads() > 1 else 1

    @torch.inference_mode()
    def encode(self, image: ImageArray) -> LiteEmbedding:
        """See `Segmenter.encode`."""
        check_image(image)
        return self._encoded(image, self._area)

    @torch.inference_mode()
    def decode(self, embedding: LiteEmbedding, prompts: Sequence[Prompt]) -> list[Candidates]:
        """See `Segmenter.decode`; three candidates a prompt.

        Clicks and boxes say little: each of their answers is asked about again, as a rough mask. A
        small box is looked at from near for that, which costs one more encoding, and so does an
        input of another area than the network was trained with.
        """
        clear = [n for n, prompt in enumerate(prompts) if not is_vague(prompt)]
        vague = [n for n, prompt in enumerate(prompts) if is_vague(prompt)]
        found = dict(zip(clear, self._answers(embedding, [prompts[n] for n in clear]), strict=True))
        if vague:
            found |= zip(vague, self._guessed(embedding, [prompts[n] for n in vague]), strict=True)
        return [found[n] for n in range(len(prompts))]

    def _guessed(self, embedding: LiteEmbedding, prompts: Sequence[Prompt]) -> list[Candidates]:
        """Answers to clicks and boxes: at first sight, then asked about again."""
        if self._area != _LEARNT_AREA:
            embedding = self._encoded(embedding.image, _LEARNT_AREA)
        answers = self._answers(embedding, prompts)
        far = []
        for n, prompt in enumerate(prompts):
            window = close_up(prompt, embedding.size_hw, embedding.input_hw)
            if window is None:
                far.append(n)
            else:
                answers[n] = self._from_near(embedding, window, prompt, answers[n])
        priors = [expit(answers[n].logits) for n in far]
        again = self._again(embedding, [prompts[n] for n in far], priors)
        for n, answer in zip(far, again, strict=True):
            answers[n] = answer
        return answers

    def _again(
        self, embedding: LiteEmbedding, prompts: Sequence[Prompt], priors: Sequence[FloatArray]
    ) -> list[Candidates]:
        """Answers to prompts, each asked with each of K priors (K, h, w) 0..1: K candidates."""
        asked = [
            replace(prompt, evidence=Evidence(prior=prior, trust=_OWN_TRUST))
            for prompt, each in zip(prompts, priors, strict=True)
            for prior in each
        ]
        found = iter(self._answers(embedding, asked))
        return [improved([next(found) for _ in each], each) for each in priors]

    def _from_near(
        self, embedding: LiteEmbedding, window: Window, prompt: Prompt, answer: Candidates
    ) -> Candidates:
        """An answer, each candidate asked about again in a window of the picture."""
        size_hw = embedding.size_hw
        near = self._encoded(embedding.image[window.slices], _LEARNT_AREA)
        asked = prompt_in(window, prompt, size_hw)
        priors = [map_in(window, one, size_hw) for one in expit(answer.logits)]
        (better,) = self._again(near, [asked], [np.stack(priors)])
        logits = [map_in_picture(window, one, size_hw, _FAR_OUT) for one in better.logits]
        return replace(better, logits=np.stack(logits), size_hw=size_hw)

    def _encoded(self, image: ImageArray, area: int) -> LiteEmbedding:
        pixels = network_input(image, area).to(self._device)
        with self._precision():
            features = self._network.encode(pixels)
        return LiteEmbedding(image, (pixels.shape[2], pixels.shape[3]), features)

    def _answers(self, embedding: LiteEmbedding, prompts: Sequence[Prompt]) -> list[Candidates]:
        """The network's own answers."""
        batches = (prompts[n : n + _BATCH] for n in range(0, len(prompts), _BATCH))
        return [answer for batch in batches for answer in self._batch(embedding, batch)]

    def _batch(self, embedding: LiteEmbedding, prompts: Sequence[Prompt]) -> list[Candidates]:
        features = embedding.features
        cells_hw = (features.wide.shape[2], features.wide.shape[3])
        drawn = draw(prompts, embedding.size_hw, embedding.input_hw, cells_hw)
        maps, recall = (each.to(self._device) for each in drawn)
        with self._precision():
            answer = self._network.decode(features, maps, recall)
        logits = answer.logits.float().contiguous().cpu().numpy()  # not channels last
        scores = answer.scores.float().sigmoid().cpu().numpy()
        return [
            Candidates(prompt.object_id, logits[i], scores[i], embedding.size_hw)
            for i, prompt in enumerate(prompts)
        ]

    def _precision(self) -> torch.autocast:
        """A GPU chooses by layer; on a CPU each part of the network has one precision."""
        fast = self._device.type != "cpu"
        return torch.autocast(self._device.type, torch.bfloat16, enabled=fast)


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
    if device.type == "cpu":
        halved = config.precision == "auto" and bfloat16_is_fast()
        network = fuse_activations(network, torch.bfloat16 if halved else torch.float32)
    return Lite(network, device, config.area)


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
