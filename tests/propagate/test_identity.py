"""Two objects that look alike pass each other and stay who they are."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from propagate.beliefs import Beliefs
from propagate.coords import Window
from propagate.identity import divided, elsewhere, settled
from propagate.motion import flow
from propagate.pieces import divided as divided_pieces
from propagate.selection import Choice, Selection
from propagate.selection import Config as SelectionConfig
from propagate.types import (
    Canvas,
    Evidence,
    Frame,
    FrameResult,
    Guess,
    Mask,
    Missing,
    Prompt,
    Recall,
)

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


def test_the_one_that_the_overlap_moves_with_is_in_front():
    motion = flow.build(flow.Config())
    state = motion.start()
    shares = []
    for index in range(PARTED):
        truth, whole = masks(index), np.zeros(SIZE, bool)
        guesses = motion.guess(state, frame(index))
        x, y = place(1, index)
        whole[y : y + SIDE, x : x + SIDE] = True
        hidden = whole & truth[2]
        if guesses and guesses[1].passing == 2 and hidden.sum() > SIDE**2 / 4:
            hidden = cv2.resize(hidden.astype(np.float32), guesses[1].prior.shape[::-1]) > 0.9
            shares.append([guesses[i].prior[hidden].mean() for i in (1, 2)])
        state = motion.update(state, frame(index), result(index, truth))
    behind, before = np.mean(shares, axis=0)
    assert len(shares) > 2 and behind < 0.2 and before > 0.7


def test_one_that_is_all_but_hidden_keeps_what_is_seen_of_it():
    logits = np.full((2, 10, 30), -4, np.float32)
    logits[:, 2:8, 2:24] = 3  # both claim the one piece that they make
    places = np.zeros((2, 10, 30), np.float32)
    places[0, 2:8, 2:21] = 1
    places[1, 2:8, 21:24] = 1  # the rest of it is behind the first one
    one, other = divided_pieces((logits[0], logits[1]), (places[0], places[1]))
    assert (one[2:8, 2:21] > other[2:8, 2:21]).all()
    assert (one[2:8, 21:24] < other[2:8, 21:24]).all()


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
    beliefs = Beliefs(guesses, {}, Window.whole((12, 20)), (12, 20))
    one, other, third = divided(choices, beliefs, Selection(SelectionConfig()))
    assert (one.logits[:, :9] > other.logits[:, :9]).all()
    assert (one.logits[:, 11:] < other.logits[:, 11:]).all()
    assert third.logits is logits


def recalled(object_id: int, *looks: np.ndarray, foreign: np.ndarray | None = None) -> Recall:
    familiar = np.full_like(looks[0], 0.9)
    maps = np.stack([looks[0], looks[-1], looks[-1], familiar]).astype(np.float32)
    return Recall(object_id, maps, 0.8, foreign)


def due(object_id: int, x: int) -> Guess:
    """Eight of 24 columns from x on."""
    prior = np.zeros((12, 24), np.float32)
    prior[:, x : x + 8] = 1
    return Guess(object_id, None, np.zeros((0, 2), np.float32), 0.8, prior)


@pytest.mark.parametrize("followed", [(1, 2), (1,), ()])
def test_what_resembles_one_of_two_is_the_one_that_is_due_there(followed):
    """Both look alike, and memory, which knows where each was, takes each for the other one."""
    left, right = np.zeros((2, 3, 6), np.float32)
    left[:, :2], right[:, 4:] = 0.9, 0.7
    recalls = {1: recalled(1, right, foreign=left > 0), 2: recalled(2, left)}
    guesses = {1: due(1, 0), 2: due(2, 16)}
    beliefs = settled(Beliefs(guesses, recalls, Window.whole((12, 24)), (12, 24)), followed)
    if len(followed) < 2:
        assert beliefs.recalls[1] is recalls[1]
        missing = 0 if followed else left  # it cannot be where the other one is due
        np.testing.assert_allclose(beliefs.recalls[2].maps[0], missing, atol=1e-6)
        return
    np.testing.assert_allclose(beliefs.recalls[1].maps[:3], np.stack([left] * 3), atol=1e-6)
    np.testing.assert_allclose(beliefs.recalls[2].maps[:3], np.stack([right] * 3), atol=1e-6)
    for object_id in (1, 2):  # how well a cell is known at all has nothing to do with whose it is
        np.testing.assert_array_equal(
            beliefs.recalls[object_id].maps[3], recalls[object_id].maps[3]
        )
    assert not beliefs.foreign(1).any()


def test_where_both_are_due_or_neither_memory_decides():
    looks = np.random.default_rng(0).random((2, 3, 6)).astype(np.float32)
    recalls = {1: recalled(1, looks[0]), 2: recalled(2, looks[1])}
    guesses = {1: due(1, 8), 2: due(2, 8)}
    beliefs = settled(Beliefs(guesses, recalls, Window.whole((12, 24)), (12, 24)), (1, 2))
    for object_id in (1, 2):
        np.testing.assert_allclose(
            beliefs.recalls[object_id].maps, recalls[object_id].maps, atol=1e-6
        )


def test_one_object_alone_is_left_as_it_is():
    beliefs = Beliefs(
        {1: due(1, 0)}, {1: recalled(1, np.ones((3, 6)))}, Window.whole((12, 24)), (12, 24)
    )
    assert settled(beliefs, (1,)) is beliefs


def test_a_mistaken_answer_is_not_looked_for_where_it_was() -> None:
    maps = np.full((4, 6, 8), 0.1, np.float32)
    evidence = Evidence(prior=maps[0], trust=0.9, recall=maps)
    foreign = np.zeros((12, 16), np.float32)
    foreign[:, :8] = 1
    again = elsewhere(Prompt(7, 1, evidence=evidence), foreign)
    assert again.evidence is not None and again.evidence.prior is None
    anchors, familiar = again.evidence.recall[0], again.evidence.recall[3]
    assert (anchors[:, :4] == 0).all() and np.allclose(anchors[:, 4:], 0.1)
    assert np.allclose(familiar, 0.1), "how familiar a cell is says nothing of where"
