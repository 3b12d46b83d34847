"""Tracked points: exact similarities, and what covers an object is outvoted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from propagate.motion import points

BEFORE = np.random.default_rng(3).uniform(20, 200, (40, 2))


def turned(angle, scale, offset):
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[c, -s, offset[0]], [s, c, offset[1]]])


def moved(matrix, places=BEFORE):
    return np.column_stack([places, np.ones(len(places))]) @ matrix.T


@given(
    st.floats(-0.2, 0.2),
    st.floats(0.85, 1.15),
    st.tuples(st.floats(-50, 50), st.floats(-50, 50)),
)
def test_a_similarity_is_found_exactly(angle, scale, offset):
    truth = turned(angle, scale, offset)
    matrix, agreeing = points.similarity(BEFORE, moved(truth), least=1000)
    assert np.allclose(matrix, truth, atol=1e-6)
    assert agreeing == len(BEFORE)


def test_the_minority_is_outvoted():
    truth = turned(0.02, 1.01, (4, -3))
    after = moved(truth)
    after[:15] += (30, 10)
    matrix, agreeing = points.similarity(BEFORE, after)
    assert np.allclose(matrix, truth, atol=1e-6)
    assert agreeing == 25


@pytest.mark.parametrize("count", [0, 1, 3])
def test_few_points_give_a_shift(count):
    matrix, agreeing = points.similarity(BEFORE[:count], BEFORE[:count] + (5, 2))
    assert np.allclose(matrix, [[1, 0, 5], [0, 1, 2]] if count else [[1, 0, 0], [0, 1, 0]])
    assert agreeing == count


def test_what_covers_an_object_is_rejected(scene):
    """A cover slides in from the left over a third of the object, which moves down."""
    motion = points.build(points.Config())
    first, mask = scene.at(0, (160, 100), occluder=60)
    state = scene.feed(motion, [(first, mask)])
    frame, truth = scene.at(1, (160, 104), occluder=87)
    free = motion.guess(state, scene.at(1, (160, 104), occluder=60)[0])[1]
    guess = motion.guess(state, frame)[1]
    assert scene.off(guess, truth) < 2
    assert scene.overlap(guess, truth) > 0.95
    assert guess.trust < 0.9 * free.trust


def test_trust_ends_where_the_object_is_replaced(scene):
    motion = points.build(points.Config())
    state = scene.feed(motion, [scene.at(0, (160, 120))])
    gone, _ = scene.at(1, (1000, 120))
    assert motion.guess(state, gone)[1].trust < 0.3


def test_all_objects_are_tracked_together(scene, monkeypatch):
    calls = []
    once = points._lucas_kanade

    def counted(before, now, places):
        calls.append(len(places))
        return once(before, now, places)

    monkeypatch.setattr(points, "_lucas_kanade", counted)
    motion = points.build(points.Config())
    frame, mask = scene.at(0, (150, 120))
    masks = {key: np.roll(mask, 10 * key, axis=1) for key in range(1, 9)}
    state = motion.update(motion.start(), frame, scene.answered(frame, masks))
    assert len(motion.guess(state, frame)) == 8
    assert len(calls) == 2 and min(calls) > 8 * 8  # forth and back
