"""One clip of the stress suite: pictures, truth and prompts, made frame by frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np

from propagate.evaluation.prompts import PromptKind, simulate_prompt
from propagate.testing.stress.drawing import draw
from propagate.testing.stress.scene import Drawn, LabelMap, Scene
from propagate.types import BoolArray, Frame, Prompt

FPS = 25
SEEN_SHARE = 0.05
"""Of an object's whole area that has to be in sight for it to count as visible."""


@dataclass(frozen=True, eq=False)
class Scenario:
    """A clip. It holds no pictures: they are drawn when they are asked for, and always the same.

    Attributes:
        name: of the scenario, such as "occlusion-15".
        asks: what it asks of a tracker, in a few words.
        scene: what is drawn.
        object_ids: the objects, all of which are visible in frame 0.
    """

    name: str
    asks: str
    scene: Scene
    object_ids: tuple[int, ...]

    def __len__(self) -> int:
        """Frames."""
        return len(self.scene.camera)

    def frames(self) -> Iterator[Frame]:
        """The frames in order, 25 a second."""
        for frame, _ in self.drawn():
            yield frame

    def drawn(self) -> Iterator[tuple[Frame, Drawn]]:
        """The frames in order, each with the truth about it."""
        for index in range(len(self)):
            drawn = draw(self.scene, index)
            yield Frame(index, drawn.image, time_s=index / FPS), drawn

    def truth(self, index: int) -> LabelMap:
        """(H, W) int32: the object that each pixel of a frame belongs to, 0 where to none."""
        return draw(self.scene, index).labels

    @cached_property
    def visible(self) -> Mapping[int, BoolArray]:
        """Object id → (T,) bool, see `is_visible`; draws the clip the first time it is asked."""
        rows = [[is_visible(drawn, one) for one in self.object_ids] for _, drawn in self.drawn()]
        flags = np.array(rows, bool)
        return MappingProxyType({one: flags[:, n] for n, one in enumerate(self.object_ids)})

    def prompts(self, kind: PromptKind = "mask") -> list[Prompt]:
        """One prompt an object in frame 0, made from its true mask: "mask", "box" or "click"."""
        labels = self.truth(0)
        return [simulate_prompt(kind, labels == one, 0, one) for one in self.object_ids]


def is_visible(drawn: Drawn, object_id: int) -> bool:
    """Whether a twentieth of the object is in sight: less is neither visible nor absent."""
    seen = int(np.count_nonzero(drawn.labels == object_id))
    return seen > 0 and seen >= SEEN_SHARE * drawn.whole[object_id]
