"""Words to boxes, with a zero-shot detector of `transformers`; the promptable core does the rest.

Grounding DINO (Liu et al., 2023) and OWLv2 (Minderer et al., 2023) both say where on a picture
something is that a phrase names. None is shipped: the user names a folder, or a model of the
Hugging Face hub, which is fetched once, and said so.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from propagate.coords import clip_box
from propagate.errors import CheckpointError, ConfigError, MissingPackageError, PromptError
from propagate.types import FloatArray, ImageArray, check_image

MODEL = "IDEA-Research/grounding-dino-tiny"
"""What is taken where the user names none."""


class DownloadNotice(UserWarning):
    """A model is not on this machine and is being fetched."""


@dataclass(frozen=True)
class Config:
    """Which detector, and what it must be sure of.

    Attributes:
        model: folder of a saved model, or its name on the Hugging Face hub.
        device: "cpu", "cuda" or "auto".
        least_score: 0..1; boxes with a lower score are dropped.
        most: boxes; of more the best are kept.
        most_overlap: IoU of two boxes above which the one with the lower score is dropped.
    """

    model: str = MODEL
    device: str = "auto"
    least_score: float = 0.25
    most: int = 20
    most_overlap: float = 0.7

    def __post_init__(self) -> None:
        """Refuse numbers that find nothing."""
        if self.most < 1 or not 0 <= self.least_score <= 1:
            raise ConfigError("most must be 1 or more, and least_score from 0 to 1")


@dataclass(frozen=True, eq=False)
class Detection:
    """Where the phrase was found: box (4,) pixels in the picture, and score 0..1."""

    box: FloatArray
    score: float


class Detector:
    """Holds processor and network; has no state of a picture."""

    def __init__(self, processor: Any, network: Any, config: Config) -> None:
        """Wrap a loaded model in evaluation mode."""
        self._processor, self._network, self._config = processor, network, config

    @torch.inference_mode()
    def find(self, image: ImageArray, phrase: str) -> list[Detection]:
        """Boxes of what a phrase names, best first; none overlap much.

        Args:
            image: (H, W, 3) uint8 RGB.
            phrase: such as "a dog".

        Raises:
            PromptError: the phrase is empty, or nothing on the picture is like it.
        """
        from PIL import Image

        check_image(image)
        words = " ".join(phrase.split()).rstrip(".").lower()
        if not words:
            raise PromptError('the text is empty; say what to look for, such as "a dog"')
        given = self._processor(images=Image.fromarray(image), text=[[words]], return_tensors="pt")
        answer = self._network(**given.to(self._network.device))
        (found,) = self._processor.post_process_grounded_object_detection(
            answer, threshold=self._config.least_score, target_sizes=[image.shape[:2]]
        )
        boxes, scores = found["boxes"].float().cpu().numpy(), found["scores"].float().cpu().numpy()
        kept = _best(boxes, scores, image.shape[:2], self._config)
        if not kept:
            raise PromptError(
                f'nothing like "{words}" is on the picture with a score of '
                f"{self._config.least_score:g} or more; try other words or a lower least_score"
            )
        return kept


def _best(
    boxes: FloatArray, scores: FloatArray, size_hw: tuple[int, int], config: Config
) -> list[Detection]:
    """Boxes cut to the picture, best first, without those that repeat a better one."""
    kept: list[Detection] = []
    for number in np.argsort(-scores, kind="stable"):
        box = clip_box(boxes[number], size_hw)
        if box is None or (box[2:] - box[:2]).min() < 1:  # not a pixel of it
            continue
        if any(_iou(box, one.box) > config.most_overlap for one in kept):
            continue
        kept.append(Detection(box, float(scores[number])))
        if len(kept) == config.most:
            break
    return kept


def _iou(one: FloatArray, other: FloatArray) -> float:
    """Of two boxes (4,)."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    both = float(np.prod(np.clip(sides, 0, None)))
    areas = float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]))
    return both / (areas - both)


def load_detector(config: Config | None = None) -> Detector:
    """The detector with its weights loaded.

    A model that is neither a folder nor in the cache of the hub is fetched, and a `DownloadNotice`
    says so; with PROPAGATE_OFFLINE set, nothing is fetched.

    Raises:
        MissingPackageError: transformers or pillow is not installed.
        CheckpointError: no such model, it cannot be had, is damaged, or is no zero-shot detector.
        ConfigError: no such device.
    """
    from propagate.segmenters._device import choose_device

    config = config or Config()
    device = choose_device(config.device)
    try:
        import PIL  # noqa: F401 - pictures are handed over with it
        import transformers
    except ImportError as error:
        raise MissingPackageError(error.name or "transformers", "text", "--text") from error
    here = _is_here(config.model, transformers)
    options = {"local_files_only": here or bool(os.environ.get("PROPAGATE_OFFLINE"))}
    if not options["local_files_only"]:
        notice = f"fetching the detector {config.model} from the Hugging Face hub, once"
        warnings.warn(DownloadNotice(notice), stacklevel=2)
    kind = transformers.AutoModelForZeroShotObjectDetection
    try:
        with _quiet(transformers.utils.logging, here=here):
            processors: Any = transformers.AutoProcessor
            processor = processors.from_pretrained(config.model, **options)
            network = kind.from_pretrained(config.model, use_safetensors=True, **options)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(
            f"{config.model}: no zero-shot detector can be loaded from there "
            f"({_first_line(error)}); give the folder of a saved Grounding DINO or OWLv2, or its "
            "name on the hub"
        ) from error
    return Detector(processor, network.eval().to(device), config)


@contextmanager
def _quiet(logging: Any, *, here: bool) -> Iterator[None]:
    """What the library tells programmers stays hidden, and its bars where nothing is fetched."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    if here:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _is_here(model: str, transformers: Any) -> bool:
    """Whether nothing needs fetching; CheckpointError where a path leads nowhere."""
    if Path(model).is_dir():
        return True
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise CheckpointError(f"{model}: no such folder; check the path of the detector")
    found = transformers.utils.cached_file(
        model, "config.json", local_files_only=True, _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )  # fmt: skip
    return found is not None


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
