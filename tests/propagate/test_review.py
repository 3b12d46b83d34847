"""The frames that a person should look at are found, and quiet ones are left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from propagate.review import looks, rank
from propagate.types import FrameResult, Mask, Missing

SIZE = (60, 200)


def block(x, side=16):
    mask = np.zeros(SIZE, bool)
    mask[20 : 20 + side, x : x + side] = True
    return mask


def leaked(x):
    """A block and, as large in all, a strip of what is beside it."""
    mask = block(x)
    mask[20:36, x + 8 : x + 16] = False
    mask[20:24, x + 8 : x + 40] = True
    return mask


@pytest.fixture
def steady():
    """100 frames, 25 a second: one object moves steadily, its score wavers a little."""
    scores = 0.9 + np.random.default_rng(0).uniform(-0.03, 0.03, 100)
    return [
        FrameResult(t, t / 25, SIZE, (Mask(1, block(20 + t), float(scores[t])),))
        for t in range(100)
    ]


def found(results, anchors=((0, 1),), count=12):
    return rank(looks(results), anchors, count)


def changed(results, frames, change):
    return [change(one) if one.index in frames else one for one in results]


def scored(score):
    return lambda one: replace(one, masks=(replace(one.masks[0], score=score),))


def placed(mask):
    return lambda one: replace(one, masks=(replace(one.masks[0], pixels=mask),))


def gone(state):
    return lambda one: replace(one, masks=(), missing={1: Missing(1, state, "why", 0.1)})


def test_a_steady_track_has_nothing_to_look_at(steady):
    assert found(steady) == []
    assert found([replace(one, time_s=None) for one in steady]) == []


def test_a_fast_or_modest_object_is_not_doubtful_all_along(steady):
    fast = [
        replace(one, masks=(Mask(1, block(20 + 12 * (one.index % 12)), 0.8),))
        for one in steady[:12]
    ]
    assert found(fast) == []


@pytest.mark.parametrize(
    ("frames", "change", "reason"),
    [
        (range(40, 100), scored(0.4), "score"),
        (range(40, 60), gone("lost"), "lost: why"),
        (range(40, 60), gone("occluded"), "occluded: why"),
        (range(40, 100), placed(block(150)), "jumped"),
        (range(40, 100), lambda one: placed(block(20 + one.index, 34))(one), "area changed|shape"),
        (range(40, 100), lambda one: placed(leaked(20 + one.index))(one), "shape"),
    ],
)
def test_the_frame_where_it_goes_wrong_comes_first(steady, frames, change, reason):
    first = found(changed(steady, frames, change))[0]
    assert first.look.index == 40 and first.object_id == 1
    assert any(part in first.reason for part in reason.split("|")), first.reason
    assert first.depends == 59


def test_what_lasts_longer_weighs_more(steady):
    results = changed(steady, range(20, 24), scored(0.4))
    results = changed(results, range(60, 90), scored(0.4))
    assert [one.look.index for one in found(results, count=2)] == [60, 20]


def test_an_anchor_is_right_and_ends_what_depends_on_frames_before(steady):
    results = changed(steady, range(40, 100), scored(0.4))
    before = found(results)[0]
    after = found(results, [(0, 1), (44, 1)])
    assert all(one.look.index != 44 for one in after)
    early = next(one for one in after if one.look.index < 44)
    assert early.depends == 3 and early.gain < before.gain / 2
    assert after[0].look.index > 44


def test_neighbours_are_shown_once_and_objects_apart(steady):
    both = [
        replace(one, masks=(*one.masks, Mask(2, block(10 + one.index, 8), 0.4))) for one in steady
    ]
    both = changed(both, range(50, 60), lambda one: replace(
        one, masks=(replace(one.masks[0], score=0.3), one.masks[1])))  # fmt: skip
    results = found(both, [(0, 1), (0, 2)], count=50)
    for key in (1, 2):
        frames = sorted(one.look.index for one in results if one.object_id == key)
        assert frames and np.diff(frames).min(initial=99) >= 25
    gains = [one.gain for one in results]
    assert gains == sorted(gains, reverse=True)
    assert len(found(both, [(0, 1), (0, 2)], count=3)) == 3


def test_looks_remember_where_a_missing_object_was(steady):
    (series,) = looks(changed(steady, range(3, 6), gone("absent"))).values()
    assert [look.area for look in series[2:7]] == [256, 0, 0, 0, 256]
    assert series[4].box == (22, 20, 38, 36)
    assert series[6].likeness is None and series[7].likeness == 1


def test_a_bounce_is_no_error(steady):
    """It turns about in one frame, at half of its size a frame."""
    ups_and_downs = [
        placed(block(20 + 6 * abs(20 - one.index % 40)))(one) for one in steady
    ]  # fmt: skip
    assert found(ups_and_downs) == []
