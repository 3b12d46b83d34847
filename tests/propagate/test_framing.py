"""Windows hold what they must, stay put, and change no coordinate's meaning."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from propagate.beliefs import Beliefs
from propagate.coords import Window
from propagate.framing import (
    Config,
    Framing,
    boxes_sought,
    denied,
    extent_of,
)
from propagate.types import FrameResult, Guess, Mask, Missing, Prompt, Recall

SIZE = (480, 854)
FRAMING = Framing(Config(margin=0.3, closest=0.25))

coordinate = st.floats(0, 1)


@st.composite
def boxes(draw):
    x, y = (
        sorted(draw(st.tuples(coordinate, coordinate))),
        sorted(draw(st.tuples(coordinate, coordinate))),
    )
    box = np.array([x[0] * 840, y[0] * 470, x[1] * 840 + 10, y[1] * 470 + 10], np.float32)
    return box


@given(st.lists(boxes(), min_size=1, max_size=4))
def test_a_window_lies_in_the_picture_has_its_shape_and_holds_the_boxes(found):
    window = FRAMING.window(SIZE, found)
    assert 0 <= window.x0 < window.x1 <= SIZE[1] and 0 <= window.y0 < window.y1 <= SIZE[0]
    height, width = window.size_hw
    assert height / width == pytest.approx(SIZE[0] / SIZE[1], rel=0.01)
    assert height >= 0.25 * SIZE[0] - 1
    for box in found:
        x0, y0, x1, y1 = box
        assert window.holds([x0 + 1, y0 + 1, x1 - 1, y1 - 1])  # whole pixels round by less


def test_a_window_stays_while_it_fits_and_moves_when_it_does_not():
    box = np.array([400, 200, 460, 260], np.float32)
    first = FRAMING.window(SIZE, [box])
    assert FRAMING.window(SIZE, [box + 5], first) == first
    moved = FRAMING.window(SIZE, [box + [150, 0, 150, 0]], first)
    assert moved != first and moved.holds(box + [150, 0, 150, 0])
    grown = FRAMING.window(SIZE, [np.array([300, 100, 560, 360], np.float32)], first)
    assert grown.size_hw > first.size_hw


def test_without_a_box_or_where_all_is_wanted_the_whole_picture_is_shown():
    assert FRAMING.window(SIZE, []) == Window.whole(SIZE)
    everything = Framing(Config(closest=1.0))
    assert everything.window(SIZE, [np.array([1, 1, 9, 9], np.float32)]) == Window.whole(SIZE)


def test_an_object_of_unknown_place_is_sought_everywhere():
    box = np.array([10, 10, 20, 20], np.float32)
    guess = Guess(1, box, np.zeros((0, 2), np.float32), 1.0)
    click = Prompt(0, 2, points_xy=[[30, 40]], labels=[True])
    drawn = Prompt(0, 2, box=[30, 40, 50, 60])
    assert len(boxes_sought([1], {}, {1: guess})) == 1
    assert boxes_sought([1, 2], {}, {1: guess}) == []
    assert boxes_sought([1, 2], {2: click}, {1: guess}) == []
    assert len(boxes_sought([1, 2], {2: drawn}, {1: guess})) == 2


def test_a_prompt_reaches_as_far_as_its_points_and_its_box():
    prompt = Prompt(0, 1, points_xy=[[20, 20]], labels=[False], box=[110, 55, 220, 100])
    np.testing.assert_allclose(extent_of(prompt), [20, 20, 220, 100])


def test_what_stays_is_foreign_and_so_is_what_memory_tells():
    still = np.zeros((12, 16), np.float32)
    still[:, :8] = 1
    maps = np.zeros((4, 3, 4), np.float32)
    told = np.zeros((3, 4), np.float32)
    told[2, 3] = 1
    guess = Guess(1, None, np.zeros((0, 2), np.float32), 0.9, still=still)
    for foreign in (None, told):
        beliefs = Beliefs(
            {1: guess}, {1: Recall(1, maps, 0.8, foreign)}, Window.whole((48, 64)), (48, 64)
        )
        found = beliefs.foreign(1)
        assert (found[:, :8] == 1).all() and not found[:6, 8:].any()
        assert found[11, 15] == (foreign is not None)
    assert (
        Beliefs({}, {1: Recall(1, maps, 0.8, told)}, Window.whole((48, 64)), (48, 64)).foreign(1)
        is told
    )


class TestWider:
    """A second look, where the first one cannot have seen all."""

    framing = Framing(Config())
    window = Window(200, 100, 400, 220)

    def result(self, box: tuple[int, int, int, int]) -> FrameResult:
        pixels = np.zeros(SIZE, bool)
        x0, y0, x1, y1 = box
        pixels[y0:y1, x0:x1] = True
        return FrameResult(0, None, SIZE, (Mask(1, pixels, 0.9),))

    def test_what_ends_within_the_window_needs_none(self) -> None:
        inside = self.result((220, 120, 399, 219))
        assert self.framing.wider(self.window, inside, ()) is None
        assert self.framing.lacks(self.window, inside, ()) == (0, 0)

    @pytest.mark.parametrize(
        "box", [(200, 130, 220, 150), (380, 130, 400, 150), (300, 200, 320, 220)]
    )
    def test_what_a_window_cuts_off_is_looked_at_whole(
        self, box: tuple[int, int, int, int]
    ) -> None:
        cut = self.result(box)
        wider = self.framing.wider(self.window, cut, ())
        assert wider is not None
        assert self.framing.lacks(self.window, cut, ()) == (0, 1)
        assert self.framing.lacks(wider, cut, ()) == (0, 0)
        assert wider.holds(np.array(box, np.float32))

    def test_the_picture_s_edge_cuts_nothing_off(self) -> None:
        corner = Window(0, 0, 200, 120)
        assert self.framing.wider(corner, self.result((0, 0, 20, 20)), ()) is None

    def test_what_is_sought_is_looked_for_around_and_in_a_large_window_everywhere(self) -> None:
        whole = Window.whole(SIZE)
        shown = self.result((220, 120, 300, 200))
        wider = self.framing.wider(self.window, shown, {2})
        assert wider is not None and wider.holds([200, 100, 400, 220])
        assert 1.6 < wider.size_hw[0] / self.window.size_hw[0] < 1.8
        assert self.framing.wider(Window(100, 0, 700, 360), shown, {2}) == whole
        assert self.framing.wider(whole, shown, {2}) is None
        assert self.framing.lacks(whole, shown, {2}) == (1, 0)


def test_what_is_not_seen_from_near_is_not_believed_from_afar() -> None:
    window = Window(100, 100, 400, 300)

    def block(x: int) -> np.ndarray:
        mask = np.zeros(SIZE, bool)
        mask[150:200, x : x + 40] = True
        return mask

    gone = {i: Missing(i, "occluded", "test") for i in (1, 2, 3)}
    near = FrameResult(5, None, SIZE, (Mask(4, block(300)),), gone)
    shown = (block(200), block(500), block(380), block(300))  # inside, beyond, across, known
    far = FrameResult(5, None, SIZE, tuple(Mask(i, m) for i, m in enumerate(shown, 1)))
    assert denied(far, near, window) == {1}
