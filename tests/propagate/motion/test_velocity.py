"""Steady speed: the filter against its own laws, and boxes through frames without a mask."""

from __future__ import annotations

import numpy as np

from propagate.motion import _kalman, velocity
from propagate.types import Frame

NOISE = _kalman.Noise(speed=0.05, measurement=0.03)


def test_goes_on_through_five_frames_without_a_mask(scene):
    motion = velocity.build(velocity.Config())
    steps = [scene.at(index, (80 + 6 * index, 150 - 3 * index)) for index in range(16)]
    hidden = [(frame, None) for frame, _ in steps[10:15]]
    state = scene.feed(motion, [*steps[:10], *hidden])
    frame, mask = steps[15]
    guess = motion.guess(state, frame)[1]
    assert scene.off(guess, mask) < 2
    assert scene.overlap(guess, mask) > 0.9


def test_skipped_frames_count_as_time(scene):
    motion = velocity.build(velocity.Config())
    steps = [scene.at(index, (80 + 6 * index, 120)) for index in range(16)]
    state = scene.feed(motion, steps[:10])
    frame, mask = steps[15]
    assert scene.off(motion.guess(state, frame)[1], mask) < 2


def test_a_jumpy_object_is_trusted_less(scene):
    motion = velocity.build(velocity.Config())
    steady = scene.feed(motion, [scene.at(index, (80 + 6 * index, 120)) for index in range(9)])
    jumps = np.random.default_rng(0).uniform(70, 200, 9)
    jumpy = scene.feed(motion, [scene.at(index, (x, 120)) for index, x in enumerate(jumps)])
    frame = Frame(9, scene.background)
    assert motion.guess(jumpy, frame)[1].trust < 0.8 * motion.guess(steady, frame)[1].trust


def test_two_steps_are_one_long_step():
    belief = _kalman.first((10, 20, 60, 50), NOISE)
    belief = _kalman.correct(_kalman.predict(belief, 1, NOISE), (14, 19, 64, 49), NOISE)
    once = _kalman.predict(belief, 5, NOISE)
    twice = _kalman.predict(_kalman.predict(belief, 2, NOISE), 3, NOISE)
    assert np.allclose(once.mean, twice.mean)
    assert np.allclose(once.covariance, twice.covariance)


def test_speed_is_learnt_and_certainty_grows_with_boxes():
    belief = _kalman.first((10, 20, 60, 50), NOISE)
    deviations = []
    for step in range(1, 20):
        belief = _kalman.predict(belief, 1, NOISE)
        box = np.array([10, 20, 60, 50]) + step * np.array([4, -1, 4, -1])
        belief = _kalman.correct(belief, box, NOISE)
        deviations.append(belief.deviation)
        assert np.linalg.eigvalsh(belief.covariance).min() > 0
    assert np.allclose(belief.mean[4:], [4, -1, 0, 0], atol=0.05)
    assert deviations[-1] < NOISE.measurement * 2**0.5  # of x and y together
    assert _kalman.predict(belief, 5, NOISE).deviation > 3 * deviations[-1]
