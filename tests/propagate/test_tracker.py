"""The tracker's promises: streams, corrections, ids, values; on clips with exact truth."""

from __future__ import annotations

import pickle
from dataclasses import replace

import cv2
import numpy as np
import pytest

import propagate
from propagate import api, masks
from propagate.errors import ConfigError, InputError, PromptError
from propagate.prompting import merge_prompts
from propagate.segmenters.colour import ColourSegmenter
from propagate.testing import moving_shapes
from propagate.tracker import Tracker
from propagate.types import Frame, FrameResult, Prompt

SMALL = {"name": "lite", "device": "cpu", "area": 160 * 256}


@pytest.fixture(scope="module")
def tracker() -> Tracker:
    return propagate.load_tracker(segmenter=SMALL)


@pytest.fixture(scope="module")
def clip():
    return moving_shapes(count=2, length=8, size_hw=(160, 256), seed=4)


@pytest.fixture(scope="module")
def frames(clip) -> list[Frame]:
    return list(clip.frames())


def true_mask(clip, object_id: int, index: int) -> np.ndarray:
    return clip.masks[object_id][index]


def first_ids(clip) -> list[int]:
    return sorted(clip.masks)


def prompt_for(clip, object_id: int, index: int = 0, as_id: int | None = None) -> Prompt:
    return Prompt(index, as_id or object_id, mask=true_mask(clip, object_id, index))


def run(tracker: Tracker, frames: list[Frame], prompts: list[Prompt]) -> list[FrameResult]:
    state = tracker.start()
    results = []
    for frame in frames:
        state = tracker.step(state, frame, [p for p in prompts if p.frame_index == frame.index])
        results.append(state.last)
    return results


def assert_same(one: FrameResult, other: FrameResult) -> None:
    np.testing.assert_array_equal(one.label_map(), other.label_map())
    assert [m.score for m in one.masks] == [m.score for m in other.masks]
    assert one.missing == other.missing


def test_it_follows_a_shape(tracker, clip, frames) -> None:
    one = first_ids(clip)[0]
    results = run(tracker, frames, [prompt_for(clip, one)])
    overlaps = [
        masks.iou(result[one].pixels, true_mask(clip, one, result.index)) if one in result else 0.0
        for result in results
        if true_mask(clip, one, result.index).any()
    ]
    assert np.mean(overlaps) > 0.6, overlaps


def test_a_given_mask_is_returned_exactly(tracker, clip, frames) -> None:
    one = first_ids(clip)[0]
    results = run(tracker, frames, [prompt_for(clip, one), prompt_for(clip, one, 5)])
    for index in (0, 5):
        np.testing.assert_array_equal(results[index][one].pixels, true_mask(clip, one, index))
        assert results[index][one].score == 1.0


def test_step_by_step_equals_track(tracker, clip, frames) -> None:
    prompts = [prompt_for(clip, i) for i in first_ids(clip)]
    steps = run(tracker, frames, prompts)
    offline = list(propagate.track(iter(frames), prompts, tracker=tracker))
    assert len(offline) == len(frames)
    for one, other in zip(steps, offline, strict=True):
        assert_same(one, other)


def test_a_pickled_state_goes_on_the_same(tracker, clip, frames) -> None:
    prompts = [prompt_for(clip, i) for i in first_ids(clip)]
    expected = run(tracker, frames, prompts)
    state = tracker.start()
    for frame in frames[:4]:
        state = tracker.step(state, frame, [p for p in prompts if p.frame_index == frame.index])
    state = pickle.loads(pickle.dumps(state))
    for frame in frames[4:]:
        state = tracker.step(state, frame)
        assert_same(state.last, expected[frame.index])


def test_a_step_does_not_edit_the_state(tracker, clip, frames) -> None:
    state = tracker.step(tracker.start(), frames[0], [prompt_for(clip, first_ids(clip)[0])])
    before = pickle.dumps(state)
    tracker.step(state, frames[1])
    assert pickle.dumps(state) == before


