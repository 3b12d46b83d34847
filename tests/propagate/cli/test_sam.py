"""The tracker on a SAM with random weights: every kind of prompt, killed and resumed, same bytes.

The MobileSAM shape runs in the suite, ViT-B with `-m slow`.
"""

from __future__ import annotations

import json
import signal

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from propagate.segmenters._sam.network import ENCODERS, SamNetwork
from propagate.testing import moving_shapes

FRAMES = 5
SIZE = (48, 64)
KILL = """
import os, signal
import propagate.cli.run as runs
from propagate.tracker import Tracker
runs.Job.__init__.__defaults__ = (("png",), 2)
step = Tracker.step
def step_or_die(self, state, frame, prompts=()):
    if frame.index == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, state, frame, prompts)
Tracker.step = step_or_die
"""
"""A snapshot every 2 frames, and the end in the third."""

NAMES = ["mobile-sam", pytest.param("sam-vit-b", marks=pytest.mark.slow)]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Name → a file of random weights, made when asked for."""
    made = {}

    def make(name):
        if name not in made:
            torch.manual_seed(5)
            made[name] = tmp_path_factory.mktemp(name) / "weights.pth"
            torch.save(SamNetwork(ENCODERS[name]()).state_dict(), made[name])
        return made[name]

    return make


@pytest.fixture(scope="module")
def clip(tmp_path_factory, write_labels):
    """A folder of frames, and a mask of one object in the first."""
    shapes = moving_shapes(3, FRAMES, SIZE)
    folder = tmp_path_factory.mktemp("frames")
    for index, image in enumerate(shapes.images):
        cv2.imwrite(str(folder / f"{index:03d}.png"), image[:, :, ::-1])
    painted = np.where(shapes.masks[1][0], 1, 0)
    return folder, write_labels(tmp_path_factory.mktemp("painted") / "mask.png", painted)


@pytest.fixture
def words(checkpoints, clip):
    """Name → a run with every kind of prompt, early and late."""
    folder, mask = clip
    prompts = [
        f"--mask={mask}", "--point=20,20#2", "--point=50,40#2-", "--box=30,10,50,30#3",
        "--point=12,30@2#4", "--point=40,20@3#3", "--box=5,5,30,30@4#2",
    ]  # fmt: skip

    def make(name):
        return ["track", folder, *prompts, "--segmenter", name, "--checkpoint", checkpoints(name)]

    return make


@pytest.mark.parametrize("name", NAMES)
def test_killed_and_resumed(name, words, start, command, contents, tmp_path):
    asked = words(name)
    done = command(*asked, "--out", tmp_path / "whole")
    assert (done.code, done.err) == (0, "")
    whole = contents(tmp_path / "whole")
    assert sum(path.startswith("masks") for path in whole) == FRAMES
    mask = asked[2].removeprefix("--mask=")
    first = np.array(Image.open(tmp_path / "whole" / "masks" / "000.png"))
    given = np.array(Image.open(mask))
    assert (first[given == 1] == 1).all(), "a mask that was given is returned as it is"
    told = json.loads((tmp_path / "whole" / "tracks.json").read_text())
    assert len(told["frames"]) == FRAMES

    killed = start(*asked, "--out", tmp_path / "out", before=KILL)
    _, err = killed.communicate(timeout=300)
    assert killed.returncode == -signal.SIGKILL, err
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 3, "it streams"
    done = command(*asked, "--out", tmp_path / "out", "--resume")
    assert (done.code, done.err) == (0, "")
    assert contents(tmp_path / "out") == whole


def test_eight_bits_are_for_a_vit(command, checkpoints, clip, tmp_path):
    words = ["--segmenter", "mobile-sam", "--checkpoint", checkpoints("mobile-sam")]
    setting = ["--set", "segmenter.precision=int8"]
    done = command("track", clip[0], "--point", "3,3", *words, *setting, "--out", tmp_path / "out")
    assert done.code == 2 and "precision=int8 is for the ViT" in done.err
    assert done.err.count("\n") == 1
