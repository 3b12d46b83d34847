"""What holds for every motion model, however it predicts."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from propagate import plugins
from propagate.masks import box_of
from propagate.types import Frame

MODELS = plugins.available("propagate.motion")
ACTIVE = [name for name in MODELS if name != "still"]


@pytest.fixture(params=MODELS)
def motion(request):
    return plugins.build("propagate.motion", request.param)


@pytest.fixture(params=ACTIVE)
def active(request):
    return plugins.build("propagate.motion", request.param)


def check(guess, size_hw):
    height, width = size_hw
    assert 0 <= guess.trust <= 1
    points = guess.points_xy
    assert points.dtype == np.float32 and points.shape[1:] == (2,)
    assert ((points >= 0) & (points < (width, height))).all()
    if guess.box is None:
        assert guess.prior is None and not len(points)
        return
    assert guess.box.dtype == np.float32
    assert (guess.box >= 0).all() and (guess.box <= (width, height, width, height)).all()
    assert guess.prior.dtype == np.float32 and max(guess.prior.shape) <= 192
    assert guess.prior.min() >= 0 and guess.prior.max() <= 1


def test_nothing_is_known_at_the_start(motion, scene):
    frame, _ = scene.at(0, (100, 100))
    assert motion.guess(motion.start(), frame) == {}


def test_a_thing_at_rest_is_expected_where_it_is(motion, scene):
    frame, mask = scene.at(0, (150, 120))
    state = scene.feed(motion, [scene.at(index, (150, 120)) for index in range(3)])
    guess = motion.guess(state, Frame(3, frame.image))[1]
    check(guess, frame.size_hw)
    assert scene.off(guess, mask) < 1
    assert scene.overlap(guess, mask) > 0.97
    x, y = guess.points_xy.astype(int).T
    assert len(x) >= 1 and mask[y, x].all()


def test_a_steady_step_is_followed(active, scene):
    """5 right and 3 up in each frame; to stay would be 5 pixels off."""
    steps = [scene.at(index, (100 + 5 * index, 150 - 3 * index)) for index in range(8)]
    state = scene.feed(active, steps[:-1])
    frame, mask = steps[-1]
    guess = active.guess(state, frame)[1]
    check(guess, frame.size_hw)
    assert scene.off(guess, mask) < 1.5
    assert scene.overlap(guess, mask) > 0.93


def test_growth_is_followed(active, scene):
    """5 % in each frame: each side moves by more than two pixels."""
    steps = [scene.at(index, (160, 120), 1.05**index) for index in range(8)]
    state = scene.feed(active, steps[:-1])
    frame, mask = steps[-1]
    guess = active.guess(state, frame)[1]
    assert scene.off(guess, mask) < 2
    assert scene.overlap(guess, mask) > 0.93


def test_states_are_values(motion, scene):
    steps = [scene.at(index, (100 + 4 * index, 120)) for index in range(4)]
    state = scene.feed(motion, steps[:3])
    before = pickle.dumps(state)
    frame, mask = steps[3]
    one = motion.guess(state, frame)[1]
    motion.update(state, frame, scene.answered(frame, {1: mask, 2: ~mask}))
    motion.update(state, frame, scene.answered(frame, missing=[1]))
    assert pickle.dumps(state) == before
    again = motion.guess(pickle.loads(before), frame)[1]
    assert np.array_equal(one.box, again.box) and one.trust == again.trust
    assert np.array_equal(one.prior, again.prior)
    assert np.array_equal(one.points_xy, again.points_xy)


def test_a_guess_is_no_view_of_the_state(motion, scene):
    steps = [scene.at(index, (100, 120)) for index in range(2)]
    state = scene.feed(motion, steps[:1])
    before = pickle.dumps(state)
    guess = motion.guess(state, steps[1][0])[1]
    guess.box[:] = 0
    guess.points_xy[:] = 0
    guess.prior[:] = 0
    assert pickle.dumps(state) == before


def test_objects_in_neither_list_are_forgotten(motion, scene):
    frame, mask = scene.at(0, (100, 120))
    state = motion.update(motion.start(), frame, scene.answered(frame, {1: mask, 2: ~mask}))
    assert sorted(motion.guess(state, frame)) == [1, 2]
    state = motion.update(state, frame, scene.answered(frame, {2: ~mask}, missing=[3]))
    assert sorted(motion.guess(state, frame)) == [2]
    state = motion.update(state, frame, scene.answered(frame))
    assert motion.guess(state, frame) == {}


def test_an_empty_mask_counts_as_missing(motion, scene):
    frame, mask = scene.at(0, (100, 120))
    nothing = np.zeros_like(mask)
    state = motion.update(motion.start(), frame, scene.answered(frame, {1: mask}))
    state = motion.update(state, frame, scene.answered(frame, {1: nothing, 2: nothing}))
    assert sorted(motion.guess(state, frame)) == [1]


def test_trust_falls_while_an_object_is_hidden(motion, scene):
    steps = [scene.at(index, (100 + 2 * index, 120)) for index in range(4)]
    hidden = [(Frame(index, steps[-1][0].image), None) for index in range(4, 12)]
    trusts = []
    for count in (1, 3, 5, 7):
        state = scene.feed(motion, [*steps, *hidden[:count]])
        trusts.append(motion.guess(state, hidden[count][0])[1].trust)
    assert all(later < earlier for earlier, later in zip(trusts, trusts[1:], strict=False))


def test_a_change_of_size_is_forgotten_and_learnt_anew(motion, scene):
    frame, mask = scene.at(0, (100, 120))
    state = scene.feed(motion, [(frame, mask)])
    smaller = Frame(1, np.ascontiguousarray(frame.image[:200, :280]))
    assert motion.guess(state, smaller) == {}
    state = motion.update(state, smaller, scene.answered(smaller, {2: mask[:200, :280]}, [1]))
    assert sorted(motion.guess(state, smaller)) == [2]


@pytest.mark.parametrize("size_hw", [(1, 1), (5, 300), (300, 2), (17, 31), (240, 320)])
def test_odd_pictures_and_single_pixels(motion, scene, size_hw):
    height, width = size_hw
    flat = Frame(0, np.full((height, width, 3), 90, np.uint8))
    masks = {1: np.ones(size_hw, bool)}
    for key, (y, x) in enumerate([(0, 0), (height - 1, width - 1), (height // 2, 0)], start=2):
        masks[key] = np.zeros(size_hw, bool)
        masks[key][y, x] = True
    state = motion.start()
    for index in (0, 1, 5):
        frame = Frame(index, flat.image)
        guesses = motion.guess(state, frame)
        assert sorted(guesses) == ([] if index == 0 else [1, 2, 3, 4])
        for key, guess in guesses.items():
            check(guess, size_hw)
            assert np.abs(guess.box - box_of(masks[key])).max() < 1
        state = motion.update(state, frame, scene.answered(frame, masks))


def test_something_that_leaves_is_expected_outside_in_the_end(active, scene):
    steps = [scene.at(index, (290 + 9 * index, 120)) for index in range(4)]
    state = scene.feed(active, steps)
    for index in range(4, 24):
        frame, _ = scene.at(index, (1000, 120))
        guess = active.guess(state, frame)[1]
        check(guess, frame.size_hw)
        state = active.update(state, frame, scene.answered(frame, missing=[1]))
    assert guess.box is None or guess.box[0] > 270


def test_gaps_between_frames(motion, scene):
    """Every fourth frame only, as when frames are skipped: nothing breaks, places stay right."""
    steps = [scene.at(4 * index, (100 + 3 * index, 120)) for index in range(6)]
    state = scene.feed(motion, steps[:-1])
    frame, mask = steps[-1]
    assert scene.off(motion.guess(state, frame)[1], mask) < 4


def test_a_video_run_backwards(active, scene):
    steps = [scene.at(20 - index, (100 + 4 * index, 120)) for index in range(6)]
    state = scene.feed(active, steps[:-1])
    frame, mask = steps[-1]
    assert scene.off(active.guess(state, frame)[1], mask) < 1.5
