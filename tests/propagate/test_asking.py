"""What is asked, and what is asked again."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import propagate
from propagate.asking import Asking
from propagate.beliefs import Beliefs
from propagate.coords import Window
from propagate.masks import centre, iou
from propagate.selection import Config, Selection
from propagate.testing.stress import scenarios
from propagate.types import Candidates, Evidence, Guess, Prompt, Recall

SIZE = (48, 64)


class Recorder:
    """A segmenter that remembers the questions; it answers with a block, the larger the later."""

    def __init__(self) -> None:
        self.batches: list[list[Prompt]] = []

    def decode(self, embedding, prompts):
        self.batches.append(list(prompts))
        logits = np.full((1, 12, 16), -3, np.float32)
        logits[0, 2:6, 2 : 4 + 4 * len(self.batches)] = 3
        return [Candidates(p.object_id, logits, np.array([0.9], np.float32), SIZE) for p in prompts]


def click(object_id: int, evidence: Evidence | None = None) -> Prompt:
    point = np.array([[30.0, 14.0]], np.float32)
    return Prompt(5, object_id, points_xy=point, labels=np.array([True]), evidence=evidence)


def asking(segmenter: Recorder, asked: dict[int, Prompt], missing: dict[int, int]) -> Asking:
    maps = np.zeros((4, 3, 4), np.float32)
    recalls = {i: Recall(i, maps, 0.5) for i in missing}
    prior = np.ones((12, 16), np.float32)
    box = np.array([0, 0, 64, 48], np.float32)
    guesses = {i: Guess(i, box, np.zeros((0, 2), np.float32), 1.0, prior) for i in missing}
    beliefs = Beliefs(guesses, recalls, Window.whole(SIZE), SIZE)
    policy = Selection(Config())
    return Asking(segmenter, policy, SimpleNamespace(size_hw=SIZE), asked, missing, beliefs)


def test_a_correction_is_asked_again_with_its_first_answer_and_nothing_else() -> None:
    segmenter, known = Recorder(), Evidence(trust=0.9, recall=np.ones((4, 3, 4), np.float32))
    questions = [Prompt(5, 1, evidence=known), click(2, known)]
    first, second = asking(segmenter, {2: questions[1]}, {1: 0, 2: 0}).choices(questions)
    assert [[q.object_id for q in batch] for batch in segmenter.batches] == [[1, 2], [2]]
    again = segmenter.batches[1][0]
    assert again.points_xy.tolist() == questions[1].points_xy.tolist()
    assert again.evidence is not None and again.evidence.recall is None
    assert again.evidence.prior is not None
    assert ((again.evidence.prior > 0.5) == (first.logits > 0)).all()
    assert (second.logits > 0).sum() > (first.logits > 0).sum(), "the second answer counts"


@pytest.mark.parametrize("missing", [{}, {2: 3}], ids=["new", "missing"])
def test_what_has_no_mask_to_correct_is_asked_once(missing) -> None:
    segmenter = Recorder()
    asking(segmenter, {2: click(2)}, missing).choices([click(2)])
    assert len(segmenter.batches) == 1


def test_without_a_question_nothing_is_asked() -> None:
    segmenter = Recorder()
    assert asking(segmenter, {}, {}).choices([]) == []
    assert segmenter.batches == []


@pytest.mark.parametrize(("name", "seed"), [("scale-down", 0), ("occlusion-60", 1)])
def test_a_click_adds_what_the_user_s_own_mask_had_left_out(name, seed) -> None:
    """The given mask is the upper part only, which memory and motion believe for ever."""
    (scenario,) = scenarios(seed, [name])
    key, tracker = scenario.object_ids[0], propagate.load_tracker()
    state = tracker.start()
    for frame, drawn in scenario.drawn():
        truth, prompts = drawn.labels == key, []
        if frame.index == 0:
            top, bottom = np.flatnonzero(truth.any(1))[[0, -1]]
            truth[int(top + 0.6 * (bottom - top)) :] = False
            prompts = [Prompt(0, key, mask=truth)]
        if frame.index == 6:
            break
        state = tracker.step(state, frame, prompts)
    before = tracker.step(state, frame).last[key].pixels
    point = centre(truth & ~before)
    prompt = Prompt(6, key, points_xy=point[None], labels=np.array([True]))
    after = tracker.step(state, frame, [prompt]).last[key].pixels
    assert iou(before, truth) < 0.7
    assert iou(after, truth) > 0.9
