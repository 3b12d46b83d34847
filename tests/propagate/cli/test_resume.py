"""A run that is killed, interrupted or out of space goes on and ends with the same bytes."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from dataclasses import replace

import pytest

from propagate import plugins
from propagate.cli import run as runs
from propagate.cli import snapshot
from propagate.cli.settings import KINDS, Choice, resolved
from propagate.tracker import build

KILL_IN_STEP = """
import os, signal
from propagate.tracker import Tracker
step = Tracker.step
def step_or_die(self, state, frame, prompts=()):
    if frame.index == {index}:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, state, frame, prompts)
Tracker.step = step_or_die
"""
KILL_IN_WRITING = """
import os, signal
replace, count = os.replace, 0
def replace_or_die(*names):
    global count
    count += 1
    if count == {count}:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(*names)
os.replace = replace_or_die
"""
OFTEN = "\nimport propagate.cli.run as r; r.Job.__init__.__defaults__ = (('png',), 5)\n"
"""A snapshot every 5 frames."""


@pytest.fixture
def words(shapes, film, quick, mask):
    """A run with several kinds of prompts, one of them late, and all exports."""
    x, y = shapes.prompts("point", 9)[0].points_xy[0]
    late = [f"--mask={mask}", f"--point={x},{y}@9"]
    return ["track", film, *late, "--export", "rle,overlay", *quick]


@pytest.fixture
def whole(command, words, contents, tmp_path):
    """The bytes of a run that nothing disturbed."""
    assert command(*words, "--out", tmp_path / "whole").code == 0
    return contents(tmp_path / "whole")


def killed(process):
    _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, err


def test_killed_at_three_random_frames(start, command, words, whole, contents, tmp_path):
    out = tmp_path / "out"
    frames = sorted(random.Random(11).sample(range(1, 24), 3))
    counts = []
    for index in frames:
        before = OFTEN + KILL_IN_STEP.format(index=index)
        killed(start(*words, "--out", out, "--resume", before=before))
        counts.append(len(list((out / "masks").iterdir())))
    assert counts == frames
    assert (out / ".run" / "state.pt").is_file()
    done = command(*words, "--out", out, "--resume")
    assert (done.code, done.err) == (0, "")
    assert contents(out) == whole
    assert json.loads((out / "run.json").read_text())["timing"]["frames"] < 24, "did start anew"


def test_killed_while_a_file_is_written(start, command, words, whole, contents, tmp_path):
    out = tmp_path / "out"
    for count in (1, 3, 12):  # the request, a mask; then after going on
        killed(start(*words, "--out", out, "--resume", before=KILL_IN_WRITING.format(count=count)))
    assert command(*words, "--out", out, "--resume").code == 0
    assert contents(out) == whole


def test_killed_at_the_very_end(start, command, words, whole, contents, tmp_path):
    """After the overlay, before tracks.json: what is there is not made again."""
    spoil = KILL_IN_WRITING.format(count=1 + 24 + 1 + 2)  # request, masks, state, overlay | tracks
    killed(start(*words, "--out", tmp_path / "out", before=spoil))
    assert (tmp_path / "out" / "overlay.mp4").exists()
    assert not (tmp_path / "out" / "tracks.json").exists()
    assert command(*words, "--out", tmp_path / "out", "--resume").code == 0
    assert contents(tmp_path / "out") == whole


def test_masks_that_were_lost_are_made_again(start, command, words, whole, contents, tmp_path):
    """A power cut may leave files without what was written into them."""
    out = tmp_path / "out"
    killed(start(*words, "--out", out, before=OFTEN + KILL_IN_STEP.format(index=13)))
    (out / "masks" / "00002.png").unlink()
    (out / "masks" / "00007.png").write_bytes(b"")
    cut = out / "masks" / "00012.png"
    cut.write_bytes(cut.read_bytes()[:-20])
    assert command(*words, "--out", out, "--resume").code == 0
    assert contents(out) == whole
    cut.unlink()
    done = command(*words, "--out", out, "--resume")
    assert done.code == 2 and "00012.png: is missing or cut short;" in done.err


def test_interrupted_by_the_user(start, command, words, whole, contents, tmp_path):
    out = tmp_path / "out"
    slow = "\nimport time; from propagate.tracker import Tracker; step = Tracker.step\n" + (
        "Tracker.step = lambda *words: (time.sleep(0.1), step(*words))[1]"
    )
    process = start(*words, "--out", out, before=slow)
    until = time.monotonic() + 60
    while not (out / "masks" / "00002.png").exists() and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.count("\n") == 1 and "--resume" in err
    assert command(*words, "--out", out, "--resume").code == 0
    assert contents(out) == whole


def test_without_resume_nothing_is_touched(start, command, words, contents, tmp_path):
    out = tmp_path / "out"
    killed(start(*words, "--out", out, before=KILL_IN_STEP.format(index=3)))
    before = contents(out)
    done = command(*words, "--out", out)
    assert done.code == 2 and done.err.count("\n") == 1 and "add --resume" in done.err
    assert contents(out) == before


def test_a_finished_run(command, words, contents, tmp_path):
    out = tmp_path / "out"
    assert command(*words, "--out", out, "--resume").code == 0, "it starts where there is nothing"
    assert sorted(path.name for path in out.iterdir()) == [
        "masks", "overlay.mp4", "run.json", "tracks.json",
    ]  # fmt: skip
    before, report = contents(out), (out / "run.json").read_bytes()
    done = command(*words, "--out", out, "--resume")
    assert done.code == 0 and "complete" in done.out
    done = command(*words, "--out", out)
    assert done.code == 2 and "finished run" in done.err
    assert contents(out) == before and (out / "run.json").read_bytes() == report


def test_another_run_is_not_continued(start, command, words, folder, contents, tmp_path):
    out = tmp_path / "out"
    killed(start(*words, "--out", out, before=KILL_IN_STEP.format(index=7)))
    before = contents(out)
    for change, message in (
        (["--set", "selection.patience=3"], "other settings"),
        (["--point", "7,7@3"], "other prompts"),
        (["--stop", "20"], "another --start or --stop"),
        (["--export", "overlay"], "another --export"),
    ):
        done = command(*words, *change, "--out", out, "--resume")
        assert done.code == 2 and message in done.err and done.err.count("\n") == 1
    done = command("track", folder, *words[2:], "--out", out, "--resume")
    assert done.code == 2 and "another source" in done.err
    assert contents(out) == before


def test_a_state_file_runs_no_code(command, start, words, tmp_path):
    """What a pickle would execute is refused in one line."""
    import pickle

    out, proof = tmp_path / "out", tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(proof),)

    killed(start(*words, "--out", out, before=KILL_IN_STEP.format(index=7)))
    state = out / ".run" / "state.pt"
    for content in (pickle.dumps(Evil()), b"", b"PK\x03\x04 torn"):
        state.write_bytes(content)
        done = command(*words, "--out", out, "--resume")
        assert done.code == 2 and done.err.count("\n") == 1 and "state.pt" in done.err
    import torch

    torch.save({"version": 1, "done": 3, "finished": False, "state": Evil()}, state)
    done = command(*words, "--out", out, "--resume")
    assert done.code == 2 and done.err.count("\n") == 1
    assert not proof.exists()


@pytest.mark.parametrize(
    "part",
    [f"{kind}.name={name}" for kind in ("motion", "memory")
     for name in plugins.available(KINDS[kind])],
)  # fmt: skip
def test_every_parts_state_is_kept_and_read(part, shapes, tmp_path):
    """A state may hold arrays, tensors, plain values and the dataclasses of the part."""
    tracker = build(resolved(Choice(segmenter="colour", overrides=[part])))
    state, prompts = tracker.start(), shapes.prompts("mask")
    frames = list(shapes.frames())
    for frame in frames[:12]:
        state = tracker.step(state, frame, prompts if frame.index == 0 else ())
    path = tmp_path / "state.pt"
    snapshot.save(path, snapshot.Snapshot(12, finished=False, state=state))
    read = snapshot.load(path, tracker)
    assert (read.done, read.finished) == (12, False)
    for frame in frames[12:]:
        state, again = tracker.step(state, frame), tracker.step(read.state, frame)
        read = replace(read, state=again)
        assert (state.last.label_map() == again.last.label_map()).all()
        assert [m.score for m in state.last.masks] == [m.score for m in again.last.masks]


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="root may mount")
def test_a_full_disk(command, words, whole, contents, tmp_path):
    out = tmp_path / "disk"
    out.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=28k", "tmpfs", str(out)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        done = command(*words, "--out", out / "run")
        assert done.code == 2 and done.err.count("\n") == 1, done
        assert "No space left" in done.err and "--resume" in done.err
        masks = sorted((out / "run" / "masks").iterdir())
        assert 0 < len(masks) < 24
        left = {f"masks/{path.name}": path.read_bytes() for path in masks}
        assert left.items() <= whole.items(), "what is there is whole"
        subprocess.run(["mount", "-o", "remount,size=20m", str(out)], check=True)
        assert command(*words, "--out", out / "run", "--resume").code == 0
        assert contents(out / "run") == whole
    finally:
        subprocess.run(["umount", str(out)], check=True)


def test_a_file_that_may_not_grow(start, command, words, whole, contents, tmp_path):
    """The same where nobody may mount: the journal reaches the largest size that is allowed."""
    out = tmp_path / "out"
    limit = "from resource import *; setrlimit(RLIMIT_FSIZE, (4000, RLIM_INFINITY))"
    process = start(*words, "--out", out, before=limit)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2, err
    assert err.count("\n") == 1 and "--resume" in err
    assert 0 < len(list((out / "masks").iterdir())) < 24
    assert command(*words, "--out", out, "--resume").code == 0
    assert contents(out) == whole


def test_the_state_is_kept_often_enough():
    assert 1 <= runs.SNAPSHOT_EVERY <= 50
