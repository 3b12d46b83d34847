"""Dense flow: exact shifts, bending, and trust that knows when it is wrong."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from propagate.masks import box_of
from propagate.motion import flow
from propagate.motion._dense import backward_flow, fetch, small_grey, sources
from propagate.types import Frame, FrameResult, Mask


@pytest.mark.parametrize("shift", [(0, 0), (3, 0), (-4, 2), (7, -5)])
def test_a_known_shift_is_found(scene, shift):
    before = small_grey(scene.background, 320)
    now = np.roll(before, shift[::-1], axis=(0, 1))
    rest = np.zeros((*before.shape, 2), np.float32)
    inner = backward_flow(now, before, rest)[20:-20, 20:-20]
    assert np.abs(np.median(inner, axis=(0, 1)) + shift).max() < 0.1


def test_fetch_looks_up_where_pixels_came_from():
    before = np.zeros((8, 10), np.float32)
    before[3, 4] = 1
    steps = np.full((8, 10, 2), (-2, 1), np.float32)  # came from 2 to the left and 1 below
    fetched = fetch(before, sources(steps))
    assert np.argwhere(fetched == 1).tolist() == [[2, 6]]


def test_a_sudden_step_is_followed_without_history(scene):
    """One frame was seen, so nothing but the pictures can tell."""
    motion = flow.build(flow.Config())
    state = scene.feed(motion, [scene.at(0, (120, 120))])
    frame, mask = scene.at(1, (127, 115))
    guess = motion.guess(state, frame)[1]
    assert scene.off(guess, mask) < 2
    assert scene.overlap(guess, mask) > 0.9


def test_a_fast_thing_is_followed_once_its_speed_is_known(scene):
    """30 pixels a frame is further than the search reaches from a standstill."""
    motion = flow.build(flow.Config())
    steps = [scene.at(index, (60 + 30 * index, 120)) for index in range(5)]
    frame, mask = steps[4]
    guess = motion.guess(scene.feed(motion, steps[:4]), frame)[1]
    unprepared = motion.guess(scene.feed(motion, steps[3:4]), frame)[1]
    assert scene.overlap(guess, mask) > 0.8
    assert scene.overlap(unprepared, mask) < 0.5


def test_a_thing_that_bends(scene):
    """The upper half moves right, the lower half left; no single shift fits both."""
    motion = flow.build(flow.Config())
    picture, lower = scene.background, np.zeros((240, 320), bool)
    lower[120:180, 100:200] = True
    upper = np.zeros((240, 320), bool)
    upper[60:120, 100:200] = True
    moved = np.where(
        np.arange(240)[:, None, None] < 120, np.roll(picture, 5, 1), np.roll(picture, -5, 1)
    )
    state = scene.feed(motion, [(Frame(0, picture), upper | lower)])
    guess = motion.guess(state, Frame(1, moved))[1]
    truth = np.roll(upper, 5, 1) | np.roll(lower, -5, 1)
    assert scene.overlap(guess, truth) > 0.95 > scene.overlap(guess, upper | lower)


def test_trust_falls_where_the_object_is_replaced(scene):
    motion = flow.build(flow.Config())
    frame, mask = scene.at(0, (150, 120))
    state = scene.feed(motion, [(frame, mask)])
    gone, _ = scene.at(1, (1000, 120))
    seen = motion.guess(state, scene.at(1, (153, 120))[0])[1].trust
    assert motion.guess(state, gone)[1].trust < 0.7 * seen


def test_a_hidden_object_drifts_on_and_slows_down(scene):
    motion = flow.build(flow.Config(drift=0.5))
    steps = [scene.at(index, (100 + 6 * index, 120)) for index in range(4)]
    empty = scene.at(0, (1000, 120))[0].image
    state = scene.feed(motion, [*steps, (Frame(4, empty), None)])
    last = box_of(steps[-1][1])
    lefts = [motion.guess(state, Frame(index, empty))[1].box[0] for index in (5, 8, 30)]
    # 6 * (0.5 + 0.25), then ever closer to 6 * 1
    assert np.allclose(np.array(lefts) - last[0], [4.5, 5.8125, 6], atol=0.3)


def test_many_objects_share_one_flow(scene, monkeypatch):
    calls = []
    once = flow._dense.backward_flow

    def counted(now, before, start):
        calls.append(1)
        return once(now, before, start)

    monkeypatch.setattr(flow._dense, "backward_flow", counted)
    motion = flow.build(flow.Config())
    frame, mask = scene.at(0, (150, 120))
    masks = {key: np.roll(mask, 10 * key, axis=1) for key in range(1, 9)}
    state = motion.update(motion.start(), frame, scene.answered(frame, masks))
    assert len(motion.guess(state, frame)) == 8
    assert len(calls) == 1


def boxes(index: int, *corners: tuple[int, int], side: int = 40) -> FrameResult:
    """Squares at (x, y), numbered from 1."""
    found = []
    for n, (x, y) in enumerate(corners, 1):
        pixels = np.zeros((240, 400), bool)
        pixels[y : y + side, x : x + side] = True
        found.append(Mask(n, pixels))
    return FrameResult(index, None, (240, 400), tuple(found))


def grey(index: int, size_hw: tuple[int, int] = (240, 400)) -> Frame:
    return Frame(index, np.full((*size_hw, 3), 128, np.uint8))


def meeting(last: int):
    """One thing flies into two others at once."""
    model = flow.build(flow.Config())
    state = model.start()
    for index in range(last + 1):
        seen = boxes(index, (40 + 12 * index, 100), (181, 79), (181, 121))
        state = model.update(state, grey(index), seen)
    return model, state


def test_nothing_passes_two_others_at_once():
    _, state = meeting(9)
    pairs = [key for encounter in state.encounters for key in encounter.pair]
    assert pairs and len(pairs) == len(set(pairs))


def test_who_passed_whom_is_forgotten_in_pictures_of_another_size():
    model, state = meeting(9)
    assert state.encounters
    large = (480, 800)
    mask = np.zeros(large, bool)
    mask[200:280, 300:380] = True
    result = FrameResult(10, None, large, (Mask(1, mask), Mask(2, ~mask)))
    assert model.update(state, grey(10, large), result).encounters == ()


def test_a_correction_in_the_same_frame_keeps_the_speed():
    model, state = meeting(5)
    before = state.objects[1]
    again = model.update(state, grey(5), boxes(5, (101, 100), (181, 79), (181, 121)))
    after = again.objects[1]
    assert after.box[0] == 101 and after.frames == before.frames > 1
    assert after.steady_xy == pytest.approx(before.steady_xy) and before.steady_xy[0] > 10


def on_cells(still: np.ndarray, mask: np.ndarray) -> float:
    """Mean of a map of small cells inside a mask of the picture."""
    full = cv2.resize(still, mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return float(full[mask].mean())


def test_what_stays_behind_is_not_the_object(scene):
    """A patch of the background was taken for a part of the thing, which moves on."""
    motion = flow.build(flow.Config())
    steps = [scene.at(index, (110 + 12 * index, 120)) for index in range(3)]
    patch = np.zeros((240, 320), bool)
    patch[100:140, 20:50] = True
    state = scene.feed(motion, [(frame, mask | patch) for frame, mask in steps[:2]])
    frame, mask = steps[2]
    still = motion.guess(state, frame)[1].still
    assert on_cells(still, patch) > 0.95
    assert on_cells(still, mask) < 0.3


def test_a_thing_that_hardly_moves_leaves_nothing_behind(scene):
    motion = flow.build(flow.Config())
    steps = [scene.at(index, (150 + index, 120)) for index in range(3)]
    frame, mask = steps[2]
    still = motion.guess(scene.feed(motion, steps[:2]), frame)[1].still
    assert on_cells(still, mask) < 0.1


@pytest.mark.parametrize("pan", [0, 5])
def test_where_nothing_changes_a_missing_object_has_not_come_back(scene, pan):
    """The camera pans; the thing comes back on the right."""
    motion = flow.build(flow.Config())
    hidden = Frame(1, scene.background)
    state = scene.feed(motion, [scene.at(0, (60, 120)), (hidden, None)])
    seen, mask = scene.at(2, (240, 120))
    moved, mask = np.roll(seen.image, pan, 1), np.roll(mask, pan, 1)
    still = motion.guess(state, Frame(2, moved))[1].still
    around = np.ones_like(mask)
    around[:, :10] = around[:, mask.any(0)] = False
    assert on_cells(still, around) > 0.9
    assert on_cells(still, mask) < 0.3


def test_what_was_covered_meanwhile_may_be_what_is_missing(scene):
    """A screen comes over the thing and goes; the thing rests below it, and nothing moves then."""
    motion = flow.build(flow.Config())
    seen, mask = scene.at(0, (60, 120))
    steps: list[tuple[Frame, np.ndarray | None]] = [(seen, mask)]
    screened = np.zeros_like(mask)
    for index, x in enumerate((0, 30, 60, 60, 60, 30, 0, 0, 0), 1):
        image = seen.image.copy()
        image[:, x : x + 90] = 60
        screened[:, x : x + 90] = True
        steps.append((Frame(index, image), None))
    state = scene.feed(motion, steps)
    still = motion.guess(state, Frame(len(steps), steps[-1][0].image))[1].still
    assert on_cells(still, mask) < 0.1
    never = ~cv2.dilate(screened.astype(np.uint8), np.ones((9, 9))).astype(bool)
    assert on_cells(still, never) > 0.9
