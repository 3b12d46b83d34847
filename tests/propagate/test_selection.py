"""Which answer counts, who is missing and why, whose pixel it is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propagate.logits import to_picture
from propagate.selection import Choice, Config, Selection, on_one_grid
from propagate.types import Candidates, Canvas, FrameResult, Guess, Mask, Missing, Prompt, Recall

SIZE = (96, 130)


def selection(**options) -> Selection:
    return Selection(Config(**options))


def candidates(scores: list[float], spots: list[tuple[int, int]]) -> Candidates:
    """One candidate a spot: a block of 6 x 6 cells there."""
    logits = np.full((len(spots), 24, 32), -4, np.float32)
    for k, (y, x) in enumerate(spots):
        logits[k, y : y + 6, x : x + 6] = 4
    return Candidates(1, logits, np.array(scores, np.float32), SIZE)


def test_a_fresh_prompt_takes_the_highest_score() -> None:
    choice = selection().choose(candidates([0.3, 0.8, 0.7], [(0, 0), (9, 9), (3, 20)]), None)
    assert choice.score == pytest.approx(0.8)
    assert choice.logits[10, 10] > 0


def test_a_followed_object_prefers_where_it_is_expected() -> None:
    expected = np.zeros((24, 32), np.float32)
    expected[3:9, 20:26] = 1
    choice = selection().choose(candidates([0.75, 0.8, 0.7], [(0, 0), (9, 9), (3, 20)]), expected)
    assert choice.logits[4, 21] > 0, "0.7 where it is expected beats 0.8 elsewhere"
    assert choice.score == pytest.approx(0.7), "the score stays the predicted IoU"


def test_a_missing_object_needs_a_better_answer_to_return() -> None:
    logits = -np.ones((4, 4), np.float32)
    logits[:, :2] = 1
    choice = Choice(1, logits, 0.25)
    policy = selection(least_score=0.15, return_score=0.3)
    here, elsewhere = (logits > 0).astype(np.float32), (logits < 0).astype(np.float32)
    assert policy.is_seen(choice, here)
    assert not policy.is_seen(choice, elsewhere), "it may be another one"
    assert not policy.is_seen(choice, None)
    assert not policy.is_seen(Choice(1, -np.ones((4, 4), np.float32), 0.9), here)


def test_what_comes_back_is_not_what_is_known_as_something_else() -> None:
    logits = -np.ones((4, 4), np.float32)
    logits[:, :2] = 1
    choice, strange = Choice(1, logits, 0.9), np.zeros((4, 4), np.float32)
    strange[:, :2] = 0.9
    assert not selection().is_seen(choice, None, strange)
    assert selection().is_seen(choice, None, 1 - strange)
    assert selection().is_seen(choice, strange, strange), "it was followed to there"


def test_where_the_object_certainly_is_the_answer_has_to_be_sure_of_the_contrary() -> None:
    found = candidates([0.8], [(8, 8)])
    found.logits[0, 10:12, 10:12] = -2  # a stripe that has come near
    found.logits[0, 13, 13] = -9  # something in front
    certain = np.zeros((24, 32), np.float32)
    certain[8:20, 8:14] = 1
    expected = (found.logits[0] > 0).astype(np.float32)
    plain = selection().choose(found, expected).logits > 0
    assert not plain[10:12, 10:12].any()
    inside = selection().choose(found, expected, None, certain).logits > 0
    wanted = np.zeros((24, 32), bool)
    wanted[8:14, 8:14] = True
    wanted[13, 13] = False
    np.testing.assert_array_equal(inside[:14], wanted[:14])


def test_sought_is_what_is_missing_and_what_is_all_at_once_hardly_believed() -> None:
    pixels = np.ones((4, 4), bool)
    shown = tuple(Mask(i, pixels, score) for i, score in enumerate((0.9, 0.5, 0.5, 0.4), start=1))
    gone = {9: Missing(9, "occluded", "test")}
    result = FrameResult(3, None, (4, 4), shown, gone)
    scores = {1: 0.95, 2: 0.95, 3: 0.6, 9: 0.9}
    assert selection().sought(result, scores) == {2, 9}, "4 is new, 3 was no better before"


def test_of_two_that_are_equally_sure_of_a_pixel_the_first_has_it() -> None:
    logits = candidates([1], [(4, 4)]).logits[0]
    choices = [Choice(number, logits, 0.9) for number in (3, 5)]
    first, second = selection().masks(choices, {}, SIZE)
    alone = selection().masks(choices[:1], {}, SIZE)[0]
    np.testing.assert_array_equal(first.pixels, alone.pixels)
    assert not second.pixels.any()


def test_answers_of_different_cells_become_masks_together() -> None:
    coarse, fine = np.full((24, 32), -4, np.float32), np.full((96, 128), -4, np.float32)
    coarse[:, :16], fine[:, 64:] = 4, 4
    choices = on_one_grid([Choice(1, coarse, 0.9), Choice(2, fine, 0.9)])
    assert [choice.logits.shape for choice in choices] == [(96, 128)] * 2
    left, right = selection().masks(choices, {}, (192, 256))
    assert left.pixels[:, :124].all() and right.pixels[:, 132:].all()
    assert not (left.pixels & right.pixels).any()


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 6), st.integers(0, 10_000))
def test_masks_never_share_a_pixel_however_they_are_resized(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (count, 7, 9)).astype(np.float32)
    choices = [Choice(n + 1, logits[n], 0.9) for n in range(count)]
    masks = selection().masks(choices, {}, (61, 83))
    assert np.sum([mask.pixels for mask in masks], axis=0).max() <= 1


def test_a_lone_object_keeps_all_its_pixels_and_overlap_can_be_allowed() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (2, 7, 9)).astype(np.float32)
    alone = selection().masks([Choice(1, logits[0], 0.9)], {}, (61, 83))[0].pixels
    free = selection(overlap=True).masks(
        [Choice(n + 1, logits[n], 0.9) for n in range(2)], {}, (61, 83)
    )
    np.testing.assert_array_equal(free[0].pixels, alone)
    assert (free[0].pixels & free[1].pixels).any()


def test_a_given_mask_is_returned_as_given_and_wins() -> None:
    pixels = np.zeros(SIZE, bool)
    pixels[10:50, 20:60] = True
    everywhere = Choice(2, np.full((24, 32), 5, np.float32), 0.9)
    masks = {m.object_id: m for m in selection().masks([everywhere], {1: pixels}, SIZE)}
    np.testing.assert_array_equal(masks[1].pixels, pixels)
    np.testing.assert_array_equal(masks[2].pixels, ~pixels)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 200), st.integers(1, 200), st.data())
def test_a_mask_is_enlarged_as_the_whole_picture_would_be(h, w, height, width, data) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    logits = random.normal(-1, 2, (h, w)).astype(np.float32)
    logits[: random.integers(0, h)] = -3  # empty parts, so that there is something to leave out
    logits[:, random.integers(1, w + 1) :] = -3
    whole = cv2.resize(logits, (width, height), interpolation=cv2.INTER_LINEAR)
    sure = np.abs(whole) > 1e-4
    np.testing.assert_array_equal(to_picture(logits, (height, width))[sure], (whole > 0)[sure])


def test_padding_of_a_canvas_is_no_part_of_the_picture() -> None:
    """A picture of 50 x 160 fills 320 of the 1024 rows of its canvas: 20 of 64 cells."""
    canvas = Canvas((1024, 1024), (320, 1024))
    logits = np.full((1, 64, 64), -1, np.float32)
    logits[0, :10] = 1  # the upper half of the picture
    logits[0, 20:] = 1  # all of the padding
    answer = Candidates(1, logits, np.ones(1, np.float32), (50, 160), canvas)
    mask = to_picture(logits[0], (50, 160), canvas)
    assert mask[:24].all() and not mask[26:49].any()
    expected = np.zeros((5, 16), np.float32)
    expected[:3] = 1
    elsewhere = np.full_like(logits, -1)
    elsewhere[0, 12:60] = 1  # reaches far into the padding
    two = Candidates(
        1, np.concatenate([elsewhere, logits]), np.full(2, 0.5, np.float32), (50, 160), canvas
    )
    assert selection().choose(two, expected).logits[2, 2] > 0
    assert selection().choose(answer, None).canvas == canvas


@pytest.mark.parametrize(
    ("box", "frames", "trust", "state"),
    [
        ([40, 30, 80, 70], 0, 0.0, "occluded"),
        ([40, 30, 80, 70], 100, 0.0, "absent"),
        ([40, 30, 80, 70], 100, 0.9, "lost"),
        ([129, 30, 130, 70], 0, 0.9, "absent"),
        (None, 0, 0.9, "absent"),
    ],
)
def test_states(box, frames: int, trust: float, state: str) -> None:
    place = None if box is None else np.array(box, np.float32)
    guess = Guess(1, place, np.zeros((0, 2), np.float32), 0.5)
    recall = Recall(1, np.zeros((4, 6, 8), np.float32), trust)
    choice = Choice(1, -np.ones((4, 4), np.float32), 0.05)
    missing = selection().why_missing(choice, frames, guess, recall, SIZE)
    assert missing.state == state
    assert missing.reason
    assert missing.score == pytest.approx(0.05)


def test_a_piece_apart_that_nothing_speaks_for_is_left_out() -> None:
    logits = np.full((1, 20, 30), -4.0, np.float32)
    logits[0, 4:12, 4:12] = 4  # expected
    logits[0, 14:18, 4:12] = 4  # apart, but expected too: half hidden
    logits[0, 4:12, 20:28] = 4  # clutter
    expected = np.zeros((20, 30), np.float32)
    expected[4:18, 4:12] = 0.9
    candidates = Candidates(1, logits, np.array([0.8], np.float32), (20, 30))
    inside = Selection(Config()).choose(candidates, expected).logits > 0
    assert inside[4:12, 4:12].all() and inside[14:18, 4:12].all()
    assert not inside[:, 20:].any()
    everything = Selection(Config(strangers=0)).choose(candidates, expected).logits > 0
    assert everything[:, 20:].any()


def test_a_piece_that_is_mostly_something_else_is_left_out_even_the_last_one() -> None:
    logits = np.full((1, 20, 30), -4.0, np.float32)
    logits[0, 4:12, 4:12] = 4
    logits[0, 4:12, 20:28] = 4
    candidates = Candidates(1, logits, np.array([0.8], np.float32), (20, 30))
    expected = (logits[0] > 0).astype(np.float32)
    foreign = np.zeros((20, 30), np.float32)
    foreign[4:9, 20:28] = 1  # more than half of the second one
    foreign[4:7, 4:12] = 1  # less than half of the first one
    choice = selection().choose(candidates, expected, foreign)
    assert (choice.logits[4:12, 4:12] > 0).all() and not (choice.logits[:, 20:] > 0).any()
    assert not choice.mistaken
    foreign[4:9, 4:12] = 1
    nothing = selection().choose(candidates, expected, foreign)
    assert nothing.mistaken and not selection().is_seen(nothing, None)
    everything = Selection(Config(foreign=1)).choose(candidates, expected, foreign).logits > 0
    assert everything[:, 20:].any()


@pytest.mark.parametrize(
    ("part", "whole", "score", "larger"),
    [
        ((4, 12), (2, 18), 0.80, True),  # nearly as good, four times as large
        ((4, 14), (3, 15), 0.72, True),  # a person, not the shirt: a half larger
        ((4, 14), (3, 15), 0.60, False),  # too bad
        ((2, 14), (2, 15), 0.80, False),  # hardly larger: the same thing, seen worse
        ((4, 8), (0, 20), 0.66, False),  # 25 times as large: what it lies on, and too bad
    ],
)
def test_of_nearly_equal_answers_to_a_click_the_larger_one_is_meant(
    part, whole, score, larger
) -> None:
    logits = np.full((2, 20, 30), -4.0, np.float32)
    for one, (low, high) in zip(logits, (part, whole), strict=True):
        one[low:high, low:high] = 4
    candidates = Candidates(1, logits, np.array([0.82, score], np.float32), (20, 30))
    chosen = Selection(Config()).choose(candidates, None).logits
    assert (chosen == logits[int(larger)]).all()


def test_a_new_object_is_one_thing_where_the_prompt_is() -> None:
    logits = np.full((1, 20, 30), -4.0, np.float32)
    logits[0, 4:12, 2:10] = 4  # clicked
    logits[0, 4:12, 12:16] = 4  # near: cut off by something thin
    logits[0, 4:12, 24:30] = 4  # far
    answers = Candidates(1, logits, np.array([0.8], np.float32), (40, 60))
    click = Prompt(0, 1, points_xy=[[10, 14]], labels=[True])
    inside = selection().choose_new(answers, click).logits > 0
    assert inside[:, 2:10].any() and inside[:, 12:16].any() and not inside[:, 24:].any()
    box = Prompt(0, 1, box=[2, 6, 22, 26])  # 2 pixels a cell
    inside = selection().choose_new(answers, box).logits > 0
    assert inside[:, 2:10].all(0).sum() == 0 and inside[4:12, 2:10].all()
    assert not inside[:, 12:].any()


def test_a_click_beside_every_piece_keeps_the_answer() -> None:
    logits = np.full((1, 20, 30), -4.0, np.float32)
    logits[0, 4:12, 2:10] = 4
    answers = Candidates(1, logits, np.array([0.8], np.float32), (20, 30))
    click = Prompt(0, 1, points_xy=[[25, 15]], labels=[True])
    assert (selection().choose_new(answers, click).logits == logits[0]).all()
