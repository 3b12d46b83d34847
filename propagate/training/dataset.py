"""Training samples: a clip, a few of its objects, and questions about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from propagate.coords import Size
from propagate.segmenters._lite.prompt_maps import STRIDE
from propagate.training import clips, cutouts, questions
from propagate.training.clips import ClipSettings
from propagate.training.cutouts import Cutout
from propagate.training.photos import LabelArray, Photos, segment_ids
from propagate.types import BoolArray, FloatArray

SOURCE_SHARES = {
    "coco": 0.22, "ecssd": 0.24, "human": 0.08, "horse": 0.06,
    "ccp": 0.14, "bsds": 0.14, "carparts": 0.06, "facade": 0.06,
}  # fmt: skip
"""How often a photo of each source is drawn: whole objects count more than parts."""

STILL_SHARES = {
    "coco": 0.45, "ecssd": 0.12, "human": 0.06, "horse": 0.03,
    "ccp": 0.10, "bsds": 0.12, "carparts": 0.06, "facade": 0.06,
}  # fmt: skip
"""The same where a photo is asked about as it is: crowded scenes teach most."""


@dataclass(frozen=True)
class Stage:
    """What batches hold during a part of the training.

    Attributes:
        batch: clips.
        frames: pictures in a clip.
        shapes: (H, W) of pictures, one drawn for each batch: square, wide, tall.
        wholes: kind of photo → how often segments that touch are asked about as one object, so
            that unlike parts (a rider and what is ridden) are learnt to belong together.
        sharpness: of the memory's attention; clips hold far fewer cells to confuse than videos, so
            keys are first learnt with a soft one and then with a sharper one.
        objects: objects asked about in a clip.
        asked_frames: frames of a clip with a fresh question about each object.
        pastes: 0..1, how likely one more object is pasted, three at most.
        zoom: see `ClipSettings`.
        sources: how often a photo of each source is drawn.
    """

    batch: int
    frames: int
    shapes: tuple[Size, Size, Size]
    wholes: Mapping[str, float] = field(default_factory=dict)
    sharpness: float = 1.0
    objects: int = 3
    asked_frames: int = 2
    pastes: float = 0.6
    zoom: tuple[float, float] = (0.4, 1.1)
    sources: Mapping[str, float] = field(default_factory=lambda: SOURCE_SHARES)


EARLY = Stage(4, 3, ((256, 256), (192, 320), (288, 192)), {"parts": 0.35, "partition": 0.35})
LATE = Stage(
    3,
    4,
    ((320, 320), (256, 416), (384, 256)),
    {"parts": 0.5, "partition": 0.5, "instances": 0.25},
    sharpness=2.0,
)
STILLS = Stage(
    8,
    1,
    ((320, 320), (288, 384), (384, 288)),
    {"parts": 0.3, "partition": 0.3},
    objects=4,
    asked_frames=1,
    pastes=0.25,
    zoom=(0.25, 1.15),
    sources=STILL_SHARES,
)
"""Single photos, also looked at from near: nine times the questions of a clip in the same time."""

GPU_EARLY = Stage(
    48, 4, ((256, 256), (192, 352), (320, 224)), {"parts": 0.5, "partition": 0.5}, sharpness=2.0
)
GPU_LATE = Stage(
    32,
    5,
    ((352, 352), (288, 512), (448, 288)),
    {"parts": 0.5, "partition": 0.5, "instances": 0.25},
    sharpness=2.0,
)
"""The two stages where a GPU has room: more and longer clips, of the size that videos have."""
GPU_SQUARE, GPU_WIDE = (352, 352), (288, 448)
"""One shape for each kind of batch: cuDNN prepares every new one for half a minute."""
GPU_STILLS = replace(STILLS, batch=64, shapes=(GPU_SQUARE,) * 3, pastes=0.4)
"""Single photos where a GPU has room; each is seen so often that more is pasted into it."""


@dataclass(frozen=True)
class SampleSettings:
    """What samples hold.

    Attributes:
        seed: of everything that is random.
        early, late: the two stages.
        early_batches: how many belong to the first stage.
        stills: what batches of single photos hold, which come among those of the second stage.
        stills_share: 0..1, how many of them.
        keep: see `Photos`.
    """

    seed: int = 0
    early: Stage = EARLY
    late: Stage = LATE
    early_batches: int = 0
    stills: Stage = STILLS
    stills_share: float = 0.0
    keep: bool = False

    def stage(self, number: int, rng: np.random.Generator) -> Stage:
        """What batch `number` holds."""
        if number < self.early_batches:
            return self.early
        return self.stills if rng.random() < self.stills_share else self.late


class Samples(Dataset[dict[str, Tensor]]):
    """Sample number → one batch, always the same for the same seed."""

    def __init__(self, root: Path, settings: SampleSettings, batches: int) -> None:
        """Index the photos of `root`."""
        self.photos = Photos(root, held_out=False, keep=settings.keep)
        self.settings = settings
        self.batches = batches
        self._sources: dict[str, list[int]] = {}
        for number, entry in enumerate(self.photos.entries):
            self._sources.setdefault(entry.source, []).append(number)

    def __len__(self) -> int:
        """How many batches."""
        return self.batches

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        """One batch, stacked."""
        rng = np.random.default_rng([self.settings.seed, number])
        stage = self.settings.stage(number, rng)
        shape = stage.shapes[int(rng.choice(len(stage.shapes), p=[0.4, 0.4, 0.2]))]
        settings = ClipSettings(frames=stage.frames, size_hw=shape, zoom=stage.zoom)
        samples = [self._sample(rng, settings, stage) for _ in range(stage.batch)]
        batch = {
            key: torch.from_numpy(np.stack([sample[key] for sample in samples]))
            for key in samples[0]
        }
        batch["images"] = batch["images"].movedim(-1, 2)  # a view: the channels stay last
        return batch

    def _sample(
        self, rng: np.random.Generator, settings: ClipSettings, stage: Stage
    ) -> dict[str, Any]:
        """One clip; drawn again in the rare case that no object is in sight."""
        while True:
            images, labels, kind = self._clip(rng, settings, stage)
            groups = _objects(rng, labels[0], stage.wholes.get(kind, 0.0), stage.objects)
            if groups:
                break
        masks = [[_inside(frame, ids) for frame in labels] for ids in groups]
        covers = np.stack([[_cover(mask) for mask in each] for each in masks])
        frames = np.sort(rng.permutation(settings.frames)[: stage.asked_frames])
        asked = [
            questions.ask(rng, cover[frame], each[frame])
            for cover, each in zip(covers, masks, strict=True)
            for frame in frames
        ]
        return {
            "images": images,  # (T, H, W, 3) uint8
            "covers": (covers * 255).astype(np.uint8),  # (O, T, h, w)
            "asked_frames": frames,
            "points": np.stack([question.points_xy for question in asked]),
            "point_labels": np.stack([question.labels for question in asked]),
            "boxes": np.stack([question.box for question in asked]),
            "priors": np.stack([question.prior for question in asked]).astype(np.float32),
            "trusts": np.array([question.trust for question in asked], np.float32),
            "certain": np.array([question.certain for question in asked], np.float32),
            "ambiguous": np.array([question.ambiguous for question in asked]),
        }

    def _clip(
        self, rng: np.random.Generator, settings: ClipSettings, stage: Stage
    ) -> tuple[Any, LabelArray, str]:
        number = self._draw(rng, stage)
        entry = self.photos.entries[number]
        labels = self.photos.labels(number, int(rng.integers(len(entry.labels))))
        pasted: list[Cutout] = []
        while rng.random() < stage.pastes and len(pasted) < 3:
            if pasted and rng.random() < 0.3:
                pasted.append(cutouts.recolour(rng, pasted[-1]))  # a look-alike
            elif (found := self._cutout(rng, stage)) is not None:
                pasted.append(found)
        backdrop = self.photos.image(int(rng.integers(len(self.photos))))
        images, maps = clips.make_clip(
            rng, self.photos.image(number), labels, backdrop, pasted, settings
        )
        return images, maps, entry.kind

    def _draw(self, rng: np.random.Generator, stage: Stage) -> int:
        """The number of a photo: first a source, then one of its photos."""
        names = sorted(self._sources)
        shares = np.array([stage.sources.get(name, 0.05) for name in names])
        source = names[int(rng.choice(len(names), p=shares / shares.sum()))]
        return int(rng.choice(self._sources[source]))

    def _cutout(self, rng: np.random.Generator, stage: Stage) -> Cutout | None:
        """One object of a photo; of a photo of parts mostly all of them, which are one thing."""
        number = self._draw(rng, stage)
        entry = self.photos.entries[number]
        labels = self.photos.labels(number, len(entry.labels) - 1)
        ids = segment_ids(labels)
        if not len(ids):
            return None
        together = entry.kind == "parts" and rng.random() < 0.7
        inside = labels > 0 if together else labels == rng.choice(ids)
        return cutouts.cut_out(self.photos.image(number), inside)


def _objects(
    rng: np.random.Generator, labels: LabelArray, wholes: float, count: int
) -> list[list[int]]:
    """`count` groups of segment ids to ask about, all in sight in the first frame.

    A share `wholes` of them has several segments of the photo. What was pasted, and so moves in
    front of a background, is half of them where there is any.
    """
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    seen = np.flatnonzero((areas > 0.002 * labels.size) & (areas < 0.85 * labels.size))
    if not len(seen):
        return []
    moving = seen[seen >= clips.PASTED]
    groups = []
    for _ in range(count):
        group = [int(rng.choice(moving if len(moving) and rng.random() < 0.4 else seen))]
        if wholes > 0 and group[0] < clips.PASTED and rng.random() < wholes:
            group = _with_neighbours(rng, labels, group[0], seen)
        groups.append(group)
    return groups


def _inside(labels: LabelArray, ids: list[int]) -> BoolArray:
    """(H, W) where a map has one of a few ids."""
    mask: BoolArray = labels == ids[0]
    for other in ids[1:]:
        mask |= labels == other
    return mask


def _with_neighbours(
    rng: np.random.Generator, labels: LabelArray, first: int, seen: npt.NDArray[np.int64]
) -> list[int]:
    """A segment and one to three that touch it: a whole made of parts."""
    grown = cv2.dilate((labels == first).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    touching = [int(i) for i in np.unique(labels[grown]) if i in seen and i < clips.PASTED]
    rng.shuffle(touching)
    return sorted({first, *touching[: int(rng.integers(1, 4))]})


def _cover(mask: BoolArray) -> FloatArray:
    """How far a mask (H, W) covers each cell at stride 4: (h, w) float32 0..1."""
    height, width = mask.shape
    small = cv2.resize(
        mask.astype(np.float32), (width // STRIDE, height // STRIDE), interpolation=cv2.INTER_AREA
    )
    return np.asarray(small, np.float32)