def test_masks_do_not_overlap_and_ids_may_be_large(tracker, clip, frames) -> None:
    ids = first_ids(clip)
    prompts = [prompt_for(clip, i, as_id=1000 * i) for i in ids]
    for result in run(tracker, frames, prompts):
        if result.masks:
            assert np.sum([mask.pixels for mask in result.masks], axis=0).max() <= 1
        known = {mask.object_id for mask in result.masks} | set(result.missing)
        assert known == {1000 * i for i in ids}


def test_a_second_prompt_for_the_same_thing_is_lost_and_says_so(tracker, clip, frames) -> None:
    """It never becomes the background, of which nothing tells it."""
    one = first_ids(clip)[0]
    twice = [prompt_for(clip, one), Prompt(2, 900, box=masks.box_of(true_mask(clip, one, 2)))]
    alone = run(tracker, frames, twice[:1])
    for result, without in zip(run(tracker, frames, twice)[2:], alone[2:], strict=True):
        sizes = [result[i].pixels.sum() if i in result else 0 for i in (one, 900)]
        assert max(sizes) < 2 * without[one].pixels.sum()
    asked_about_nothing = Prompt(0, 900, points_xy=np.argwhere(true_mask(clip, one, 0))[:1, ::-1])
    results = run(tracker, frames, [prompt_for(clip, one), asked_about_nothing])
    assert [result.missing[900].state for result in results] == ["occluded", *["lost"] * 7]
    assert "prompt it" in results[-1].missing[900].reason
    again = [*twice[:1], asked_about_nothing, prompt_for(clip, first_ids(clip)[1], 4, as_id=900)]
    assert 900 in run(tracker, frames, again)[4]


def test_who_is_said_to_be_away_is_missing_and_comes_back(tracker, clip, frames) -> None:
    one, other = first_ids(clip)
    away = Prompt(3, one, mask=np.zeros((160, 256), bool))
    prompts = [prompt_for(clip, one), prompt_for(clip, other), away, prompt_for(clip, one, 5)]
    results = run(tracker, frames, prompts)
    assert results[3].missing[one].state == "absent" and other in results[3]
    assert one in results[2] and one in results[5]
    with pytest.raises(PromptError, match="not known yet"):
        run(tracker, frames, [replace(away, frame_index=0)])


def test_objects_are_added_and_dropped(tracker, clip, frames) -> None:
    one, two = first_ids(clip)[:2]
    state = tracker.step(tracker.start(), frames[0], [prompt_for(clip, one)])
    state = tracker.step(state, frames[1], [prompt_for(clip, two, 1)])
    assert set(state.objects) == {one, two}
    state = tracker.step(tracker.drop(state, [one]), frames[2])
    known = {mask.object_id for mask in state.last.masks} | set(state.last.missing)
    assert known == {two}
    state = tracker.step(state, frames[3])
    assert set(state.objects) == {two}


def test_a_picture_of_another_size_is_looked_at_anew(tracker, lanes) -> None:
    frame, *_ = lanes.frames()
    small = [i for i in sorted(lanes.masks)][:1]
    state = tracker.step(tracker.start(), frame, [prompt_for(lanes, i) for i in small])
    assert state.window is not None and state.window.size_hw[0] < 240
    half = np.ascontiguousarray(frame.image[::2, ::2])
    mask = np.ascontiguousarray(lanes.masks[small[0]][0][::2, ::2])
    state = tracker.step(state, Frame(1, half), [Prompt(1, small[0], mask=mask)])
    np.testing.assert_array_equal(state.last[small[0]].pixels, mask)
    state = tracker.step(state, Frame(2, half))
    assert masks.iou(state.last[small[0]].pixels, mask) > 0.6


def test_what_was_dropped_is_forgotten(tracker, clip, frames) -> None:
    ids = first_ids(clip)
    state = tracker.step(tracker.start(), frames[0], [prompt_for(clip, i) for i in ids])
    state = tracker.step(tracker.drop(state, np.int64(ids[0])), frames[1])
    assert all(ids[0] not in frame.covers for frame in state.memory.bank())
    state = tracker.step(tracker.drop(state, ids), frames[2])
    assert state.memory.bank() == () and not state.motion.objects
    state = tracker.step(state, frames[3], [prompt_for(clip, ids[1], 3)])
    assert state.last.masks[0].object_id == ids[1]


