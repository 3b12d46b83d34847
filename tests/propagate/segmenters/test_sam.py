"""SAM as a segmenter: prompts in pixels, answers as the official predictor gives them."""

from __future__ import annotations

import numpy as np
import pytest

import propagate
from propagate import Prompt
from propagate.logits import to_picture
from propagate.testing import check_segmenter


@pytest.fixture(scope="module")
def known(golden):
    return golden("mobile-sam")


@pytest.fixture(scope="module")
def segmenter(known):
    return propagate.load_segmenter("mobile-sam", str(known.checkpoint), "cpu")


@pytest.fixture(scope="module")
def embedding(segmenter, known):
    return segmenter.encode(known.picture((480, 640)))


def prompt_of(case: dict, object_id: int = 1) -> Prompt:
    points = [] if case["points"] is None else case["points"]
    return Prompt(0, object_id, points_xy=points, labels=case["labels"], box=case["box"])


def test_it_keeps_the_contract(segmenter):
    check_segmenter(segmenter)


def test_it_answers_as_the_official_predictor(segmenter, embedding, known):
    cases = [c for c in known.cases if c["image"] == 0 and not c["mask"]]
    assert len(cases) >= 3
    prompts = [prompt_of(case, n + 1) for n, case in enumerate(cases)]
    for case, answer in zip(cases, segmenter.decode(embedding, prompts), strict=True):
        single_click = case["box"] is None and len(case["points"]) == 1
        key = f"0_{case['case']}_{int(single_click)}"
        assert len(answer.scores) == (3 if single_click else 1)
        np.testing.assert_allclose(
            answer.logits[:, ::4, ::4], known.arrays[f"low_{key}"], atol=2e-3
        )
        wanted = known.arrays[f"full_{key}"]
        for logits, truth in zip(answer.logits, wanted, strict=True):
            mask = to_picture(logits, answer.size_hw, answer.canvas)
            assert mask.shape == (480, 640)
            sure = np.abs(truth) > 1e-2
            np.testing.assert_array_equal(mask[::8, ::8][sure], (truth > 0)[sure])


def test_many_prompts_of_many_kinds_answer_as_each_alone(segmenter, embedding):
    mask = np.zeros((480, 640), bool)
    mask[100:200, 300:420] = True
    prompts = [
        Prompt(0, 1, points_xy=[[320, 150]]),
        Prompt(0, 2, box=[300, 100, 420, 200]),
        Prompt(0, 3, points_xy=[[320, 150], [10, 10]], labels=[True, False]),
        Prompt(0, 4, mask=mask),
        Prompt(0, 5, points_xy=[[50, 400]]),
        Prompt(0, 6, points_xy=[[320, 150]], box=[300, 100, 420, 200]),
    ]
    together = segmenter.decode(embedding, prompts)
    assert [answer.object_id for answer in together] == [1, 2, 3, 4, 5, 6]
    assert [len(answer.scores) for answer in together] == [3, 1, 1, 1, 3, 1]
    for prompt, answer in zip(prompts, together, strict=True):
        (alone,) = segmenter.decode(embedding, [prompt])
        np.testing.assert_allclose(answer.logits, alone.logits, atol=1e-3)
        np.testing.assert_allclose(answer.scores, alone.scores, atol=1e-4)


def test_the_tracker_runs_on_it_unchanged(segmenter, known):
    tracker = propagate.Tracker(
        segmenter, *[getattr(propagate.load_tracker(), part) for part in ("motion", "memory")]
    )
    image = known.picture((120, 160))
    clip = np.stack([np.roll(image, 3 * n, 1) for n in range(3)])
    mask = np.zeros((120, 160), bool)
    mask[40:80, 50:100] = True
    prompts = [Prompt(0, 1, mask=mask), Prompt(1, 300, points_xy=[[20, 20]])]
    results = list(propagate.track(clip, prompts, tracker=tracker))
    np.testing.assert_array_equal(results[0][1].pixels, mask)
    for result in results[1:]:
        assert {1, 300} <= {*(m.object_id for m in result.masks), *result.missing}
