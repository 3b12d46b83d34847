"""Clicks and boxes are asked about again, small boxes from near."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from propagate import masks, plugins
from propagate.logits import to_picture
from propagate.segmenters import lite
from propagate.segmenters._lite import second_look
from propagate.types import Candidates, Prompt


@pytest.fixture(scope="module")
def segmenter() -> lite.Lite:
    return plugins.build("propagate.segmenters", "lite", {"device": "cpu", "area": 256 * 256})


class TestSmallBoxes:
    """What is small in a picture is looked at again from near."""

    @pytest.fixture
    def sight(self) -> tuple[np.ndarray, np.ndarray]:
        """A cogwheel, small in a large picture, and its exact mask."""
        y, x = np.mgrid[:960, :1280] + 0.5 - np.array([710, 990])[:, None, None]
        truth = np.hypot(y, x) < 60 + 9 * np.sign(np.sin(10 * np.arctan2(y, x)))
        ground = np.stack([90 + 30 * np.sin(x / 20), 120 + 20 * np.cos(y / 15), 100 + 0 * x], -1)
        return np.where(truth[..., None], [220, 60, 40], ground).astype(np.uint8), truth

    def test_the_edge_is_sharper_than_from_afar(self, segmenter, sight, monkeypatch) -> None:
        image, truth = sight
        prompt = Prompt(0, 1, box=masks.box_of(truth))
        embedding = segmenter.encode(image)
        found = []
        for nearer in (0.0, second_look._NEARER):
            monkeypatch.setattr(second_look, "_NEARER", nearer)
            (answer,) = segmenter.decode(embedding, [prompt])
            assert answer.size_hw == (960, 1280) and answer.logits.shape[0] == 3
            best = answer.logits[answer.scores.argmax()]
            found.append(masks.iou(to_picture(best, (960, 1280)), truth))
        assert found[1] > max(found[0] + 0.02, 0.9), found

    def test_a_click_far_from_the_box_is_seen_as_well(self, segmenter, sight) -> None:
        embedding = segmenter.encode(sight[0])
        sizes = embedding.size_hw, embedding.input_hw
        box = masks.box_of(sight[1])
        near = second_look.close_up(Prompt(0, 1, box=box), *sizes)
        assert near is not None and near.holds(box) and near.size_hw[0] < 480
        clicked = Prompt(0, 1, points_xy=[[700, 600], [3, 3]], labels=[True, False], box=box)
        wider = second_look.close_up(clicked, *sizes)
        assert wider is not None and wider.holds([699, 599, *box[2:]]) and wider.x0 > 3
        beyond = Prompt(0, 1, points_xy=[[3, 3]], labels=[True], box=box)
        assert second_look.close_up(beyond, *sizes) is None

    def test_one_more_encoding_a_box_and_none_for_a_large_one(self, segmenter, sight) -> None:
        embedding = segmenter.encode(sight[0])
        encoded = []

        class Counting(lite.Lite):
            def _encoded(self, image, area):
                encoded.append(image.shape)
                return super()._encoded(image, area)

        counting = Counting(segmenter._network, segmenter._device, lite.Config.area)
        small, large = masks.box_of(sight[1]), [100, 100, 1200, 900]
        prompts = [
            Prompt(0, 1, box=small),
            Prompt(0, 2, box=large),
            Prompt(0, 3, points_xy=[[9, 9]]),
        ]
        answers = counting.decode(embedding, prompts)
        assert [answer.object_id for answer in answers] == [1, 2, 3]
        assert len(encoded) == 1 and encoded[0][0] < 480


def test_an_answer_asked_about_again_stays_the_part_or_the_whole_that_it_was() -> None:
    part, whole = np.full((2, 6, 8), -4, np.float32)
    part[:2, :4], whole[:, :4] = 4, 4
    scores = np.array([0.8, 0.7, 0.1], np.float32)
    answer = Candidates(1, np.stack([part, whole, -whole]), scores, (24, 32))
    priors = np.stack([part, whole, whole]) > 0
    found = second_look.improved([answer] * 3, priors.astype(np.float32))
    np.testing.assert_array_equal(found.logits, [part, whole, whole])
    np.testing.assert_allclose(found.scores, [0.8, 0.7, 0.7])
    finer = priors.repeat(2, 1).repeat(2, 2).astype(np.float32)  # as a window's cells may be
    np.testing.assert_array_equal(second_look.improved([answer] * 3, finer).logits, found.logits)
    much_better = replace(answer, scores=np.array([0.9, 0.4, 0.1], np.float32))
    sure = second_look.improved([much_better], priors[1:2].astype(np.float32))
    np.testing.assert_array_equal(sure.logits[0], part)