def test_frames_before_the_first_prompt_line_up(tracker, clip, frames) -> None:
    one = first_ids(clip)[0]
    results = list(propagate.track(frames, [prompt_for(clip, one, 3)], tracker=tracker))
    assert [result.index for result in results] == list(range(len(frames)))
    assert all(not result.masks and not result.missing for result in results[:3])
    assert one in results[3]


def test_a_negative_click_corrects_a_known_object(tracker, clip, frames) -> None:
    one = first_ids(clip)[0]
    wrong = true_mask(clip, one, 0).copy()
    wrong[:40] = True  # the object and a strip that is not the object
    state = tracker.step(tracker.start(), frames[0], [Prompt(0, one, mask=wrong)])
    negative = Prompt(1, one, points_xy=[[wrong.shape[1] / 2, 8]], labels=[False])
    state = tracker.step(state, frames[1], [negative])
    assert one in state.objects
    assert (1, one) in state.anchors


class TestPrompts:
    frame = Frame(0, np.zeros((40, 60, 3), np.uint8))

    @pytest.mark.parametrize(
        ("prompt", "message"),
        [
            (Prompt(1, 1, points_xy=[[3, 3]]), "frame 0"),
            (Prompt(0, 1, points_xy=[[61, 3]]), "60 x 40"),
            (Prompt(0, 1, points_xy=[[3, 40]]), "60 x 40"),
            (Prompt(0, 1, box=[70, 0, 80, 10]), "60 x 40"),
            (Prompt(0, 1, mask=np.ones((40, 50), bool)), "50 x 40"),
            (Prompt(0, 1, mask=np.zeros((40, 60), bool)), "empty"),
            (Prompt(0, 2, points_xy=[[3, 3]], labels=[False]), "negative point"),
        ],
    )
    def test_one_that_does_not_fit_is_said(self, prompt: Prompt, message: str) -> None:
        with pytest.raises(PromptError, match=message):
            merge_prompts([prompt], self.frame, known=())

    def test_several_for_one_object_are_joined(self) -> None:
        prompts = [
            Prompt(0, 1, points_xy=[[3, 3]]),
            Prompt(0, 1, points_xy=[[9, 9]], labels=[False]),
            Prompt(0, 1, box=[0, 0, 20, 20]),
        ]
        merged = merge_prompts(prompts, self.frame, known=())[1]
        assert merged.points_xy.tolist() == [[3, 3], [9, 9]]
        assert merged.labels is not None and merged.labels.tolist() == [True, False]
        assert merged.box is not None

    def test_a_frame_that_does_not_exist_is_said(self, tracker, clip, frames) -> None:
        prompts = [prompt_for(clip, first_ids(clip)[0]), Prompt(99, 1, points_xy=[[3, 3]])]
        with pytest.raises(PromptError, match="frame 99"):
            list(propagate.track(frames, prompts, tracker=tracker))

    def test_one_for_a_frame_that_is_skipped_is_said(self, tracker, clip, frames) -> None:
        late = prompt_for(clip, first_ids(clip)[0], 3)
        with pytest.raises(PromptError, match="frame 3, which the video does not have"):
            list(api.track(frames[::2], [replace(late, frame_index=2), late], tracker=tracker))

    def test_a_picture_is_no_frame(self, tracker, clip, frames) -> None:
        with pytest.raises(InputError, match="Frame\\(index, image\\)"):
            tracker.step(tracker.start(), frames[0].image, [prompt_for(clip, first_ids(clip)[0])])

    def test_nothing_to_track_is_said(self, frames) -> None:
        with pytest.raises(PromptError, match="nothing to track"):
            next(propagate.track(frames, []))


