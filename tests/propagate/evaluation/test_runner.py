"""The loop that measures, run with trackers whose quality is known."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest

from propagate.errors import InputError, PropagateError
from propagate.evaluation.davis import read_labels
from propagate.evaluation.metrics import contour_accuracy
from propagate.evaluation.results import summary
from propagate.evaluation.runner import evaluate

LENGTH = 9


def test_the_truth_scores_1(data_set, videos, knowing_tracker):
    (result,) = evaluate(data_set, knowing_tracker(videos["two"]), ["two"])
    assert (result.j, result.f, result.j_and_f) == (1, 1, 1)
    assert [one.object_id for one in result.objects] == [1, 2]
    assert result.frame_count == LENGTH


def test_a_tracker_that_stands_still_scores_what_the_definition_says(
    data_set, videos, still_tracker
):
    (result,) = evaluate(data_set, still_tracker(score=0.9), ["two"])
    for each in result.objects:
        truth = videos["two"].masks[each.object_id]
        counted = truth[1:-1]  # neither the first frame nor the last
        overlaps = [(one & truth[0]).sum() / (one | truth[0]).sum() for one in counted]
        assert each.j.mean == pytest.approx(np.mean(overlaps))
        assert each.j.recall == np.mean(np.array(overlaps) > 0.5)
        accuracies = [contour_accuracy(truth[0], one) for one in counted]
        assert each.f.mean == pytest.approx(np.mean(accuracies))
        assert each.j_and_f == pytest.approx(np.mean(overlaps) / 2 + np.mean(accuracies) / 2)
    assert result.j == pytest.approx(np.mean([each.j.mean for each in result.objects]))


def test_first_and_last_frame_do_not_count(data_set, videos, knowing_tracker):
    (result,) = evaluate(data_set, knowing_tracker(videos["one"], (0, LENGTH - 1)), ["one"])
    assert result.j_and_f == 1
    assert [one.index for one in result.frames] == list(range(1, LENGTH - 1))


def test_a_missed_frame_counts_as_0_and_says_so(data_set, videos, knowing_tracker):
    (result,) = evaluate(data_set, knowing_tracker(videos["one"], (3,)), ["one"])
    assert result.j == pytest.approx(6 / 7)
    missed = result.frames[2]
    assert (missed.j, missed.f, missed.score, missed.state) == (0, 0, None, "lost")


def test_an_object_that_is_rightly_called_absent_scores_1(data_set, videos, knowing_tracker):
    (result,) = evaluate(data_set, knowing_tracker(videos["two"]), ["two"])
    absent = [one for one in result.frames if one.state == "absent"]
    assert absent and all((one.j, one.f, one.score) == (1, 1, None) for one in absent)


def test_scores_are_held_against_what_was_reached(data_set, still_tracker):
    (result,) = evaluate(data_set, still_tracker(score=0.9), ["one"])
    assert len(result.score_pairs) == LENGTH - 2
    assert all(score == 0.9 for score, _ in result.score_pairs)
    assert result.calibration == pytest.approx(abs(0.9 - result.j))


class Asked:
    """Writes down what it is asked, and when it starts afresh; its answers are the truth."""

    def __init__(self, video):
        self.video, self.prompts, self.starts = video, [], 0

    def start(self):
        self.starts += 1

    def step(self, state, frame, prompts=()):
        self.prompts += prompts
        return type("State", (), {"last": self.video.result(frame.index)})()


def test_true_boxes_are_given_in_every_frame_to_a_tracker_that_knows_nothing(data_set, videos):
    tracker = Asked(videos["two"])
    (result,) = evaluate(data_set, tracker, ["two"], "boxes")
    assert tracker.starts == result.frame_count
    assert [(one.frame_index, one.object_id) for one in tracker.prompts] == sorted(
        (index, object_id)
        for object_id, masks in videos["two"].masks.items()
        for index, mask in enumerate(masks)
        if mask.any()
    )
    assert all(one.box is not None and one.mask is None for one in tracker.prompts)


@pytest.mark.parametrize("prompt", ["mask", "box", "click"])
def test_each_object_is_prompted_once_and_in_the_way_asked_for(data_set, videos, prompt):
    tracker = Asked(videos["two"])
    list(evaluate(data_set, tracker, ["two"], prompt))
    assert [(one.object_id, one.frame_index) for one in tracker.prompts] == [(1, 0), (2, 0)]
    for one in tracker.prompts:
        assert (one.mask is not None) == (prompt == "mask")
        assert (one.box is not None) == (prompt == "box")
        assert len(one.points_xy) == (prompt == "click")


def test_an_object_that_comes_later_is_prompted_then_and_counted_after(
    data_set, tmp_path, still_tracker
):
    shutil.copytree(data_set, tmp_path / "set")
    folder = tmp_path / "set" / "Annotations" / "480p" / "two"
    for index in range(3):
        path = folder / f"{index:05d}.png"
        labels = read_labels(path)
        path.write_bytes(_grey(np.where(labels == 2, 0, labels)))
    for index in range(3, LENGTH):  # object 2 is a fixed square from frame 3 on
        labels = np.zeros((64, 96), np.uint8)
        labels[5:20, 5:20] = 2
        labels[40:60, 40:60] = 1
        (folder / f"{index:05d}.png").write_bytes(_grey(labels))
    tracker = still_tracker()
    (result,) = evaluate(tmp_path / "set", tracker, ["two"])
    assert [(one.object_id, one.frame_index) for one in tracker.asked] == [(1, 0), (2, 3)]
    second = [one for one in result.frames if one.object_id == 2]
    assert [one.index for one in second] == [4, 5, 6, 7]
    assert all(one.j == 1 for one in second)


def test_frames_without_a_mask_are_tracked_but_not_counted(data_set, tmp_path, still_tracker):
    shutil.copytree(data_set, tmp_path / "set")
    (tmp_path / "set" / "Annotations" / "480p" / "one" / "00004.png").unlink()
    (result,) = evaluate(tmp_path / "set", still_tracker(), ["one"])
    assert [one.index for one in result.frames] == [1, 2, 3, 5, 6, 7]
    assert result.frame_count == LENGTH


def test_answers_are_written_where_asked(data_set, videos, tmp_path, knowing_tracker):
    list(evaluate(data_set, knowing_tracker(videos["two"]), ["two"], out=tmp_path))
    for index in range(LENGTH):
        written = read_labels(tmp_path / "masks" / "two" / f"{index:05d}.png")
        assert np.array_equal(written, videos["two"].result(index).label_map())


def test_sequences_come_one_by_one(data_set, still_tracker):
    tracker = still_tracker()
    results = evaluate(data_set, tracker)
    assert not tracker.asked
    assert next(results).sequence.name == "one"
    assert len(tracker.asked) == 1
    assert next(results).sequence.name == "two"


def test_the_data_sets_mean_is_over_all_objects(data_set, still_tracker):
    results = list(evaluate(data_set, still_tracker()))
    objects = [each for result in results for each in result.objects]
    values = summary(results)
    assert len(objects) == 3
    assert values["j_mean"] == pytest.approx(np.mean([each.j.mean for each in objects]))
    assert values["j_and_f"] == pytest.approx((values["j_mean"] + values["f_mean"]) / 2)
    assert values["frames_per_second"] > 0
    with pytest.raises(InputError, match="no result"):
        summary([])


def _grey(labels):
    return cv2.imencode(".png", labels.astype(np.uint8))[1].tobytes()


def _cut(root, name):
    for path in sorted((root / "Annotations" / "480p" / name).iterdir())[2:]:
        path.unlink()


def _shrink(root, name):
    path = root / "Annotations" / "480p" / name / "00002.png"
    path.write_bytes(_grey(np.eye(7)))


def _empty(root, name):
    for path in (root / "Annotations" / "480p" / name).iterdir():
        path.write_bytes(_grey(np.zeros((64, 96))))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_cut, "has 2 annotated frames"),
        (_shrink, r"frame 00002: the mask is \(7, 7\)"),
        (_empty, "no object to score"),
    ],
)
def test_a_data_set_that_cannot_be_scored_is_one_clear_line(
    data_set, tmp_path, damage, message, still_tracker
):
    shutil.copytree(data_set, tmp_path / "set")
    damage(tmp_path / "set", "one")
    with pytest.raises(InputError, match=message) as caught:
        list(evaluate(tmp_path / "set", still_tracker(), ["one"]))
    assert "\n" not in str(caught.value)


def test_a_wrong_kind_of_prompt_is_said_before_anything_runs(data_set, still_tracker):
    with pytest.raises(PropagateError, match="scribble"):
        evaluate(data_set, still_tracker(), prompt="scribble")
