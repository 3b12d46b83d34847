"""The made videos are what they say, and the contract checks catch parts that break a promise."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from propagate import testing
from propagate.errors import InputError
from propagate.masks import box_of, components, iou
from propagate.types import READINGS, Candidates, Guess, Recall


@pytest.mark.parametrize("scenario", ["apart", "crossing", "leaving"])
def test_the_same_seed_is_the_same_video(scenario):
    one, other = (testing.moving_shapes(scenario=scenario, seed=3) for _ in range(2))
    assert np.array_equal(one.images, other.images)
    assert all(np.array_equal(one.masks[key], other.masks[key]) for key in one.masks)
    changed = testing.moving_shapes(scenario=scenario, seed=4)
    assert not np.array_equal(one.images, changed.images)


@pytest.mark.parametrize("scenario", ["apart", "crossing", "leaving"])
def test_masks_are_exactly_the_pixels_that_differ_from_the_background(scenario):
    video = testing.moving_shapes(2, 12, (80, 120), scenario)
    background = np.median(testing.moving_shapes(2, 41, (80, 120), "leaving").images, axis=0)
    painted = (video.images != background).any(axis=-1)
    covered = np.stack(list(video.masks.values())).sum(axis=0)
    assert covered.max() == 1
    assert (painted <= (covered == 1)).all()
    assert painted.sum() > 0.99 * covered.sum()


def test_apart_objects_are_always_whole_and_move():
    video = testing.moving_shapes(3, 24)
    for stack in video.masks.values():
        areas = stack.sum(axis=(1, 2))
        assert areas.min() > 0.85 * areas.max() > 0
        assert all(components(mask).max() == 1 for mask in stack)
        shifts = np.diff([box_of(mask)[:2] for mask in stack], axis=0)
        assert 2 < np.abs(shifts).max() < 12


def test_crossing_hides_the_one_behind_and_shows_it_again():
    hidden, front = (
        testing.moving_shapes(scenario="crossing").masks[key].sum(axis=(1, 2)) for key in (2, 1)
    )
    assert hidden[0] > 0 and hidden[-1] > 0 and hidden.min() == 0
    assert front.min() > 0.9 * front.max()


def test_leaving_is_leaving_and_returning():
    video = testing.moving_shapes(3, 25, scenario="leaving")
    for key, stack in video.masks.items():
        assert stack[0].any() and stack[-1].any() and not stack[12].any()
        assert video.result(12).missing[key].state == "absent"
    assert video.result(12).masks == ()


def test_frames_prompts_and_results_tell_the_truth():
    video = testing.moving_shapes(2, 5)
    frames = list(video.frames())
    assert [frame.index for frame in frames] == list(range(5))
    assert [frame.time_s for frame in frames] == [0, 0.04, 0.08, 0.12, 0.16]
    for kind in ("mask", "box", "point"):
        prompts = video.prompts(kind, 3)
        assert [prompt.object_id for prompt in prompts] == [1, 2]
        assert {prompt.frame_index for prompt in prompts} == {3}
    for prompt in video.prompts("point"):
        x, y = prompt.points_xy[0].astype(int)
        assert video.masks[prompt.object_id][0, y, x]
    assert iou(video.result(2)[1].pixels, video.masks[1][2]) == 1


@pytest.mark.parametrize(
    "wrong", [{"count": 0}, {"length": 1}, {"size_hw": (8, 90)}, {"scenario": "flying"}]
)
def test_impossible_videos_are_refused(wrong):
    with pytest.raises(InputError, match="moving shapes need"):
        testing.moving_shapes(**wrong)


@dataclass(frozen=True)
class Embedded:
    size_hw: tuple
    keys: torch.Tensor


class Segmenter:
    """Answers everything with the mean brightness: keeps the contract, and nothing else."""

    def encode(self, image):
        small = torch.from_numpy(image[::8, ::8].astype(np.float32) / 255)
        return Embedded(image.shape[:2], small.permute(2, 0, 1))

    def decode(self, embedding, prompts):
        logits = embedding.keys.mean(dim=0, keepdim=True).numpy()
        score = np.full(1, 0.5, np.float32)
        return [Candidates(one.object_id, logits, score, embedding.size_hw) for one in prompts]


class Motion:
    """Expects every object where it was last seen."""

    def start(self):
        return {}

    def guess(self, state, frame):
        return {
            key: Guess(key, box, np.zeros((0, 2), np.float32), 0.5) for key, box in state.items()
        }

    def update(self, state, frame, result):
        kept = {key: state[key] for key in result.missing if key in state}
        return kept | {mask.object_id: box_of(mask.pixels) for mask in result.masks}


class Memory:
    """Recalls every object everywhere."""

    def start(self):
        return ()

    def recall(self, state, embedding):
        maps = np.ones((len(READINGS), *embedding.keys.shape[1:]), np.float32)
        return {key: Recall(key, maps, 1.0) for key in state}

    def update(self, state, embedding, result, anchors):
        return tuple(sorted({*state, *anchors, *(mask.object_id for mask in result.masks)}))


def test_parts_that_keep_the_contract_pass():
    testing.check_segmenter(Segmenter())
    testing.check_motion(Motion())
    testing.check_memory(Memory(), Segmenter())


class UnorderedSegmenter(Segmenter):
    def decode(self, embedding, prompts):
        return super().decode(embedding, sorted(prompts, key=lambda prompt: prompt.object_id))


class PaintingSegmenter(Segmenter):
    def encode(self, image):
        image[0, 0] ^= 1
        return super().encode(image)


class SwappedSegmenter(Segmenter):
    def encode(self, image):
        return replace(super().encode(image), size_hw=image.shape[1::-1])


class MoodySegmenter(Segmenter):
    def decode(self, embedding, prompts):
        answers = super().decode(embedding, prompts)
        return [replace(one, logits=one.logits + len(prompts)) for one in answers]


class OverconfidentSegmenter(Segmenter):
    def decode(self, embedding, prompts):
        answers = super().decode(embedding, prompts)
        return [replace(one, scores=one.scores * 3) for one in answers]


@pytest.mark.parametrize(
    ("segmenter", "words"),
    [
        (UnorderedSegmenter(), "order of the prompts"),
        (PaintingSegmenter(), "changed the image"),
        (SwappedSegmenter(), "size_hw"),
        (MoodySegmenter(), "alone differs"),
        (OverconfidentSegmenter(), "scores"),
    ],
)
def test_a_broken_segmenter_is_caught(segmenter, words):
    with pytest.raises(AssertionError, match=words):
        testing.check_segmenter(segmenter)


class EditingMotion(Motion):
    def update(self, state, frame, result):
        state.update(super().update(state, frame, result))
        return state


class ForgetfulMotion(Motion):
    def update(self, state, frame, result):
        return {mask.object_id: box_of(mask.pixels) for mask in result.masks}


class HoardingMotion(Motion):
    def update(self, state, frame, result):
        return state | super().update(state, frame, result)


class DoubleMotion(Motion):
    def guess(self, state, frame):
        guesses = super().guess(state, frame)
        return {key: replace(one, box=one.box.astype(float)) for key, one in guesses.items()}


class RandomMotion(Motion):
    def __init__(self):
        self.random = np.random.default_rng(0)

    def guess(self, state, frame):
        guesses = super().guess(state, frame)
        return {key: replace(one, trust=self.random.random()) for key, one in guesses.items()}


@pytest.mark.parametrize(
    ("motion", "words"),
    [
        (EditingMotion(), "changed the state"),
        (ForgetfulMotion(), "are followed"),
        (HoardingMotion(), "are followed"),
        (DoubleMotion(), "not a box"),
        (RandomMotion(), "guesses differently"),
    ],
)
def test_a_broken_motion_is_caught(motion, words):
    with pytest.raises(AssertionError, match=words):
        testing.check_motion(motion)


class GrowingMemory(Memory):
    def start(self):
        return {}, []

    def recall(self, state, embedding):
        return super().recall(state[0], embedding)

    def update(self, state, embedding, result, anchors):
        known = dict.fromkeys(super().update(state[0], embedding, result, anchors))
        return known, [*state[1], embedding.keys.numpy()[:, :8, :8].copy()]


class BrightMemory(Memory):
    def recall(self, state, embedding):
        recalls = super().recall(state, embedding)
        return {key: replace(one, maps=one.maps * 2) for key, one in recalls.items()}


class CoarseMemory(Memory):
    def recall(self, state, embedding):
        recalls = super().recall(state, embedding)
        return {key: replace(one, maps=one.maps[:, ::2]) for key, one in recalls.items()}


class BlankMemory(Memory):
    def recall(self, state, embedding):
        return {}


@pytest.mark.parametrize(
    ("memory", "words"),
    [
        (GrowingMemory(), "grows"),
        (BrightMemory(), "recall maps must be 0..1"),
        (CoarseMemory(), "recall maps must have shape"),
        (BlankMemory(), "not recalled"),
    ],
)
def test_a_broken_memory_is_caught(memory, words):
    with pytest.raises(AssertionError, match=words):
        testing.check_memory(memory, Segmenter())


def test_the_plugin_in_the_contributors_guide_keeps_the_contract():
    guide = (Path(__file__).resolve().parent.parent / "CONTRIBUTING.md").read_text("utf-8")
    code = guide.split("```python\n")[1].split("```")[0]
    module = types.ModuleType("last_seen")
    sys.modules["last_seen"] = module  # where a dataclass looks its annotations up
    try:
        exec(compile(code, "CONTRIBUTING.md", "exec"), module.__dict__)
        testing.check_motion(module.build(module.Config()))
    finally:
        del sys.modules["last_seen"]
