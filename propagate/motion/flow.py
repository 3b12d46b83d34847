"""Every pixel's motion: masks go along with dense optical flow, so they turn, bend and grow.

The flow is computed once a frame and serves all objects. It runs backward, from the current
picture to the one before, so that a mask is moved by looking up where each pixel came from.

Paper: Kroeger et al., "Fast Optical Flow using Dense Inverse Search", 2016.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from propagate import coords
from propagate.coords import Size
from propagate.masks import box_of
from propagate.motion import _dense, _encounters, _objects
from propagate.motion._moves import GHOST_LEVELS, Moves
from propagate.motion._plate import Plate, hidden_by
from propagate.types import FloatArray, Frame, FrameResult, Guess, ImageArray

_AROUND = 4  # cells around an object that tell how its surroundings move
_SURE = 0.5  # trust in the flow of an object, from which on it says what is not the object


@dataclass(frozen=True)
class Config:
    """Settings of the dense flow.

    Attributes:
        long_side: pixels of the grey picture that flow is computed on; larger follows thinner
            things, smaller follows faster ones and takes less time.
        points: points an object; more pin it down better, and mislead more where flow is wrong.
        tolerance: grey levels by which pixels may differ from where they came from until trust
            falls to a third; lower doubts sooner, also where only the light changed.
        decay: 0..1, factor on the trust for every frame without a mask; lower lets an object that
            was hidden come back elsewhere sooner.
        drift: 0..1, the part of its speed that a hidden object keeps from frame to frame; 0 leaves
            it where it was seen last.
    """

    long_side: int = 256
    points: int = 1
    tolerance: float = 60.0
    decay: float = 0.9
    drift: float = 0.8


@dataclass(frozen=True, eq=False)
class FlowState:
    """What was seen.

    Attributes:
        index: of the last frame.
        size_hw: (H, W) of the pictures.
        grey: (h, w) uint8, the last picture, small.
        objects: by id.
        encounters: objects that are passing each other.
        plate: what lies behind the objects; None before there were any.
    """

    index: int = -1
    size_hw: tuple[int, int] = (0, 0)
    grey: ImageArray | None = None
    objects: Mapping[int, _objects.Seen] = field(default_factory=dict)
    encounters: tuple[_encounters.Encounter, ...] = ()
    plate: Plate | None = None


class Flow:
    """Moves every mask with the pixels under it."""

    def __init__(self, config: Config) -> None:
        """Hold the settings."""
        self._config = config
        self._coasting = _objects.Coasting(config.decay, config.drift)
        self._small: tuple[Frame, ImageArray] | None = None
        self._moved: tuple[FlowState, Frame, Moves] | None = None

    def start(self) -> FlowState:
        """Nothing seen yet."""
        return FlowState()

    def guess(self, state: FlowState, frame: Frame) -> dict[int, Guess]:
        """Masks of the last frame go with the flow, hidden objects drift on.

        {} where the pictures' size changed.
        """
        moves = self._moves(state, frame)
        if moves is None or state.grey is None:
            return {}
        guesses = {
            key: self._follow(key, seen, moves, frame)
            if seen.index == state.index
            else self._coast(key, seen, moves, frame)
            for key, seen in state.objects.items()
        }
        pictures = _encounters.Pictures(state.grey, self._grey(frame), frame.size_hw)
        for encounter in state.encounters:
            guesses = encounter.tell(guesses, frame, pictures)
        return dict(sorted(guesses.items()))

    def update(self, state: FlowState, frame: Frame, result: FrameResult) -> FlowState:
        """Keep the picture and every mask small; of missing objects where they have not come."""
        known = state.objects if result.size_hw == state.size_hw else {}
        points = self._config.points
        objects = _objects.learn(
            known,
            result,
            lambda mask: _objects.see(mask, frame.index, points, known.get(mask.object_id)),
        )
        moves = self._moves(state, frame)
        if moves is not None:
            for key, seen in objects.items():
                if seen.index != frame.index:
                    objects[key] = replace(seen, elsewhere=moves.still_elsewhere(seen.elsewhere))
        grey, pictures = self._grey(frame), None
        if state.grey is not None and state.size_hw == result.size_hw:
            pictures = _encounters.Pictures(state.grey, grey, result.size_hw)
        passing = _encounters.encounters(state.encounters, known, objects, result, pictures)
        plate = _learned(state, moves, grey, _in_sight(objects, frame.index))
        return FlowState(frame.index, result.size_hw, grey, objects, passing, plate)

    def _coast(self, object_id: int, seen: _objects.Seen, moves: Moves, frame: Frame) -> Guess:
        """The object is hidden, and goes on as it went."""
        guess = _objects.coast(object_id, seen, frame, self._coasting)
        return replace(guess, still=moves.still_elsewhere(seen.elsewhere))

    def _follow(self, object_id: int, seen: _objects.Seen, moves: Moves, frame: Frame) -> Guess:
        """The object goes with the flow."""
        prior = _dense.fetch(seen.cover, moves.sources_xy)
        place = _around(prior)
        prior[place] = _without_ghosts(prior[place], moves.difference[place])
        weight = prior if prior[place].any() else seen.cover  # it left, or is thinner than the flow
        place = _around(weight)
        inside = weight[place] >= weight[place].max() / 2
        flow, difference = moves.flow[place][inside], moves.difference[place][inside]
        ratio = coords.scale_points((1, 1), seen.cover.shape, frame.size_hw)
        median = np.median(flow, axis=0)
        step_xy = -median * ratio
        now = _objects.spread(_objects.moments(weight[place]))
        growth = np.clip(now / _objects.spread(seen.moments), 0.8, 1.25)
        middle = coords.box_middle(seen.box) + step_xy
        half = (seen.box[2:] - seen.box[:2]) / 2 * growth
        box = np.concatenate([middle - half, middle + half])
        unlike = difference.mean() / self._config.tolerance
        torn = np.abs(flow - median).sum(axis=1).mean() / np.sqrt(len(flow))
        trust = float(np.exp(-unlike - torn))
        points = (seen.points_xy + step_xy).astype(np.float32)
        going = median if np.exp(-unlike) >= _SURE else None
        guess = Guess(
            object_id,
            box.astype(np.float32),
            points,
            trust,
            prior * (1 - moves.bare),
            still=moves.still(prior, place, going),
        )
        return _objects.cut(guess, frame.size_hw)

    def _moves(self, state: FlowState, frame: Frame) -> Moves | None:
        """How the picture moved, which `guess` and `update` both want; None if nothing is known."""
        if state.grey is None or frame.size_hw != state.size_hw or not state.objects:
            return None
        moved = self._moved  # another thread may set it meanwhile
        if moved is None or moved[0] is not state or moved[1] is not frame:
            moved = state, frame, _moves_between(state, state.grey, frame, self._grey(frame))
            self._moved = moved
        return moved[2]

    def _grey(self, frame: Frame) -> ImageArray:
        """The frame's small picture, which `guess` and `update` both want."""
        small = self._small
        if small is None or small[0] is not frame:
            small = frame, _dense.small_grey(frame.image, self._config.long_side)
            self._small = small
        return small[1]


