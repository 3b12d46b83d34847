"""What the tracker asks of an object: each belief counts as far as it deserves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from propagate.prompting import Config, Prompting
from propagate.types import Guess, Prompt, Recall

BOX = np.array([10, 20, 30, 40], np.float32)
PRIOR = np.random.default_rng(0).random((6, 8)).astype(np.float32)


def guess(object_id: int, points: list[list[float]], trust: float = 0.5) -> Guess:
    return Guess(object_id, BOX, np.array(points, np.float32).reshape(-1, 2), trust, PRIOR)


def recall(object_id: int) -> Recall:
    return Recall(object_id, np.full((4, 6, 8), object_id / 10, np.float32), 0.9)


def ask(guesses: list[Guess], recalls: list[Recall] = (), score: float = 1.0, **options):
    """Evidence about object 1."""
    prompting = Prompting(Config(**options))
    return prompting.evidence(
        1, {g.object_id: g for g in guesses}, {r.object_id: r for r in recalls}, score
    )


def test_trust_is_the_product_of_all_reasons_to_doubt() -> None:
    evidence = ask([guess(1, [], trust=0.5)], score=0.8, prior_trust=0.6)
    assert evidence.trust == pytest.approx(0.5 * 0.8 * 0.6)


@given(st.floats(-2, 9), st.floats(0, 1), st.floats(0, 9))
def test_trust_stays_a_share(trust: float, score: float, factor: float) -> None:
    evidence = ask([guess(1, [], trust=trust)], score=score, prior_trust=factor)
    assert evidence.trust == pytest.approx(min(max(trust * score * factor, 0.0), 1.0))


def test_what_the_motion_expects_and_the_memory_reads_is_passed_on() -> None:
    evidence = ask([guess(1, [[1, 2]])], [recall(1), recall(2)])
    np.testing.assert_array_equal(evidence.prior, PRIOR)
    np.testing.assert_array_equal(evidence.box, BOX)
    np.testing.assert_array_equal(evidence.recall, recall(1).maps)


def test_the_first_point_of_each_neighbour_is_off_the_object() -> None:
    guesses = [
        guess(3, [[50, 5], [51, 6]]),
        guess(1, [[1, 2], [3, 4]]),
        guess(2, [[60, 7]]),
        guess(4, []),
    ]
    evidence = ask(guesses)
    on, off = evidence.points_xy[evidence.labels], evidence.points_xy[~evidence.labels]
    assert on.tolist() == [[1, 2], [3, 4]]
    assert sorted(off.tolist()) == [[50, 5], [60, 7]]
    assert evidence.points_xy.dtype == np.float32


@pytest.mark.parametrize("most", [0, 1, 3])
def test_negatives_are_limited(most: int) -> None:
    crowd = [guess(number, [[number, number]]) for number in range(1, 8)]
    evidence = ask(crowd, negatives=most)
    assert (~evidence.labels).sum() == most
    assert evidence.labels.sum() == 1


def test_the_nearest_neighbours_are_told_apart() -> None:
    crowd = [guess(2, [[90, 90]]), guess(1, [[20, 30]]), guess(3, [[25, 32]]), guess(4, [[9, 9]])]
    evidence = ask(crowd, negatives=2)
    assert evidence.points_xy[~evidence.labels].tolist() == [[25, 32], [9, 9]]


def test_without_a_guess_only_the_memory_speaks() -> None:
    evidence = ask([guess(2, [[60, 7]])], [recall(1)])
    np.testing.assert_array_equal(evidence.recall, recall(1).maps)
    assert evidence.prior is None and evidence.box is None
    assert evidence.trust == 0
    assert len(evidence.points_xy) == len(evidence.labels) == 0


def test_without_a_recall_only_the_motion_speaks() -> None:
    evidence = ask([guess(1, [[1, 2]])], [recall(2)])
    assert evidence.recall is None
    np.testing.assert_array_equal(evidence.prior, PRIOR)


def test_the_prompt_names_frame_and_object_and_holds_no_claim_of_the_user() -> None:
    (prompt,) = Prompting(Config()).questions(
        7, {}, {1: guess(1, [[1, 2]])}, {1: recall(1)}, {1: 0.9}
    )
    assert (prompt.frame_index, prompt.object_id) == (7, 1)
    assert len(prompt.points_xy) == 0 and prompt.box is None and prompt.mask is None
    assert prompt.evidence is not None
    assert prompt.evidence.points_xy.tolist() == [[1, 2]]


def test_the_user_is_asked_first_and_a_given_mask_is_not_asked_about() -> None:
    click = Prompt(7, 1, np.array([[3, 4]], np.float32), np.array([True]))
    shown = Prompt(7, 2, mask=np.ones((6, 8), bool))
    first, new = Prompting(Config()).questions(
        7,
        {1: click, 2: shown, 3: replace(click, object_id=3)},
        {},
        {1: recall(1)},
        {1: 0.9, 2: 0.5},
    )
    assert (first.object_id, new.object_id) == (1, 3)
    assert first.points_xy.tolist() == [[3, 4]]
    assert first.evidence is not None and new.evidence is None
