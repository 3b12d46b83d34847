"""Two objects that look alike pass each other and stay who they are."""

from __future__ import annotations

import numpy as np
import pytest

from propagate.coords import Window
from propagate.framing import Beliefs
from propagate.masks import iou
from propagate.motion import flow
from propagate.passing import divided, told_apart
from propagate.pieces import divided as divided_pieces
from propagate.selection import Choice, Selection
from propagate.selection import Config as SelectionConfig
from propagate.types import Canvas, Frame, FrameResult, Guess, Mask, Missing

SIZE = (120, 200)
SIDE = 30
PARTED = 20  # the first frame in which they are beside each other again


def place(object_id: int, index: int) -> tuple[int, int]:
    """x, y of the left upper corner: 1 goes right, 2 goes left, 4 pixels a frame."""
    return (20 + 4 * index, 40) if object_id == 1 else (150 - 4 * index, 52)


def masks(index: int) -> dict[int, np.ndarray]:
    """What is seen: 2 lies in front."""
    found = {}
    for object_id in (1, 2):
        x, y = place(object_id, index)
        found[object_id] = np.zeros(SIZE, bool)
        found[object_id][y : y + SIDE, max(x, 0) : x + SIDE] = True
    found[1] &= ~found[2]
    return found


def frame(index: int) -> Frame:
    rng = np.random.default_rng(0)
    image = rng.integers(90, 120, (*SIZE, 3), dtype=np.uint8)
    for object_id in (1, 2):
        x, y = place(object_id, index)
        look = np.random.default_rng(1).integers(150, 250, (SIDE, SIDE, 3), dtype=np.uint8)
        image[y : y + SIDE, max(x, 0) : x + SIDE] = look[:, max(-x, 0) :]
    return Frame(index, image)


def result(index: int, found: dict[int, np.ndarray]) -> FrameResult:
    seen = tuple(Mask(i, mask, 0.9) for i, mask in sorted(found.items()) if mask.any())
    gone = {i: Missing(i, "occluded", "test") for i, mask in found.items() if not mask.any()}
    return FrameResult(index, None, SIZE, seen, gone)


def test_each_is_expected_where_it_is_though_the_answers_cannot_tell_them_apart():
    """From the touch on the answers are nonsense, as for look-alikes; places stay right."""
    motion = flow.build(flow.Config())
    state, worst, passing = motion.start(), 1.0, 0
    for index in range(30):
        now = frame(index)
        truth = masks(index)
        guesses = motion.guess(state, now)
        if guesses and guesses[1].passing == 2 and index < PARTED:
            passing += 1
            for object_id in (1, 2):
                x, y = place(object_id, index)
                centre = (guesses[object_id].box[:2] + guesses[object_id].box[2:]) / 2
                off = np.abs(centre - (x + SIDE / 2, y + SIDE / 2)).max()
                worst = min(worst, 1 - off / SIDE)
        if guesses and guesses[1].passing == 2:
            both = truth[1] | truth[2]
            truth = {1: both & (np.arange(SIZE[1]) < 100), 2: both & (np.arange(SIZE[1]) >= 100)}
        state = motion.update(state, now, result(index, truth))
    assert passing > 3
    assert worst > 0.6, "of its side off at most"


def test_objects_that_always_touch_do_not_pass_each_other():
    motion = flow.build(flow.Config())
    state = motion.start()
    for index in range(12):
        still = {1: masks(17)[1], 2: masks(17)[2]}
        guesses = motion.guess(state, frame(17))
        assert all(guess.passing is None for guess in guesses.values())
        state = motion.update(state, frame(17), result(index, still))


def test_a_piece_is_whose_place_it_is_in_and_a_shared_one_is_divided():
    logits = np.full((2, 10, 30), -4, np.float32)
    logits[:, 2:8, 2:10] = 3  # both claim everything
    logits[:, 2:8, 14:28] = 3
    places = np.zeros((2, 10, 30), np.float32)
    places[0, 2:8, 2:9] = 1  # the first piece is hardly the other one's
    places[0, 2:8, 14:20] = 1
    places[1, 2:8, 20:28] = 1
    one, other = divided_pieces((logits[0], logits[1]), (places[0], places[1]))
    assert (one[2:8, 2:10] > other[2:8, 2:10]).all()
    assert (one[2:8, 14:20] > other[2:8, 14:20]).all()
    assert (one[2:8, 20:28] < other[2:8, 20:28]).all()
    assert (one[0] == -4).all() and (other[0] == -4).all()


def test_places_lie_on_the_picture_not_on_the_padding_of_a_square_input():
    """SAM's logits cover the padded square: the lower half shows nothing of this picture."""
    logits, canvas = np.full((16, 16), 3, np.float32), Canvas((64, 64), (32, 64))
    upper = np.zeros((8, 16), np.float32)
    upper[:4] = 1
    pair = Choice(1, logits, 0.8, canvas), Choice(2, logits, 0.8, canvas)
    one, other = Selection(SelectionConfig()).divide(pair, (upper, 1 - upper))
    assert (one.logits[:4] > other.logits[:4]).all()
    assert (one.logits[4:8] < other.logits[4:8]).all()
    assert (one.logits[8:] == other.logits[8:]).all(), "nobody is taken to be in the padding"


def test_choices_are_divided_for_those_that_pass_only():
    logits = np.full((12, 20), 3, np.float32)
    choices = [Choice(i, logits, 0.8) for i in (1, 2, 3)]
    prior = np.zeros((12, 20), np.float32)
    prior[:, :10] = 1
    points = np.zeros((0, 2), np.float32)
    guesses = {
        1: Guess(1, None, points, 0.8, prior, passing=2),
        2: Guess(2, None, points, 0.8, 1 - prior, passing=1),
        3: Guess(3, None, points, 0.8, prior),
    }
    beliefs = Beliefs(guesses, {}, Window.whole((12, 20)))
    one, other, third = divided(choices, beliefs, Selection(SelectionConfig()), (12, 20))
    assert (one.logits[:, :9] > other.logits[:, :9]).all()
    assert (one.logits[:, 11:] < other.logits[:, 11:]).all()
    assert third.logits is logits


@pytest.mark.parametrize(("score", "apart"), [(0.9, (1, 2)), (0.5, ())])
def test_sure_masks_beside_each_other_are_told_apart(score, apart):
    points = np.zeros((0, 2), np.float32)
    guesses = {i: Guess(i, None, points, 0.8, passing=3 - i) for i in (1, 2)}
    beside, behind = masks(0), masks(17)
    assert iou(beside[1], beside[2]) == 0
    parted, hidden = (
        FrameResult(0, None, SIZE, tuple(Mask(i, mask, score) for i, mask in found.items()))
        for found in (beside, behind)
    )
    assert told_apart(guesses, parted, None) == apart
    assert told_apart(guesses, parted, hidden) == apart
    assert told_apart(guesses, parted, parted) == (), "once: there is little room for answers"
    assert told_apart(guesses, hidden, None) == ()
    assert told_apart({}, parted, None) == ()
