"""SAM as a segmenter: pictures and prompts in numpy, masks out.

What a prompt becomes follows the published predictor: one click has three answers; a box, several
points or a mask have one. What the tracker believes (`Evidence`) becomes a box, points and a mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from propagate import coords
from propagate.errors import ConfigError
from propagate.masks import box_of
from propagate.segmenters import _checkpoints
from propagate.segmenters._device import choose_device
from propagate.segmenters._sam.int8 import to_int8
from propagate.segmenters._sam.mask_decoder import single_or_three
from propagate.segmenters._sam.network import ENCODERS, SIDE, Question, SamNetwork
from propagate.segmenters._sam.prompt_encoder import (
    FIRST_CORNER,
    LAST_CORNER,
    NOTHING,
    OFF,
    ON,
)
from propagate.types import (
    Candidates,
    Canvas,
    Evidence,
    FloatArray,
    ImageArray,
    Prompt,
    check_image,
)

_UNUSED = ("image_encoder.norm_head.", "image_encoder.head.")
"""What MobileSAM's file holds besides: the classifier that its encoder was trained with."""
_MASK_LOGIT = 8.0  # of a mask that is given as a prompt
_KEY_TEMPERATURE = 16.0
_KEY_STRIDE = 2  # cells of the embedding a key: a memory of all 64 x 64 would be slow


@dataclass(frozen=True)
class Config:
    """Settings of a SAM.

    Attributes:
        checkpoint: weights file; None takes the one in the cache, or downloads it.
        device: "cpu", "cuda" or "auto".
        precision: of the image encoder. "float32" answers as the published code does; "int8", for
            ViT on a CPU, takes two thirds of its time and answers a little differently: on random
            weights its masks have an IoU of 0.99 with the exact ones.
    """

    checkpoint: str | None = None
    device: str = "auto"
    precision: Literal["float32", "int8"] = "float32"


