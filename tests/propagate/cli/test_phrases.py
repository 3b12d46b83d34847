"""`--text`: each thing that a detector finds is an object, tracked and segmented as a box is."""

from __future__ import annotations

import json

import cv2
import pytest
import torch

from propagate.cli.phrases import spoken
from propagate.errors import PromptError
from tests.propagate import detectors

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    torch.manual_seed(0)
    return detectors.owl(tmp_path_factory.mktemp("detector") / "owl")


@pytest.fixture
def words(detector):
    return ("--detector", detector, "--text-score", "0")


def test_words_and_frames_are_read():
    phrases = spoken(["a dog", "two cats@7", "me@home"], None, 0.3, None)
    assert [(one.words, one.frame) for one in phrases] == [
        ("a dog", None), ("two cats", 7), ("me@home", None),
    ]  # fmt: skip
    for empty in ("", "  ", "@7"):
        with pytest.raises(PromptError, match="say what to look for"):
            spoken([empty], None, 0.3, None)


def test_what_is_found_is_tracked_as_its_boxes_are(
    command, folder, words, quick, tmp_path, contents
):
    out = tmp_path / "said"
    done = command("track", folder, "--out", out, "--text", "a dog", *words, *quick, "--stop", 4)
    assert (done.code, done.err) == (0, "")
    prompts = json.loads((out / "run.json").read_text())["request"]["prompts"]
    assert len(prompts) > 3 and [one["object"] for one in prompts] == list(
        range(1, 1 + len(prompts))
    )
    boxes = [f"--box={','.join(map(str, one['box']))}" for one in prompts]
    done = command("track", folder, "--out", tmp_path / "shown", *boxes, *quick, "--stop", 4)
    assert done.code == 0
    assert contents(tmp_path / "shown") == contents(out)


def test_words_about_a_later_frame_and_a_click_together(command, folder, words, quick, tmp_path):
    out = tmp_path / "out"
    said = ["--text", "a cat@2", "--point", "20,20#40"]
    done = command("track", folder, "--out", out, *said, *words, *quick, "--stop", 4)
    assert (done.code, done.err) == (0, "")
    prompts = json.loads((out / "run.json").read_text())["request"]["prompts"]
    assert {one["frame"] for one in prompts if one["object"] != 40} == {2}
    assert [one["object"] for one in prompts if "points" in one] == [40]


def test_a_picture_gets_one_mask_for_each_thing(command, folder, words, quick, tmp_path):
    picture = sorted(folder.iterdir())[0]
    done = command("segment", picture, "--out", tmp_path / "out", "--text", "a dog", *words, *quick)
    assert (done.code, done.err) == (0, "")
    entries = json.loads((tmp_path / "out" / "masks.json").read_text())["masks"]
    assert len(entries) > 3
    scores = [entry["score"] for entry in entries]
    assert scores == sorted(scores, reverse=True)
    for entry in entries:
        mask = cv2.imread(str(tmp_path / "out" / entry["file"]), cv2.IMREAD_GRAYSCALE)
        assert (mask > 0).sum() == entry["area"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--text", "a dog", "--point", "3,3"], "leave --point"),
        (["--text", "a dog@3"], "drop @"),
        (["--text", " "], "say what to look for"),
        (["--text", "a dog", "--text-score", "1"], "nothing like"),
        (["--text", "a dog", "--detector", "/none/there"], "no such folder"),
    ],
)
def test_one_line_for_what_is_wrong(command, folder, words, options, message, tmp_path):
    picture = sorted(folder.iterdir())[0]
    done = command("segment", picture, "--out", tmp_path / "out", *words, *options)
    assert done.code == 2 and message in done.err and done.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_frame_that_is_not_there(command, folder, words, quick, tmp_path):
    said = ["--text", "a dog@99"]
    done = command("track", folder, "--out", tmp_path / "out", *said, *words, *quick)
    assert done.code == 2 and "speaks of frame 99" in done.err
