"""Two passes become one: whose mask is taken where, and whose pixel it is."""

from __future__ import annotations

import numpy as np
import pytest

from propagate.fusion import Answer, change_frame, fuse, packed, separated, settled, unpacked
from propagate.masks import encode_rle
from propagate.testing import moving_shapes
from propagate.types import FrameResult, Mask, Missing

SIZE = (6, 40)


def at(x, score=0.8):
    """A block of 6 x 6 pixels from column x on."""
    mask = np.zeros(SIZE, bool)
    mask[:, x : x + 6] = True
    return Answer(score, "tracked", encode_rle(mask))


GONE = Answer(0.1, "occluded", None, "hidden")
RIGHT = [at(x) for x in range(20)]
ASTRAY = [at(34 - x) for x in range(20)]


def test_packing_loses_nothing():
    clip = moving_shapes(3, 9, (40, 64), "leaving")
    for index in range(9):
        result = clip.result(index)
        again = unpacked(packed(result), result)
        assert np.array_equal(again.label_map(), result.label_map())
        assert again.missing == result.missing
        assert (again.index, again.time_s) == (result.index, result.time_s)


def test_passes_that_agree_change_in_the_middle():
    assert change_frame(RIGHT, RIGHT) in (9, 10)
    assert fuse(RIGHT, RIGHT) == RIGHT


@pytest.mark.parametrize("breaks", [2, 6, 10, 16])
def test_a_forward_pass_that_goes_astray_is_left_where_both_still_agree(breaks):
    forward = RIGHT[:breaks] + ASTRAY[breaks:]
    assert fuse(forward, RIGHT) == RIGHT
    assert fuse(RIGHT, [*ASTRAY[:breaks], *RIGHT[breaks:]]) == RIGHT


@pytest.mark.parametrize(("lost", "found"), [(4, 4), (2, 9), (12, 15)])
def test_both_lose_it_at_an_occluder(lost, found):
    """Forward is right before it, backward after it; between them nothing is to be seen."""
    forward = RIGHT[:lost] + [GONE] * (20 - lost)
    backward = [GONE] * found + RIGHT[found:]
    assert fuse(forward, backward) == RIGHT[:lost] + [GONE] * (found - lost) + RIGHT[found:]


def test_who_began_with_a_part_is_believed_for_less_of_the_way():
    part = np.zeros(SIZE, bool)
    part[:2, 34:36] = True  # a ninth of the block
    apart = [at(x + 14) for x in range(20)]  # they agree nowhere
    backward = [*apart[:-1], Answer(0.8, "tracked", encode_rle(part))]
    assert change_frame(RIGHT, apart) in (9, 10)
    assert change_frame(RIGHT, backward) in (13, 14)
    assert change_frame(list(reversed(backward)), list(reversed(RIGHT))) in (4, 5)


@pytest.mark.parametrize("wide", [1, 30])
def test_who_lost_a_part_or_took_too_much_is_not_believed_however_sure_it_is(wide):
    """The backward pass goes astray at once, and is found again by the first anchor's memory."""

    def block(x, width, score=0.7):
        mask = np.zeros(SIZE, bool)
        mask[:, x : x + width] = True
        return Answer(score, "tracked", encode_rle(mask))

    whole = [block(4, 6) for _ in range(20)]
    astray = [block(4, wide, 0.95) for _ in range(16)]
    backward = [*whole[:3], *astray, whole[-1]]
    assert fuse(whole, backward)[:15] == whole[:15]
    assert fuse(backward[::-1], whole)[5:] == whole[5:]


def test_one_pass_fills_the_frames_that_the_other_lost():
    holes = [GONE if 5 <= n < 8 else answer for n, answer in enumerate(RIGHT)]
    assert fuse(holes, RIGHT) == RIGHT
    weak = [at(x, 0.3) for x in range(20)]
    left = fuse(holes, weak)
    assert left[6] is GONE, "a mask that nobody trusts fills nothing"


def test_it_changes_sides_once_however_scores_flicker():
    scores = np.random.default_rng(0).uniform(0.3, 0.9, (2, 20))
    forward = [at(n, s) for n, s in enumerate(scores[0])]
    backward = [at(34 - n, s) for n, s in enumerate(scores[1])]
    sides = [answer in forward for answer in fuse(forward, backward)]
    assert sides == sorted(sides, reverse=True)


def test_neighbouring_anchors_have_nothing_between_them():
    assert fuse(RIGHT[:2], [ASTRAY[0], RIGHT[1]]) == RIGHT[:2]


def test_what_overlaps_goes_to_the_better_score():
    apart = separated({1: at(0, 0.5), 2: at(3, 0.9), 3: at(2, 0.1), 4: GONE})
    assert np.flatnonzero(apart[2].pixels()[0]).tolist() == [3, 4, 5, 6, 7, 8]
    assert np.flatnonzero(apart[1].pixels()[0]).tolist() == [0, 1, 2]
    assert (apart[3].rle, apart[3].state) == (None, "occluded")
    assert apart[4] is GONE


def test_old_masks_give_way_unless_they_are_fixed():
    masks = [Mask(i, at(x).pixels(), 0.7) for i, x in ((1, 0), (2, 6), (3, 12), (4, 30))]
    before = FrameResult(5, None, SIZE, tuple(masks), {9: Missing(9, "lost", "why", 0.2)})
    after = unpacked(settled(before, {2: at(3), 9: at(10)}, fixed={3}), before)
    columns = {m.object_id: np.flatnonzero(m.pixels[0]).tolist() for m in after.masks}
    assert columns == {
        1: [0, 1, 2],
        2: [3, 4, 5, 6, 7, 8],
        3: [12, 13, 14, 15, 16, 17],
        4: [30, 31, 32, 33, 34, 35],
        9: [10, 11],
    }
    assert not after.missing
    gone = unpacked(settled(before, {2: at(0)}, fixed=()), before)
    assert gone.missing[1].reason == "covered by other objects"
