"""The values that flow through the pipeline: frozen, numpy, checked when made.

Conventions, written once here and relied on everywhere:

- x points right, y points down; pixel (0, 0) covers [0, 1) x [0, 1), its centre is (0.5, 0.5);
- sizes are (H, W); boxes are (x0, y0, x1, y1), end-exclusive, in pixels;
- times are seconds; object ids start at 1 (0 is background) and may exceed 255.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from propagate._checks import floats, object_id, signs
from propagate.errors import InputError, PromptError

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float32]
ImageArray = npt.NDArray[np.uint8]

State = Literal["tracked", "occluded", "absent", "lost"]
"""tracked: seen now · occluded: hidden, expected to return nearby · absent: gone from the picture,
still looked for · lost: the tracker cannot tell any more; a correction would help."""

STATES: tuple[State, ...] = ("tracked", "occluded", "absent", "lost")


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a video.

    Attributes:
        index: display ordinal, from 0.
        image: (H, W, 3) uint8, RGB.
        time_s: presentation time in seconds, or None where the source has no clock.
        stem: the source's own name of the frame (a folder of images), or None.
    """

    index: int
    image: ImageArray
    time_s: float | None = None
    stem: str | None = None

    def __post_init__(self) -> None:
        """Check index and image."""
        if self.index < 0:
            raise InputError(f"frame index must be 0 or more, got {self.index}")
        check_image(self.image)

    @property
    def size_hw(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.image.shape[0], self.image.shape[1]


@dataclass(frozen=True, eq=False)
class Prompt:
    """What is known of one object in one frame: the question put to a segmenter.

    At least one of points, box, mask and evidence is given. A user gives the first three; the
    tracker adds `evidence`.

    Attributes:
        frame_index: the frame it speaks of.
        object_id: 1 or more.
        points_xy: (N, 2) float32, pixels.
        labels: (N,) bool, True where the point is on the object.
        box: (4,) float32 (x0, y0, x1, y1) pixels, or None.
        mask: (H, W) bool, the size of the picture, or None. An empty one says that an object that
            is known from other frames is not in this one.
        evidence: what the tracker believes, or None; soft, so that the segmenter may overrule it.
    """

    frame_index: int
    object_id: int
    points_xy: FloatArray = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    labels: BoolArray | None = None
    box: FloatArray | None = None
    mask: BoolArray | None = None
    evidence: Evidence | None = None

    def __post_init__(self) -> None:
        """Check and normalise: lists become arrays, absent labels become all positive."""
        who = f"prompt of object {self.object_id} in frame {self.frame_index}"
        object.__setattr__(self, "object_id", object_id(self.object_id, who, PromptError))
        if self.frame_index < 0:
            raise PromptError(f"{who}: frame indices start at 0")
        points = floats(self.points_xy, (-1, 2), f"{who}: points_xy")
        object.__setattr__(self, "points_xy", points)
        object.__setattr__(self, "labels", signs(self.labels, len(points), who))
        if self.box is not None:
            box = floats(self.box, (4,), f"{who}: box")
            if box[2] <= box[0] or box[3] <= box[1]:
                raise PromptError(f"{who}: box {box.tolist()} is empty; give x0 < x1 and y0 < y1")
            object.__setattr__(self, "box", box)
        if self.mask is not None and (self.mask.ndim != 2 or self.mask.dtype != bool):
            raise PromptError(
                f"{who}: mask must be (H, W) bool, got {self.mask.shape} {self.mask.dtype}"
            )
        if not len(points) and self.box is None and self.mask is None and self.evidence is None:
            raise PromptError(f"{who} says nothing; give a point, a box or a mask")

    @property
    def says_absent(self) -> bool:
        """Whether the object is said not to be in the frame."""
        return self.mask is not None and not self.mask.any()


READINGS = ("anchors", "recent", "nearby", "familiar")
"""What an appearance memory reads for every cell of a picture, in this order: whether it belongs
to the object judging by the frames that the user answered, by all remembered frames, by the last
frame around the same place; and how well the cell is known at all."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a tracker believes of one object before it asks: soft, a segmenter may overrule it.

    Attributes:
        prior: (h, w) float32, 0..1, the last mask moved to where it is expected now; or None.
        trust: 0..1, how far `prior`, `box` and `points_xy` may be believed.
        recall: (4, h, w) float32, 0..1, see `READINGS`; or None.
        box: (4,) float32 pixels, where the object is expected; or None.
        points_xy: (N, 2) float32 pixels, expected on the object, or off it where `labels` is False.
        labels: (N,) bool.
    """

    prior: FloatArray | None = None
    trust: float = 0.0
    recall: FloatArray | None = None
    box: FloatArray | None = None
    points_xy: FloatArray = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    labels: BoolArray = field(default_factory=lambda: np.zeros(0, bool))


class Embedding(Protocol):
    """An encoded picture. Opaque, but for what the appearance memory matches.

    Attributes:
        size_hw: (H, W) of the picture in pixels.
        keys: (C, h, w) float32 torch tensor covering the picture; the dot product of two columns
            is their match as a logit (the temperature is already inside).
    """

    @property
    def size_hw(self) -> tuple[int, int]: ...  # noqa: D102

    @property
    def keys(self) -> Any: ...  # noqa: D102


@dataclass(frozen=True)
class Canvas:
    """A network's input of fixed shape, with the picture in its upper left corner.

    Attributes:
        size_hw: (H, W) of the input.
        picture_hw: (H, W) of the part that the picture takes; the rest is padding.
    """

    size_hw: tuple[int, int]
    picture_hw: tuple[int, int]

    def cells_hw(self, logits_hw: tuple[int, int]) -> tuple[int, int]:
        """(h, w): how many rows and columns of logits of the input the picture covers."""
        height, width = np.divide(self.picture_hw, self.size_hw) * logits_hw
        return max(1, round(height)), max(1, round(width))


@dataclass(frozen=True, eq=False)
class Candidates:
    """Several answers to one prompt, at low resolution; only the chosen one is upsampled.

    Attributes:
        object_id: the object asked for.
        logits: (K, h, w) float32, positive inside; covers the picture, or its canvas. Answers to
            different prompts may have cells of different sizes.
        scores: (K,) float32, predicted IoU, 0..1.
        size_hw: (H, W) of the picture.
        canvas: what the logits cover where that is more than the picture, or None.
    """

    object_id: int
    logits: FloatArray
    scores: FloatArray
    size_hw: tuple[int, int]
    canvas: Canvas | None = None

    def __post_init__(self) -> None:
        """Check that there is one score a mask."""
        if self.logits.ndim != 3 or self.scores.shape != self.logits.shape[:1]:
            raise InputError(
                f"candidates need logits (K, h, w) and scores (K,), "
                f"got {self.logits.shape} and {self.scores.shape}"
            )

    @property
    def cells_hw(self) -> tuple[int, int]:
        """(h, w): how many rows and columns of the logits the picture covers."""
        height, width = self.logits.shape[1:]
        return (height, width) if self.canvas is None else self.canvas.cells_hw((height, width))


@dataclass(frozen=True, eq=False)
class Mask:
    """One object in one frame.

    Attributes:
        object_id: 1 or more.
        pixels: (H, W) bool, the size of the picture.
        score: expected IoU with the truth, 0..1.
        state: see `State`; a mask that is returned is usually "tracked".
    """

    object_id: int
    pixels: BoolArray
    score: float = 1.0
    state: State = "tracked"

    def __post_init__(self) -> None:
        """Check id, shape, kind, score and state."""
        object.__setattr__(self, "object_id", object_id(self.object_id, "mask"))
        if not 0 <= self.score <= 1:
            raise InputError(f"the score of a mask must lie in 0..1, got {self.score}")
        if self.pixels.ndim != 2 or self.pixels.dtype != bool:
            raise InputError(
                f"mask must be (H, W) bool, got {self.pixels.shape} {self.pixels.dtype}"
            )
        if self.state not in STATES:
            raise InputError(f"mask state must be one of {', '.join(STATES)}, got {self.state!r}")


@dataclass(frozen=True)
class Missing:
    """An object that has no mask in a frame.

    Attributes:
        object_id: 1 or more.
        state: "occluded", "absent" or "lost".
        reason: a few words for a person.
        score: expected IoU of the best answer that was refused, 0..1.
    """

    object_id: int
    state: State
    reason: str
    score: float = 0.0


@dataclass(frozen=True, eq=False)
class FrameResult:
    """The answer for one frame.

    Attributes:
        index: the frame's display ordinal.
        time_s: the frame's time in seconds, or None.
        size_hw: (H, W) of the picture.
        masks: the objects seen, sorted by id.
        missing: id → why there is no mask.
        stem: the source's own name of the frame, or None.
    """

    index: int
    time_s: float | None
    size_hw: tuple[int, int]
    masks: tuple[Mask, ...] = ()
    missing: Mapping[int, Missing] = field(default_factory=lambda: MappingProxyType({}))
    stem: str | None = None

    def __post_init__(self) -> None:
        """Sort the masks by id; refuse an id twice or a mask of another size."""
        masks = tuple(sorted(self.masks, key=lambda mask: mask.object_id))
        ids = [mask.object_id for mask in masks]
        if len(set(ids)) != len(ids):
            raise InputError(f"frame {self.index} has two masks of one object: ids {ids}")
        for mask in masks:
            if mask.pixels.shape != self.size_hw:
                raise InputError(
                    f"frame {self.index} is {self.size_hw}, "
                    f"mask of object {mask.object_id} is {mask.pixels.shape}"
                )
        object.__setattr__(self, "masks", masks)
        object.__setattr__(self, "missing", dict(self.missing))

    def label_map(self) -> npt.NDArray[np.int32]:
        """(H, W) int32: the object id of every pixel, 0 where there is none; later ids on top."""
        labels = np.zeros(self.size_hw, np.int32)
        for mask in self.masks:
            labels[mask.pixels] = mask.object_id
        return labels

    def __getitem__(self, object_id: int) -> Mask:
        """The mask of an object; KeyError where it has none in this frame."""
        for mask in self.masks:
            if mask.object_id == object_id:
                return mask
        raise KeyError(object_id)

    def __contains__(self, object_id: object) -> bool:
        """Whether the object has a mask in this frame."""
        return any(mask.object_id == object_id for mask in self.masks)


@dataclass(frozen=True, eq=False)
class Track:
    """One object through the video, collected from results after the fact.

    Attributes:
        object_id: 1 or more.
        masks: frame index → Mask; frames without the object are left out.
    """

    object_id: int
    masks: Mapping[int, Mask]


@dataclass(frozen=True, eq=False)
class Guess:
    """Where a motion model expects one object.

    Attributes:
        object_id: 1 or more.
        box: (4,) float32 pixels, or None.
        points_xy: (N, 2) float32 pixels, points that should lie on the object.
        trust: 0..1.
        prior: (h, w) float32 0..1, the last mask moved to this frame, less where the scene
            behind it is seen again; or None.
        passing: id of the object that it is passing, in front or behind, or None.
        still: (h, w) float32 0..1, 1 where the object cannot be, because what is there was there
            when the object was seen last, and was not the object or did not go with it; or None.
    """

    object_id: int
    box: FloatArray | None
    points_xy: FloatArray
    trust: float
    prior: FloatArray | None = None
    passing: int | None = None
    still: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Recall:
    """What the appearance memory says of one object in the current frame.

    Attributes:
        object_id: 1 or more.
        maps: (4, h, w) float32 0..1, see `READINGS`.
        trust: 0..1, how much of the object seems to be in the picture.
        foreign: (h, w) float32, 1 where there surely is something else, or None where no answer of
            the user's tells.
        strange: (h, w) float32, by how much of cosine each cell looks more like anything else that
            was seen than like an object that is missing; None for others.
    """

    object_id: int
    maps: FloatArray
    trust: float
    foreign: FloatArray | None = None
    strange: FloatArray | None = None


def check_image(image: Any) -> None:
    """Raise InputError unless `image` is (H, W, 3) uint8 with at least one pixel."""
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3:
        shape = getattr(image, "shape", type(image).__name__)
        raise InputError(f"image must be (H, W, 3) uint8 RGB, got {shape}")
    if image.dtype != np.uint8:
        raise InputError(f"image must be uint8, got {image.dtype}; scale to 0..255 and convert")
    if 0 in image.shape:
        raise InputError(f"image is empty: {image.shape}")
