"""The segmenter without weights finds coloured shapes from every kind of prompt."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from propagate.errors import InputError
from propagate.masks import box_of, iou, sample_points
from propagate.segmenters import colour
from propagate.testing import moving_shapes
from propagate.types import Evidence, Prompt

SEGMENTER = colour.build(colour.Config())
VIDEO = moving_shapes(2, 24, (120, 160))


def best(embedding, prompt):
    (candidates,) = SEGMENTER.decode(embedding, [prompt])
    logits = candidates.logits[candidates.scores.argmax()]
    height, width = candidates.size_hw
    return cv2.resize(logits, (width, height)) > 0, float(candidates.scores.max())


@pytest.mark.parametrize("kind", ["mask", "box", "point"])
@pytest.mark.parametrize("size_hw", [(120, 160), (480, 640)])
def test_shapes_are_found(kind, size_hw):
    video = moving_shapes(2, 12, size_hw)
    embedding = SEGMENTER.encode(video.images[5])
    for prompt in video.prompts(kind, 5):
        found, score = best(embedding, prompt)
        assert iou(found, video.masks[prompt.object_id][5]) > 0.85
        assert score > 0.5


def test_three_candidates_grow():
    embedding = SEGMENTER.encode(VIDEO.images[0])
    for candidates in SEGMENTER.decode(embedding, VIDEO.prompts("point")):
        strict, plain, generous = (candidates.logits > 0).sum(axis=(1, 2))
        assert len(candidates.scores) == 3
        assert 0 < strict <= plain <= generous


def test_a_prior_and_a_recall_find_a_moved_object():
    embedding = SEGMENTER.encode(VIDEO.images[4])
    for key, stack in VIDEO.masks.items():
        prior, recall = stack[3].astype(np.float32), stack[4, ::8, ::8].astype(np.float32)
        evidence = Evidence(prior=prior, trust=0.7, recall=np.stack([recall] * 4))
        found, score = best(embedding, Prompt(4, key, evidence=evidence))
        assert iou(found, stack[4]) > 0.8
        assert score > 0.5


def test_evidence_that_contradicts_itself_scores_low():
    embedding = SEGMENTER.encode(VIDEO.images[4])
    prior = VIDEO.masks[1][4].astype(np.float32)
    evidence = Evidence(prior=prior, trust=0.7, recall=np.zeros((4, 15, 20), np.float32))
    found, score = best(embedding, Prompt(4, 1, evidence=evidence))
    assert not found.any()
    assert score == 0


def test_a_negative_point_takes_a_colour_away():
    image = np.full((60, 90, 3), 120, np.uint8)
    image[20:40, 20:45] = (200, 30, 30)
    image[20:40, 45:70] = (30, 30, 200)
    embedding = SEGMENTER.encode(image)
    box = np.array([18, 18, 72, 42], np.float32)
    both, _ = best(embedding, Prompt(0, 1, box=box))
    one, _ = best(embedding, Prompt(0, 1, np.array([[60, 30]]), np.array([False]), box=box))
    assert both[30, 30] and both[30, 60]
    assert one[30, 30] and not one[30, 60]


def test_keys_match_their_own_colour_best():
    embedding = SEGMENTER.encode(VIDEO.images[0])
    assert embedding.keys.shape == (6, 8, 10)
    columns = embedding.keys.flatten(1)
    matches = columns.T @ columns
    assert torch.allclose(matches.diagonal(), torch.full((80,), 24.0), atol=1e-3)
    assert (matches <= matches.diagonal() + 1e-3).all()


def test_a_picture_of_another_kind_is_refused():
    with pytest.raises(InputError, match="uint8"):
        SEGMENTER.encode(np.zeros((4, 4, 3), np.float32))


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 50), (50, 1), (7, 3)])
def test_tiny_pictures_are_answered(size_hw):
    image = np.zeros((*size_hw, 3), np.uint8)
    (answer,) = SEGMENTER.decode(SEGMENTER.encode(image), [Prompt(0, 1, [[0.5, 0.5]])])
    assert answer.size_hw == size_hw
    assert np.isfinite(answer.logits).all()


@pytest.mark.parametrize("kind", ["box", "points"])
def test_an_expected_place_finds_the_object(kind):
    embedding = SEGMENTER.encode(VIDEO.images[6])
    for key, stack in VIDEO.masks.items():
        where = {
            "box": Evidence(trust=0.5, box=box_of(stack[6])),
            "points": Evidence(
                trust=0.5, points_xy=sample_points(stack[6], 3, 0), labels=np.ones(3, bool)
            ),
        }
        found, _ = best(embedding, Prompt(6, key, evidence=where[kind]))
        assert iou(found, stack[6]) > 0.8
