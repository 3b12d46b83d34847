"""The functions that most users need: what they accept, and what they say to a mistake."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

import propagate
from propagate import masks
from propagate.errors import CheckpointError, ConfigError, InputError, PromptError
from propagate.memory import appearance
from propagate.segmenters import lite
from propagate.testing import moving_shapes
from propagate.tracker import Tracker
from propagate.types import Frame, Guess

SIZE = (96, 128)
IMAGE = np.full((*SIZE, 3), 90, np.uint8)


class WhereItWas:
    """A motion model of the user's own: expects each object where it was seen last."""

    def start(self):
        return {}

    def guess(self, state, frame):
        return state

    def update(self, state, frame, result):
        seen = {}
        for mask in result.masks:
            prior = mask.pixels.astype(np.float32)
            points = np.zeros((0, 2), np.float32)
            seen[mask.object_id] = Guess(
                mask.object_id, masks.box_of(mask.pixels), points, 0.8, prior
            )
        kept = {i: guess for i, guess in state.items() if i in result.missing}
        return {**kept, **seen}


@pytest.fixture(scope="module")
def segmenter() -> lite.Lite:
    return lite.build(lite.Config(device="cpu", area=160 * 256))


@pytest.fixture(scope="module")
def tracker(segmenter) -> Tracker:
    memory = appearance.build(appearance.Config())
    return Tracker(segmenter=segmenter, motion=WhereItWas(), memory=memory)


@pytest.fixture(scope="module")
def clip():
    return moving_shapes(count=2, length=4, size_hw=SIZE, seed=2)


class TestLoadSegmenter:
    def test_an_unknown_name_is_answered_with_the_nearest(self) -> None:
        with pytest.raises(ConfigError, match="did you mean 'lite'"):
            propagate.load_segmenter("light")

    @pytest.mark.parametrize("device", ["auto", "cpu"])
    def test_lite_runs_where_it_is_told(self, device: str) -> None:
        segmenter = propagate.load_segmenter("lite", device=device)
        keys = segmenter.encode(IMAGE).keys
        wanted = "cuda" if device == "auto" and torch.cuda.is_available() else "cpu"
        assert keys.device.type == wanted

    def test_a_device_that_does_not_exist_is_said(self) -> None:
        with pytest.raises(ConfigError, match="'toaster'.*'cpu'"):
            propagate.load_segmenter("lite", device="toaster")

    def test_a_segmenter_without_a_device_setting_loads_with_any(self) -> None:
        assert propagate.load_segmenter("colour", device="cpu").encode(IMAGE).size_hw == SIZE

    def test_a_checkpoint_for_one_without_weights_is_said(self) -> None:
        with pytest.raises(ConfigError, match="'colour' has no weights"):
            propagate.load_segmenter("colour", checkpoint="weights.safetensors")

    def test_a_checkpoint_reaches_the_segmenter(self, tmp_path) -> None:
        with pytest.raises(CheckpointError, match=r"gone\.safetensors"):
            propagate.load_segmenter("lite", checkpoint=str(tmp_path / "gone.safetensors"))


class TestSegment:
    @pytest.mark.parametrize(
        ("asked", "message"),
        [
            ({}, "says nothing"),
            ({"points_xy": [[np.nan, 4]]}, "NaN"),
            ({"points_xy": [[500, 4]]}, "128 x 96"),
            ({"points_xy": [[5, 4]], "labels": [True, False]}, "1 points"),
            ({"box": [20, 20, 10, 30]}, "empty"),
            ({"mask": np.ones((50, 60), bool)}, "60 x 50.*128 x 96"),
        ],
    )
    def test_a_question_that_does_not_fit_is_said(self, segmenter, asked, message: str) -> None:
        with pytest.raises(PromptError, match=message) as error:
            propagate.segment(IMAGE, **asked, segmenter=segmenter)
        assert "\n" not in str(error.value)

    def test_a_picture_of_another_kind_is_said(self, segmenter) -> None:
        with pytest.raises(InputError, match="uint8"):
            propagate.segment(IMAGE / 255, points_xy=[[5, 4]], segmenter=segmenter)

    def test_a_name_and_a_loaded_segmenter_answer_the_same(self, clip) -> None:
        box = masks.box_of(clip.masks[1][0])
        by_name = propagate.segment(clip.images[0], box=box, segmenter="colour")
        loaded = propagate.load_segmenter("colour")
        for one, other in zip(
            by_name, propagate.segment(clip.images[0], box=box, segmenter=loaded), strict=True
        ):
            np.testing.assert_array_equal(one.pixels, other.pixels)
            assert one.score == other.score

    def test_answers_come_best_first_at_the_pictures_size(self, segmenter, clip) -> None:
        truth = clip.masks[1][0]
        answers = propagate.segment(clip.images[0], mask=truth.astype(int), segmenter=segmenter)
        scores = [answer.score for answer in answers]
        assert len(answers) == 3 and scores == sorted(scores, reverse=True)
        assert all(answer.pixels.shape == SIZE for answer in answers)
        assert masks.iou(answers[0].pixels, truth) > 0.8

    @pytest.mark.parametrize("rough", ["grown", "shrunk", "moved"])
    def test_a_rough_mask_is_improved(self, segmenter, clip, rough: str) -> None:
        truth = clip.masks[1][0]
        kernel = np.ones((9, 9), np.uint8)
        given = {
            "grown": cv2.dilate(truth.astype(np.uint8), kernel),
            "shrunk": cv2.erode(truth.astype(np.uint8), kernel),
            "moved": np.roll(truth, (5, -6), (0, 1)),
        }[rough].astype(bool)
        best = propagate.segment(clip.images[0], mask=given, segmenter=segmenter)[0]
        assert masks.iou(best.pixels, truth) > masks.iou(given, truth) + 0.1


@pytest.mark.parametrize("kind", ["folder", "frames", "generator"])
def test_track_gives_the_same_for_every_kind_of_source(tracker, clip, tmp_path, kind) -> None:
    for index, image in enumerate(clip.images):
        cv2.imwrite(str(tmp_path / f"{index:05d}.png"), image[..., ::-1])
    source = {
        "folder": tmp_path,
        "frames": [Frame(index, image) for index, image in enumerate(clip.images)],
        "generator": clip.frames(),
    }[kind]
    prompts = clip.prompts("box")
    expected = list(propagate.track(clip.images, prompts, tracker=tracker))
    results = list(propagate.track(source, prompts, tracker=tracker))
    assert any(result.masks for result in expected[1:])
    assert [result.index for result in results] == list(range(len(clip.images)))
    for one, other in zip(results, expected, strict=True):
        np.testing.assert_array_equal(one.label_map(), other.label_map())
        assert [mask.score for mask in one.masks] == [mask.score for mask in other.masks]
        assert one.missing == other.missing


def test_track_accepts_the_path_of_a_folder_as_text(tracker, clip, tmp_path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), clip.images[0][..., ::-1])
    (result,) = propagate.track(str(tmp_path), clip.prompts("mask"), tracker=tracker)
    np.testing.assert_array_equal(result[1].pixels, clip.masks[1][0])
    assert result.stem == "a"


def test_results_come_while_frames_are_read(tracker, clip) -> None:
    read = []

    def camera():
        for frame in clip.frames():
            read.append(frame.index)
            yield frame

    first = next(iter(propagate.track(camera(), clip.prompts("mask"), tracker=tracker)))
    assert first.index == 0
    assert len(read) < len(clip.images)