@dataclass(frozen=True, eq=False)
class SamEmbedding:
    """An encoded picture.

    Attributes:
        size_hw: (H, W) of the picture.
        features: (1, 256, 64, 64), over the padded square.
    """

    size_hw: tuple[int, int]
    features: Tensor

    @property
    def canvas(self) -> Canvas:
        """The network's input, and where the picture lies in it."""
        return Canvas((SIDE, SIDE), coords.fit_long_side(self.size_hw, SIDE))

    @cached_property
    def keys(self) -> Tensor:
        """(256, h, w) float32, what the appearance memory matches: mean-free unit vectors."""
        cells = [-(-side // 16) for side in self.canvas.picture_hw]
        part = self.features[..., : cells[0], : cells[1]].float()
        small = F.avg_pool2d(part, _KEY_STRIDE, ceil_mode=True, count_include_pad=False)[0]
        centred = small - small.mean((1, 2), keepdim=True)
        keys: Tensor = F.normalize(centred, dim=0) * _KEY_TEMPERATURE**0.5
        return keys


class Sam:
    """Holds the network; has no state of a picture."""

    def __init__(self, network: SamNetwork, device: torch.device) -> None:
        """Wrap a network in evaluation mode."""
        self._network = network
        self._device = device

    @torch.inference_mode()
    def encode(self, image: ImageArray) -> SamEmbedding:
        """See `Segmenter.encode`."""
        check_image(image)
        pixels = torch.from_numpy(np.ascontiguousarray(image)).to(self._device)
        features = self._network.encode(pixels.permute(2, 0, 1))
        return SamEmbedding((image.shape[0], image.shape[1]), features)

    @torch.inference_mode()
    def decode(self, embedding: SamEmbedding, prompts: Sequence[Prompt]) -> list[Candidates]:
        """See `Segmenter.decode`; three candidates to a single click, one to a clear prompt."""
        asked = [_asked(prompt, embedding) for prompt in prompts]
        answers: dict[int, Candidates] = {}
        for shape in dict.fromkeys(one.shape for one in asked):
            numbers = [n for n, one in enumerate(asked) if one.shape == shape]
            logits, scores = self._answer(embedding, [asked[n] for n in numbers])
            for place, n in enumerate(numbers):
                answers[n] = Candidates(
                    prompts[n].object_id,
                    single_or_three(logits, several=asked[n].several)[place].cpu().numpy(),
                    single_or_three(scores, several=asked[n].several)[place].cpu().numpy(),
                    embedding.size_hw,
                    embedding.canvas,
                )
        return [answers[n] for n in range(len(prompts))]

    def _answer(self, embedding: SamEmbedding, asked: list[_Asked]) -> tuple[Tensor, Tensor]:
        """Logits and scores (clipped to 0..1) of questions of one shape."""
        masks = [one.mask for one in asked if one.mask is not None]
        question = Question(
            torch.from_numpy(np.stack([one.points_xy for one in asked])).to(self._device),
            torch.from_numpy(np.stack([one.labels for one in asked])).to(self._device),
            torch.from_numpy(np.stack(masks)[:, None]).to(self._device) if masks else None,
        )
        logits, scores = self._network.decode(embedding.features, question)
        return logits, scores.clamp(0, 1)


@dataclass(frozen=True, eq=False)
class _Asked:
    """A prompt as the network takes it: points (P, 2), labels (P,), mask logits (256, 256)."""

    points_xy: FloatArray
    labels: npt.NDArray[np.int64]
    mask: FloatArray | None

    @property
    def shape(self) -> tuple[int, bool]:
        """Questions of one shape are answered in one batch: padding would change the answers."""
        return len(self.labels), self.mask is not None

    @property
    def several(self) -> bool:
        """Whether the prompt is ambiguous: a single point and nothing else."""
        return self.mask is None and len(self.labels) == 2 and self.labels[-1] == NOTHING


def _asked(prompt: Prompt, embedding: SamEmbedding) -> _Asked:
    """The user's words, else what the tracker believes."""
    evidence = prompt.evidence or Evidence()
    points, labels, box = prompt.points_xy, prompt.labels, prompt.box
    mask: FloatArray | None = None
    if prompt.mask is not None:
        mask = _mask_logits(prompt.mask.astype(np.float32), embedding.canvas)
        box = box_of(prompt.mask) if box is None else box
    elif not len(points) and box is None:
        points, labels, box = evidence.points_xy, evidence.labels, evidence.box
        if evidence.prior is not None and evidence.trust > 0:
            mask = _mask_logits(evidence.prior, embedding.canvas)
    signs = np.where(np.zeros(0, bool) if labels is None else labels, ON, OFF)
    if box is None:
        points, signs = np.concatenate([points, [[0, 0]]]), np.append(signs, NOTHING)
    else:
        corners = np.reshape(box, (2, 2))
        points = np.concatenate([points, corners])
        signs = np.append(signs, [FIRST_CORNER, LAST_CORNER])
    return _Asked(coords.sam_points(points, embedding.size_hw, SIDE), signs.astype(np.int64), mask)


def _mask_logits(cover: FloatArray, canvas: Canvas) -> FloatArray:
    """A soft mask (h, w) 0..1 of the picture → logits (256, 256) over the padded square."""
    cells = SIDE // 4
    height, width = (max(1, round(side / 4)) for side in canvas.picture_hw)
    small = cv2.resize(cover, (width, height), interpolation=cv2.INTER_AREA)
    logits = np.full((cells, cells), -_MASK_LOGIT, np.float32)
    logits[:height, :width] = _MASK_LOGIT * (2 * small - 1)
    return logits


def build(name: str, config: Config) -> Sam:
    """The segmenter with its weights loaded.

    Raises:
        CheckpointError: the weights are not here and cannot be had, damaged, or another network's.
        ConfigError: no such device, or a precision that this encoder or device does not have.
    """
    device = choose_device(config.device)
    given = None if config.checkpoint is None else Path(config.checkpoint)
    network = load(name, _checkpoints.find(name, given))
    if config.precision == "int8":
        if device.type != "cpu":
            raise ConfigError("precision=int8 is for a CPU; use float32, or device=cpu")
        to_int8(network.image_encoder)
    return Sam(network.to(device), device)


def load(name: str, path: Path) -> SamNetwork:
    """A network with the weights of a file, in evaluation mode, float32.

    Raises:
        CheckpointError: damaged, or made for another network.
    """
    state = {
        key: value
        for key, value in _checkpoints.read(path).items()
        if not key.startswith(_UNUSED) and not key.endswith("num_batches_tracked")
    }
    with torch.device("meta"):
        shapes = SamNetwork(ENCODERS[name]()).state_dict()
    wanted = {key: value for key, value in shapes.items() if value.is_floating_point()}
    _checkpoints.check(state, wanted, path)
    network = SamNetwork(ENCODERS[name]())
    network.load_state_dict(state, strict=False)
    return network.eval()
