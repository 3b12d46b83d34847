"""A correction becomes an anchor, changes what lies beside it, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

import propagate
from propagate.anchors import Gap, first_seen, gaps_beside, neighbours
from propagate.corrections import Recomputation
from propagate.errors import InputError, PromptError, VideoError
from propagate.masks import iou
from propagate.segmenters.colour import ColourSegmenter
from propagate.testing import moving_shapes
from propagate.types import FrameResult, Mask, Prompt

COLOUR = {"name": "colour", "long_side": 96}


@pytest.fixture(scope="module")
def tracker():
    return propagate.load_tracker(segmenter=COLOUR)


@pytest.fixture(scope="module")
def clip():
    return moving_shapes(2, 24, (64, 96))


@pytest.fixture(scope="module")
def results(clip, tracker):
    return list(propagate.track(clip.images, clip.prompts("mask"), tracker=tracker))


def one_mask(clip, index, object_id=1):
    return Prompt(index, object_id, mask=clip.masks[object_id][index])


def same(one, other):
    return (
        np.array_equal(one.label_map(), other.label_map())
        and [m.score for m in one.masks] == [m.score for m in other.masks]
        and one.missing == other.missing
    )


def test_gaps_lie_beside_what_is_new():
    anchors = [(0, 1), (10, 1), (20, 1), (0, 2), (10, 2), (4, 3)]
    assert gaps_beside(anchors, {(10, 1), (10, 2)}, 30) == [
        Gap(0, 10, True, (1, 2)),
        Gap(10, 20, True, (1,)),
        Gap(10, 30, False, (2,), also=0),
    ]
    assert gaps_beside(anchors, {(4, 3)}, 30) == [Gap(4, 30, False, (3,))]
    assert gaps_beside([(0, 1), (1, 1)], {(1, 1)}, 1) == [], "no frame lies between"
    assert neighbours(anchors, 10, {1, 3}) == [0, 4, 20]


def test_it_is_gone_through_from_where_the_object_is_seen():
    anchors = [(0, 1), (8, 1), (12, 1), (20, 1)]
    gaps = gaps_beside(anchors, set(anchors), 30, away={(8, 1), (12, 1), (20, 1)})
    assert [gap.ways for gap in gaps] == [[(0, 8)], [], [], [(20, 30)]]
    assert [gap.steps for gap in gaps] == [8, 0, 0, 10]
    assert gaps[-1].also == 0, "the last frame that shows it"
    assert gaps_beside([(0, 1)], {(0, 1)}, 9, away={(0, 1)})[0].ways == []
    assert gaps_beside(anchors, {(8, 1)}, 30, away={(0, 1)})[0].ways == [(8, 0)]


def test_who_is_said_to_be_away_is_away_and_does_not_come_between(clip, results, tracker):
    nowhere = np.zeros((64, 96), bool)
    now = {result.index: result for result in results}
    for index in (8, 14):
        anchors = [(0, 1), (0, 2), *([(8, 1)] if index == 14 else [])]
        asked = [Prompt(index, 1, mask=nowhere)]
        for result in propagate.correct(clip.images, now, asked, anchors=anchors, tracker=tracker):
            now[result.index] = result
        assert now[index].missing[1].state == "absent"
    assert all(now[index].missing[1].state == "absent" for index in range(8, 15))
    assert 1 in now[7] and 1 in now[4]
    for index, result in now.items():
        before, after = (one.label_map() == 2 for one in (results[index], result))
        assert np.array_equal(before & after, before), "others lose nothing"


def test_what_stands_where_an_object_is_said_to_be_away_is_not_taken_for_it_again():
    """A track that went over to a double is told once, and finds its own object again."""
    tracker = propagate.load_tracker()
    height, width, length = 120, 200, 20
    rng = np.random.default_rng(3)
    picture = cv2.GaussianBlur(rng.integers(0, 255, (height, width, 3), np.uint8), (0, 0), 5)
    images, truth = [], []
    for frame in range(length):
        image, mask = picture.copy(), np.zeros((height, width), np.uint8)
        if frame < 6 or frame > 14:
            cv2.circle(image, (40 + 2 * frame, 40), 18, (220, 40, 40), -1)
            cv2.circle(mask, (40 + 2 * frame, 40), 18, 1, -1)
        cv2.rectangle(image, (130, 62), (170, 98), (230, 120, 40), -1)
        images.append(image)
        truth.append(mask > 0)
    video = np.stack(images)
    results = list(propagate.track(video, [Prompt(0, 1, mask=truth[0])], tracker=tracker))
    wrong = np.zeros((height, width), bool)
    wrong[62:98, 130:170] = True
    for index in range(6, length):
        results[index] = FrameResult(index, None, (height, width), (Mask(1, wrong, 0.7),))
    asked = [Prompt(8, 1, mask=np.zeros((height, width), bool))]
    now = {result.index: result for result in results}
    for result in propagate.correct(video, now, asked, tracker=tracker):
        now[result.index] = result
    for index, result in now.items():
        if truth[index].any():
            assert iou(result[1].pixels, truth[index]) > 0.8, index
        else:
            assert 1 in result.missing, index


@pytest.mark.parametrize(
    ("anchors", "index", "touched"),
    [
        (None, 10, range(1, 24)),
        ([(0, 1), (0, 2), (6, 1), (15, 1)], 10, range(7, 15)),
        ([(0, 1), (0, 2), (6, 2), (15, 2)], 10, range(1, 24)),
        ([(12, 1), (0, 2)], 5, range(5, 12)),
    ],
)
def test_only_what_lies_between_the_neighbours_changes(
    clip, results, tracker, anchors, index, touched
):
    asked = [one_mask(clip, index)]
    changed = list(propagate.correct(clip.images, results, asked, anchors=anchors, tracker=tracker))
    indices = [result.index for result in changed]
    assert indices == sorted(set(indices))
    assert index in indices and set(indices) <= set(touched)
    now = next(result for result in changed if result.index == index)
    assert np.array_equal(now[1].pixels, clip.masks[1][index]), "exactly as given"
    assert now[1].score == 1
    for result in changed:
        assert not same(result, results[result.index]) or result.index == index
        assert (result.time_s, result.stem) == (results[result.index].time_s, None)


def test_every_annotated_frame_comes_back_as_annotated_whatever_is_corrected_later(
    clip, results, tracker
):
    now = {result.index: result for result in results}
    anchors = {(0, 1), (0, 2)}
    given = {(0, key): clip.masks[key][0] for key in (1, 2)}
    for index, key in ((12, 1), (6, 2), (18, 1), (7, 1), (23, 2), (6, 1)):
        # Not the truth, so that nothing comes out right by itself.
        wrong = np.roll(clip.masks[key][index], 3, axis=0)
        wrong &= clip.masks[3 - key][index] == 0
        asked = [Prompt(index, key, mask=wrong)]
        for result in propagate.correct(clip.images, now, asked, anchors=anchors, tracker=tracker):
            now[result.index] = result
        anchors.add((index, key))
        given[index, key] = wrong
    for (index, key), mask in given.items():
        assert np.array_equal(now[index][key].pixels, mask), (index, key)


def test_a_click_corrects_what_is_there(clip, results, tracker):
    """A leaked mask loses what a click denies, and keeps what it had right."""
    index = 12
    leaked = clip.masks[1][index] | clip.masks[2][index]
    masks = [replace(results[index][1], pixels=leaked)]
    before = [*results[:index], replace(results[index], masks=tuple(masks)), *results[index + 1 :]]
    (x, y) = clip.prompts("point", index)[1].points_xy[0]
    asked = [Prompt(index, 1, points_xy=[[x, y]], labels=[False])]
    changed = {
        result.index: result
        for result in propagate.correct(clip.images, before, asked, tracker=tracker)
    }
    assert iou(leaked, clip.masks[1][index]) < 0.8
    assert iou(changed[index][1].pixels, clip.masks[1][index]) > 0.85


def hidden_clip():
    """A red square passes behind a wall; on the near side a red look-alike stands still.

    Returns:
        images, (T, H, W) bool truth.
    """
    random = np.random.default_rng(1)
    images = random.integers(100, 130, (30, 64, 128, 3)).astype(np.uint8)
    truth = np.zeros((30, 64, 128), bool)
    for t in range(30):
        x = 2 + 4 * t
        truth[t, 10:26, x : min(x + 14, 128)] = True
        images[t][truth[t]] = (210, 40, 40)
        images[t, 34:50, 34:48] = (210, 40, 40)
        images[t, :, 48:72] = (40, 60, 200)
        truth[t, :, 48:72] = False
    return images, truth


def test_the_better_side_wins_where_an_occluder_breaks_the_forward_pass(tracker):
    images, truth = hidden_clip()
    forward = list(propagate.track(images, [Prompt(0, 1, mask=truth[0])], tracker=tracker))

    def found(results):
        scores = []
        for result in results:
            visible = truth[result.index].any()
            mask = result[1].pixels if 1 in result else np.zeros_like(truth[0])
            scores.append(iou(mask, truth[result.index]) if visible else float(not mask.any()))
        return np.array(scores)

    asked = [Prompt(27, 1, mask=truth[27])]
    now = {result.index: result for result in forward}
    for result in propagate.correct(images, now, asked, tracker=tracker):
        now[result.index] = result
    before, after = found(forward), found(now.values())
    assert before[:7].min() > 0.8, "the forward pass begins right"
    assert before[20:27].mean() < 0.5, "and is broken by the wall"
    assert after[:7].min() > 0.8 and after[20:28].min() > 0.8


def test_a_pass_begins_as_close_to_its_anchor_as_tracking_does():
    """What another anchor shows far away or large must not widen the look at this one."""
    tracker = propagate.load_tracker(segmenter={"name": "lite", "area": 128 * 160})
    near, far = np.zeros((2, 480, 640, 3), np.uint8)
    near[200:260, 80:140] = far[40:400, 240:600] = (220, 60, 40)
    masks = [image[..., 0] > 0 for image in (near, far)]
    frames = [propagate.Frame(index, image) for index, image in enumerate((near, far))]
    results = {
        frame.index: FrameResult(frame.index, None, frame.size_hw, (Mask(1, mask),))
        for frame, mask in zip(frames, masks, strict=True)
    }
    prompts = [Prompt(1, 1, mask=masks[1])]
    video = propagate.open_video(np.stack([near, far]))
    begun = Recomputation(video, results, tracker, [(0, 1)], prompts)._shown.coming_to(0, 1)
    alone = tracker.step(tracker.start(), frames[0], [Prompt(0, 1, mask=masks[0])])
    assert begun.window == alone.window and begun.window.size_hw[0] < 200
    known = {look.place for look in begun.memory.anchors}
    first = min(number for number, _ in known)
    assert {part for number, part in known if number > first} == {
        look.part for look in alone.memory.anchors
    }
    assert len({number for number, _ in known}) == 2, "it remembers the other one as well"


def test_both_ways_is_what_a_correction_at_the_second_anchor_gives(clip, tracker):
    prompts = [*clip.prompts("mask"), one_mask(clip, 14)]
    results = list(propagate.track(clip.images, prompts, tracker=tracker))
    before = {result.index: result for result in results}
    anchors = [(prompt.frame_index, prompt.object_id) for prompt in prompts]
    video = propagate.open_video(clip.images)
    work = Recomputation.both_ways(video, before, tracker, anchors)
    assert list(work.work()) == list(range(1, work.total + 1))
    changed = {result.index: result for result in work.changed()}
    assert set(changed) <= set(range(1, 14)), "behind the last anchor nothing is to be fused"
    again = {
        result.index: result
        for result in propagate.correct(
            video, before, [one_mask(clip, 14)], anchors=anchors[:2], tracker=tracker
        )
    }
    assert all(same(changed[index], again[index]) for index in changed)
    alone = Recomputation.both_ways(video, before, tracker, anchors[:2])
    assert (alone.total, list(alone.work()), list(alone.changed())) == (0, [], [])


def test_encoding_is_asked_for_the_touched_interval_only(clip, results, tracker):
    seen = []

    class Counting(ColourSegmenter):
        def encode(self, image):
            seen.append(image)
            return super().encode(image)

    whole = propagate.load_tracker(segmenter=COLOUR, framing={"closest": 1.0})  # one look a frame
    counting = replace(whole, segmenter=Counting(tracker.segmenter.config))
    anchors = [(0, 1), (0, 2), (8, 1), (14, 1)]
    list(
        propagate.correct(
            clip.images, results, [one_mask(clip, 10)], anchors=anchors, tracker=counting
        )
    )
    assert 0 < len(seen) <= 2 * (14 - 8) + 12, "each frame twice, and the anchors"


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (Prompt(24, 1, points_xy=[[5, 5]]), "frame 24 has no result.*frames 0 to 23"),
        (Prompt(3, 7, points_xy=[[5, 5]]), "object 7 is not known, there are: 1, 2"),
        (Prompt(3, 1, points_xy=[[500, 5]]), "frame 3.*outside the picture, which is 96 x 64"),
        (Prompt(3, 1, mask=np.ones((5, 5), bool)), "5 x 5.*96 x 64"),
    ],
)
def test_a_correction_that_does_not_fit_is_said(clip, results, tracker, prompt, message):
    with pytest.raises(PromptError, match=message) as error:
        list(propagate.correct(clip.images, results, [prompt], tracker=tracker))
    assert "\n" not in str(error.value)


def test_what_does_not_belong_together_is_said(clip, results, tracker):
    asked = [one_mask(clip, 3)]
    with pytest.raises(PromptError, match="nothing to correct"):
        propagate.correct(clip.images, results, [], tracker=tracker)
    with pytest.raises(InputError, match="video has no result|no result that could"):
        list(propagate.correct(clip.images, [], asked, tracker=tracker))
    with pytest.raises(InputError, match="ends with frame 9, the results go on to 23"):
        list(propagate.correct(clip.images[:10], results, asked, tracker=tracker))
    other = np.zeros((24, 32, 32, 3), np.uint8)
    with pytest.raises(InputError, match=r"\(32, 32\).*the video that was tracked"):
        list(propagate.correct(other, results, asked, tracker=tracker))
    with pytest.raises(VideoError, match="stream"):
        list(propagate.correct(clip.frames(), results, asked, tracker=tracker))


def test_a_click_that_finds_nothing_is_said(clip, results, tracker):
    """Otherwise all frames that depend on it would lose the object."""

    class Blind(ColourSegmenter):
        def decode(self, embedding, prompts):
            answers = super().decode(embedding, prompts)
            return [replace(one, logits=-np.abs(one.logits) - 1) for one in answers]

    blind = replace(tracker, segmenter=Blind(tracker.segmenter.config))
    asked = [Prompt(3, 1, points_xy=[[5, 5]])]
    with pytest.raises(PromptError, match="nothing of object 1 is found in frame 3"):
        list(propagate.correct(clip.images, results, asked, tracker=blind))


def test_first_frames_stand_in_for_unknown_anchors(clip, results):
    assert first_seen({result.index: result for result in results}) == ((0, 1), (0, 2))