def test_a_prompt_that_finds_nothing_is_not_called_covered() -> None:
    class Blind(ColourSegmenter):
        def decode(self, embedding, prompts):
            found = super().decode(embedding, prompts)
            return [replace(one, logits=np.full_like(one.logits, -5)) for one in found]

    tracker = propagate.load_tracker(segmenter={"name": "colour"})
    tracker = replace(tracker, segmenter=Blind(tracker.segmenter.config))
    frame = Frame(0, np.full((160, 256, 3), 90, np.uint8))
    missing = tracker.step(tracker.start(), frame, [Prompt(0, 1, box=[9, 9, 40, 40])]).last.missing
    assert missing[1].state == "lost" and "nothing is found" in missing[1].reason


def test_a_result_keeps_its_mask_when_the_given_one_is_painted_over(tracker, clip, frames) -> None:
    mask = true_mask(clip, first_ids(clip)[0], 0).copy()
    truth = mask.copy()
    state = tracker.step(tracker.start(), frames[0], [Prompt(0, 1, mask=mask)])
    mask[:] = False
    np.testing.assert_array_equal(state.last[1].pixels, truth)


def test_settings_reach_the_parts() -> None:
    tracker = api.load_tracker(
        segmenter=SMALL, motion={"name": "still"}, selection={"least_score": 0.4}
    )
    assert type(tracker.motion).__module__.endswith("still")
    with pytest.raises(ConfigError, match="least_score"):
        api.load_tracker(segmenter=SMALL, selection={"leastscore": 0.4})
    with pytest.raises(ConfigError, match="flow"):
        api.load_tracker(segmenter=SMALL, motion={"name": "flwo"})


def test_segment_answers_best_first(clip, frames) -> None:
    one = first_ids(clip)[0]
    point = masks.centre(true_mask(clip, one, 0))
    answers = propagate.segment(frames[0].image, points_xy=[point])
    scores = [answer.score for answer in answers]
    assert scores == sorted(scores, reverse=True) and len(answers) == 3
    assert answers[0].pixels.shape == frames[0].size_hw


@pytest.fixture(scope="module")
def lanes():
    """Three shapes, slow and small against the picture."""
    return moving_shapes(count=3, length=40, size_hw=(240, 400), seed=3)


def test_small_objects_are_looked_at_closely_and_answered_in_the_picture(lanes) -> None:
    tracker = propagate.load_tracker(segmenter={"name": "colour"})
    state = tracker.start()
    for frame in list(lanes.frames())[:6]:
        prompts = [prompt_for(lanes, 2)] if frame.index == 0 else []
        state = tracker.step(state, frame, prompts)
        assert state.window is not None and state.window.size_hw[0] < 240
        assert masks.iou(state.last[2].pixels, true_mask(lanes, 2, frame.index)) > 0.8


def test_small_boxes_and_a_mask_far_apart_in_one_frame(lanes) -> None:
    frame = next(iter(lanes.frames()))
    scale = 3  # so that the boxes are small against what the network sees of the picture
    large = cv2.resize(frame.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
    truths = {i: true_mask(lanes, i, 0).repeat(scale, 0).repeat(scale, 1) for i in (1, 2, 3)}
    prompts = [Prompt(0, i, box=masks.box_of(truths[i])) for i in (1, 2)]
    prompts.append(Prompt(0, 3, mask=truths[3]))
    tracker = propagate.load_tracker(segmenter=SMALL)
    result = tracker.step(tracker.start(), propagate.Frame(0, large), prompts).last
    assert [mask.object_id for mask in result.masks] == [1, 2, 3]
    for mask in result.masks:
        assert masks.iou(mask.pixels, truths[mask.object_id]) > 0.85, mask.object_id
    assert np.sum([mask.pixels for mask in result.masks], axis=0).max() == 1


def test_what_a_click_found_is_looked_at_again_from_near(lanes) -> None:
    tracker = propagate.load_tracker(segmenter={"name": "colour"})
    ys, xs = np.nonzero(true_mask(lanes, 2, 0))
    click = Prompt(0, 2, points_xy=[[np.median(xs) + 0.5, np.median(ys) + 0.5]], labels=[1])
    state = tracker.step(tracker.start(), next(iter(lanes.frames())), [click])
    assert state.window is not None and state.window.size_hw[0] < 240
    assert masks.iou(state.last[2].pixels, true_mask(lanes, 2, 0)) > 0.8
