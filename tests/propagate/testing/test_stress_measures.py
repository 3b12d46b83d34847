"""What the stress suite counts, on label sequences made by hand; and runs of trackers that err."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest

from propagate.errors import InputError
from propagate.testing.stress import run, scenarios
from propagate.testing.stress.measures import figures, identity_switches, notes, returns
from propagate.types import FrameResult, Mask, Missing

PLACES = {
    "A": np.s_[0:4, 0:4],
    "B": np.s_[0:4, 8:12],
    "C": np.s_[8:12, 0:4],
    "half": np.s_[0:4, 0:3],
}
SIZE = (16, 16)


def square(place):
    mask = np.zeros(SIZE, bool)
    if place is not None:
        mask[PLACES[place]] = True
    return mask


def series(truths, answers, scores=None):
    """Notes a frame of objects 1 and 2 from the places where they are, and are said to be."""
    found = {1: [], 2: []}
    for index, (truth, answer) in enumerate(zip(truths, answers, strict=True)):
        labels = np.zeros(SIZE, np.int32)
        for number, place in enumerate(truth, 1):
            labels[square(place)] = number
        score = 1.0 if scores is None else scores[index]
        masks = [Mask(n, square(place), score) for n, place in enumerate(answer, 1) if place]
        missing = {n: Missing(n, "lost", "") for n, place in enumerate(answer, 1) if not place}
        result = FrameResult(index, None, SIZE, tuple(masks), missing)
        for note in notes(labels, {1: truth[0] is not None, 2: truth[1] is not None}, result):
            found[note.object_id].append(note)
    return found


STAY = [("A", "B")]


def test_no_switch_where_each_keeps_its_mask():
    found = series(STAY * 5, [*STAY * 2, (None, "B"), ("C", "B"), ("half", "B")])
    assert [identity_switches(found[n]) for n in (1, 2)] == [0, 0]
    assert [note.held_by for note in found[1]] == [1, 1, None, None, 1]
    assert [note.state for note in found[1]] == ["tracked", "tracked", "lost", "tracked", "tracked"]


def test_a_swap_for_good_is_one_switch_each():
    found = series(STAY * 6, STAY * 3 + [("B", "A")] * 3)
    assert [identity_switches(found[n]) for n in (1, 2)] == [1, 1]
    assert [note.lies_on for note in found[1]] == [1, 1, 1, 2, 2, 2]


def test_a_swap_and_back_is_two_each():
    found = series(STAY * 6, [*STAY, ("B", "A"), ("B", "A"), *STAY * 3])
    assert [identity_switches(found[n]) for n in (1, 2)] == [2, 2]


def test_both_on_one_is_a_switch_only_of_the_one_that_lost_its_mask():
    found = series(STAY * 4, [*STAY, ("B", None), ("B", None), ("B", None)])
    assert [identity_switches(found[n]) for n in (1, 2)] == [0, 1]
    assert [note.held_by for note in found[1]] == [1, None, None, None]


def test_a_gap_does_not_hide_a_switch():
    found = series([*STAY, (None, None), ("A", "B")], [*STAY, (None, None), ("B", "A")])
    assert [identity_switches(found[n]) for n in (1, 2)] == [1, 1]


def test_returns_count_from_the_first_frame_in_sight():
    truths = [("A", "B")] * 2 + [(None, "B")] * 3 + [("A", "B")] * 4
    at_once = series(truths, truths)
    late = series(truths, [*truths[:5], (None, "B"), ("C", "B"), ("A", "B"), ("A", "B")])
    never = series(truths, [*truths[:5], *[(None, "B")] * 4])
    assert [returns(one[1]) for one in (at_once, late, never)] == [[0], [2], [None]]
    assert returns(late[2]) == []


def test_gone_again_before_it_was_found_is_not_found():
    truths = [("A", "B"), (None, "B"), ("A", "B"), (None, "B"), ("A", "B"), ("A", "B")]
    answers = [("A", "B"), *[(None, "B")] * 4, ("A", "B")]
    assert returns(series(truths, answers)[1]) == [None, 1]


def test_barely_in_sight_is_neither_absent_nor_a_return():
    labels = np.zeros(SIZE, np.int32)
    labels[0, 0] = 1
    empty = FrameResult(0, None, SIZE)
    barely = notes(labels, {1: False}, empty)[0]
    gone = notes(np.zeros(SIZE, np.int32), {1: False}, empty)[0]
    seen = notes(np.where(square("A"), 1, 0), {1: True}, empty)[0]
    assert [note.presence for note in (barely, gone, seen)] == ["barely", "absent", "visible"]
    assert returns([seen, barely, seen]) == [] and returns([seen, gone, barely]) == []
    assert returns([seen, gone, barely, seen]) == [None]


def test_masks_may_overlap():
    found = series(STAY, [("B", "B")])
    assert found[2][0].held_by in (1, 2) and found[2][0].j == 1 and found[1][0].j == 0
    assert found[1][0].lies_on == found[2][0].lies_on == 2


def test_figures_by_hand():
    truths = [("A", "B")] * 2 + [(None, "B")] * 4 + [("A", "B")] * 4
    answers = [("A", "B")] * 2 + [(None, "B")] * 3 + [("C", "B")] + [("half", "B")] * 4
    found = figures(series(truths, answers, [0.75] * 10).values(), 10)
    assert found.false_positives == pytest.approx(1 / 4)
    assert (found.reacquired, found.delay, found.switches, found.mistaken) == (1, 0, 0, 0)
    # Frame 0 is left out: of object 1 are left J 1, 1, 1, 1, 0 and four halves of 12 / 16.
    first = (4 * 1 + 0 + 4 * 0.75) / 9
    parts = series(truths, answers)
    assert np.mean([note.j for note in parts[1][1:]]) == pytest.approx(first)
    means = [np.mean([(note.j + note.f) / 2 for note in parts[n][1:]]) for n in (1, 2)]
    assert found.j_and_f == pytest.approx(np.mean(means))
    # Masks: 9 of object 2 and one of 1 with IoU 1, one with 0, four with 0.75; all said 0.75.
    assert found.calibration == pytest.approx(abs(15 * 0.75 - (10 + 0 + 3)) / 15)


def test_the_rate_of_switches_is_by_frames():
    found = figures(series(STAY * 6, STAY * 3 + [("B", "A")] * 3).values(), 6)
    assert found.switches == pytest.approx(1000 * 2 / 6)
    assert found.mistaken == pytest.approx(3 / 5)
    assert math.isnan(found.false_positives) and math.isnan(found.reacquired)


@dataclass(frozen=True)
class State:
    last: FrameResult | None = None


class Oracle:
    """Answers the truth, after what `spoil` does to its masks."""

    def __init__(self, clips, spoil):
        self.truths = {clip.name: [drawn.labels for _, drawn in clip.drawn()] for clip in clips}
        self.images = {next(clip.frames()).image.tobytes(): clip.name for clip in clips}
        self.spoil = spoil

    def start(self):
        return State()

    def step(self, state, frame, prompts=()):
        if frame.index == 0:
            self.name = self.images[frame.image.tobytes()]
            self.ids = [prompt.object_id for prompt in prompts]
        labels = self.truths[self.name][frame.index]
        masks = self.spoil(frame.index, {n: labels == n for n in self.ids})
        kept = tuple(Mask(n, mask) for n, mask in masks.items() if mask.any())
        return State(FrameResult(frame.index, frame.time_s, frame.size_hw, kept))


SMALL = (96, 171)


def measured(name, spoil):
    clips = scenarios(0, [name], SMALL)
    return run(Oracle(clips, spoil), clips)


def test_the_truth_is_perfect():
    report = measured("exit-return", lambda index, masks: masks)
    total = report.total
    assert (total.j_and_f, total.reacquired, total.delay) == (1, 1, 0)
    assert (total.switches, total.mistaken, total.false_positives, total.calibration) == (
        0,
        0,
        0,
        0,
    )


def test_masks_that_stay_when_the_object_goes_are_counted():
    def stay(index, masks):
        shape = next(iter(masks.values())).shape
        return {n: mask if mask.any() else np.ones(shape, bool) for n, mask in masks.items()}

    assert measured("occlusion-5", stay).total.false_positives == 1


def test_slow_returns_are_counted():
    def sleepy(index, masks):
        return {
            n: mask if n == 2 or index < 12 or index >= 17 + 6 else mask & False
            for n, mask in masks.items()
        }

    total = measured("occlusion-5", sleepy).total
    assert (total.reacquired, total.delay, total.false_positives) == (0, 6, 0)


def test_swapped_doubles_are_counted():
    def swap(index, masks):
        return masks if index < 30 else {1: masks[2], 2: masks[1]}

    report = measured("look-alikes-cross", swap)
    assert report.of("look-alikes").switches == pytest.approx(1000 * 2 / 48)
    assert report.results[0].figures.mistaken == pytest.approx(18 / 47, abs=0.03)


def test_scenarios_weigh_the_same_however_many_objects_they_have():
    clips = scenarios(0, ["fast", "occlusion-1"], SMALL)

    def blind(index, masks):
        return {n: mask if len(masks) == 2 else mask & False for n, mask in masks.items()}

    report = run(Oracle(clips, blind), clips)
    assert [one.figures.j_and_f for one in report.results] == [0, 1]
    assert report.total.j_and_f == 0.5 and report.of("fast").j_and_f == 0


def test_the_report_as_a_table_and_as_json():
    report = measured("occlusion-1", lambda index, masks: masks)
    values = json.loads(report.as_json())
    assert values["total"]["j_and_f"] == 1 and values["scenarios"][0]["name"] == "occlusion-1"
    assert len(values["scenarios"][0]["notes"]) == 2 * 25
    assert report.table().row_count == 2
    with pytest.raises(InputError, match="no scenario 'fast'"):
        report.of("fast")


def test_wrong_runs_are_refused():
    clips = scenarios(0, ["occlusion-1"], SMALL)
    with pytest.raises(InputError, match="one or more"):
        run(Oracle([], None), [])
    with pytest.raises(InputError, match="mask, box, click"):
        run(Oracle([], None), clips, prompt="scribble")

    class Small(Oracle):
        def step(self, state, frame, prompts=()):
            return State(FrameResult(frame.index, None, (10, 10)))

    with pytest.raises(InputError, match="10, 10"):
        run(Small([], None), clips)


def test_a_watcher_sees_every_frame():
    clips = scenarios(0, ["occlusion-1"], SMALL)
    seen = []
    run(Oracle(clips, lambda index, masks: masks), clips, watch=seen.append)
    assert [shown.frame.index for shown in seen] == list(range(25))
    assert all(np.array_equal(s.result.label_map(), s.drawn.labels) for s in seen)