def _moves_between(state: FlowState, before: ImageArray, frame: Frame, now: ImageArray) -> Moves:
    """How a picture moved to the next one, both small and grey."""
    seen = _in_sight(state.objects, state.index)
    flow = _dense.backward_flow(now, before, _start(seen.values(), frame, now.shape))
    hidden = hidden_by(seen.values(), _objects.cells_hw(frame.size_hw))
    plate = Plate.first(before, hidden) if state.plate is None else state.plate
    return Moves.of(now, before, flow, plate, hidden)


def _in_sight(objects: Mapping[int, _objects.Seen], index: int) -> dict[int, _objects.Seen]:
    """Those that were seen in a frame."""
    return {key: seen for key, seen in objects.items() if seen.index == index}


def _learned(
    state: FlowState, moves: Moves | None, grey: ImageArray, seen: Mapping[int, _objects.Seen]
) -> Plate | None:
    """The plate after a picture in which some objects were seen.

    Of one that was not seen in the picture before nobody knows since when it has been there.
    """
    if moves is None:
        return None
    cells_hw = moves.bare.shape[0], moves.bare.shape[1]
    plate = moves.plate.learned(grey, hidden_by(seen.values(), cells_hw), moves.bare)
    before = _in_sight(state.objects, state.index)
    new = [seen[key] for key in seen.keys() - before.keys()]
    return plate.without(hidden_by(new, cells_hw)) if new else plate


def _without_ghosts(prior: FloatArray, difference: FloatArray) -> FloatArray:
    """Less of a moved cover where the picture does not look like what was moved there.

    What an object uncovers behind it was nowhere to be seen before; flow takes such places from
    anywhere, often from the object itself.

    Args:
        prior: (h, w) 0..1.
        difference: (h, w) grey levels, see `Moves`.
    """
    inside = prior > 0.5
    if not inside.any():
        return prior
    usual = np.median(difference[inside])  # the light may have changed everywhere
    excess = np.maximum(difference - usual, 0) / GHOST_LEVELS
    return np.asarray(prior * np.exp(-(excess**2)), np.float32)


def _around(cover: FloatArray) -> tuple[slice, slice]:
    """The rows and columns of a cover (h, w) that hold all of it, and some around; or all."""
    box = box_of(cover > 0)
    if box is None:
        return np.s_[:, :]
    x0, y0, x1, y1 = box.astype(int).tolist()
    return np.s_[max(y0 - _AROUND, 0) : y1 + _AROUND, max(x0 - _AROUND, 0) : x1 + _AROUND]


def _start(fresh: Iterable[_objects.Seen], frame: Frame, small_hw: Size) -> FloatArray:
    """(h, w, 2) float32 backward flow, in pixels of the small picture, if objects went on steadily.

    The search finds large steps only near where it begins, so it begins with their speeds.
    """
    start = np.zeros((*small_hw, 2), np.float32)
    for seen in sorted(fresh, key=lambda one: -one.cover.sum()):  # small ones may lie in front
        step_xy = seen.speed_xy * abs(frame.index - seen.index)
        _paint(start, seen, step_xy, frame.size_hw)
    return start


def _paint(start: FloatArray, seen: _objects.Seen, step_xy: _objects.Vector, size_hw: Size) -> None:
    """Set a flow where an object is that moved by a step in pixels; edits `start`."""
    small_hw = start.shape[0], start.shape[1]
    step = coords.scale_points(step_xy, size_hw, small_hw)
    corners = coords.scale_box(seen.box, size_hw, small_hw).reshape(2, 2)
    both = np.concatenate([corners, corners + step])  # what the edge cuts off comes in between
    low = np.maximum(np.floor(both.min(0)), 0).astype(int)
    high = np.minimum(np.ceil(both.max(0)).astype(int), small_hw[::-1])
    if (high <= low).any():
        return
    ratio = coords.scale_points((1, 1), seen.cover.shape, small_hw)
    inside = cv2.warpAffine(
        seen.cover,
        coords.opencv_affine(np.column_stack([np.diag(ratio), step - low])),
        (high - low).tolist(),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    start[low[1] : high[1], low[0] : high[0]][inside > 0.5] = -step


def build(config: Config) -> Flow:
    """Make the model from its settings."""
    return Flow(config)
