"""A small data set laid out like DAVIS, and trackers whose quality is known."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
import pytest

from propagate.export.png import encode_png
from propagate.testing import moving_shapes
from propagate.types import FrameResult, Mask, Missing

LENGTH = 9


def write_sequence(root, name, video, *, grey=False, resolution="480p"):
    """Pictures and masks of made shapes; `grey`: one object as black and white."""
    pictures = root / "JPEGImages" / resolution / name
    masks = root / "Annotations" / resolution / name
    pictures.mkdir(parents=True)
    masks.mkdir(parents=True)
    for index, image in enumerate(video.images):
        labels = video.result(index).label_map()
        cv2.imwrite(str(pictures / f"{index:05d}.jpg"), image[..., ::-1])
        if grey:
            cv2.imwrite(str(masks / f"{index:05d}.png"), (255 * (labels > 0)).astype(np.uint8))
        else:
            (masks / f"{index:05d}.png").write_bytes(encode_png(labels))


@pytest.fixture(scope="session")
def videos():
    return {
        "one": moving_shapes(1, LENGTH, (64, 96)),
        "two": moving_shapes(2, LENGTH, (64, 96), "leaving", seed=1),
    }


@pytest.fixture(scope="session")
def data_set(videos, tmp_path_factory):
    root = tmp_path_factory.mktemp("davis")
    write_sequence(root, "one", videos["one"], grey=True)
    write_sequence(root, "two", videos["two"])
    return root


@dataclass(frozen=True)
class FakeState:
    last: FrameResult | None = None


@dataclass
class StillTracker:
    """A tracker that repeats the mask that it was given; it keeps what it was asked."""

    score: float = 0.9
    asked: list = field(default_factory=list)

    def start(self):
        return FakeState()

    def step(self, state, frame, prompts=()):
        self.asked += prompts
        masks = () if state.last is None else state.last.masks
        masks = (*masks, *(Mask(p.object_id, p.mask, self.score) for p in prompts))
        return FakeState(
            FrameResult(frame.index, frame.time_s, frame.size_hw, masks, {}, frame.stem)
        )


@dataclass
class KnowingTracker:
    """A tracker that is told the truth, and misses the objects in some frames."""

    video: object
    misses: tuple = ()

    def start(self):
        return FakeState()

    def step(self, state, frame, prompts=()):
        truth = self.video.result(frame.index)
        masks, missing = truth.masks, dict(truth.missing)
        if frame.index in self.misses:
            missing |= {m.object_id: Missing(m.object_id, "lost", "made to") for m in masks}
            masks = ()
        return FakeState(FrameResult(frame.index, None, frame.size_hw, masks, missing, frame.stem))


@pytest.fixture
def still_tracker():
    return StillTracker


@pytest.fixture
def knowing_tracker():
    return KnowingTracker
