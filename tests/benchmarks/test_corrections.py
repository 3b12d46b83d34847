"""What one click is worth where a tracker's mask is wrong: in that frame, and in the next five.

pytest -m bench tests/benchmarks/test_corrections.py
"""

from __future__ import annotations

import tarfile

import numpy as np
import pytest

import propagate
from propagate.evaluation.davis import open_davis
from propagate.evaluation.prompts import corrective_click, simulate_prompt
from propagate.masks import iou
from propagate.types import BoolArray, Frame, Prompt

pytestmark = pytest.mark.bench

CORRECTED = (8, 16, 24, 32)  # frames, each in a run of its own
AFTER = 5  # frames


def begun(kind: str, truth: BoolArray) -> Prompt:
    """The first frame's prompt; "half" is a painted mask without its lower part."""
    if kind != "half":
        return simulate_prompt(kind, truth, 0, 1)
    top, bottom = np.flatnonzero(truth.any(1))[[0, -1]]
    part = truth.copy()
    part[int(top + 0.6 * (bottom - top)) :] = False
    return Prompt(0, 1, mask=part)


def shown(state, truth: BoolArray) -> BoolArray:
    return state.last[1].pixels if 1 in state.last else np.zeros_like(truth)


def followed(tracker, state, frames, truths) -> float:
    """Mean IoU of the frames that come next."""
    found = []
    for frame, truth in zip(frames, truths, strict=True):
        state = tracker.step(state, frame)
        found.append(iou(shown(state, truth), truth))
    return float(np.mean(found))


def corrections(tracker, frames: list[Frame], truths: list[BoolArray], kind: str):
    """Of each: obeyed, IoU before and after, mean IoU of the next frames without and with it."""
    state = tracker.start()
    for k, (frame, truth) in enumerate(zip(frames, truths, strict=True)):
        before = state
        state = tracker.step(before, frame, [begun(kind, truth)] if k == 0 else [])
        wrong = shown(state, truth)
        click = corrective_click(wrong, truth) if k in CORRECTED else None
        if click is None or k + AFTER >= len(frames):
            continue
        point, positive = click
        prompt = Prompt(k, 1, points_xy=point[None], labels=np.array([positive]))
        mended = tracker.step(before, frame, [prompt])
        answer, (x, y) = shown(mended, truth), point.astype(int)
        later = slice(k + 1, k + 1 + AFTER)
        rest = frames[later], truths[later]
        yield (
            answer[y, x] == positive,
            iou(wrong, truth),
            iou(answer, truth),
            followed(tracker, state, *rest),
            followed(tracker, mended, *rest),
        )


def test_corrections(show, shared_data, tmp_path):
    with tarfile.open(shared_data / "davis-dev" / "davis-dev.tar") as tar:
        tar.extractall(tmp_path)
    sequences = open_davis(next(tmp_path.rglob("JPEGImages")).parent)
    tracker, rows = propagate.load_tracker(), []
    for kind in ("mask", "box", "click", "half"):
        found = []
        for sequence in sequences:
            frames = [f for f in sequence.video() if f.index <= max(CORRECTED) + AFTER]
            truths = [sequence.truth(stem) == 1 for stem in sequence.annotated[: len(frames)]]
            found += corrections(tracker, frames, truths, kind)
        obeyed, *ious = np.mean(np.array(found, float), 0)
        named = zip(("before", "after", "next 5 without", "next 5 with"), ious, strict=True)
        row = {"first prompt": kind, "clicks": len(found), "obeyed, %": f"{100 * obeyed:.0f}"}
        rows.append(row | {name: f"{one:.3f}" for name, one in named})
        assert obeyed > 0.95
    show("one click on the largest error, mean IoU", rows)
