"""How fast: from a video file to masks on disk, from memory, and what a further object costs.

pytest -m bench tests/benchmarks
"""

from __future__ import annotations

import tarfile
import time

import cv2
import numpy as np
import pytest

import propagate
from propagate.logits import to_picture
from propagate.types import Frame, Prompt

pytestmark = pytest.mark.bench


def seconds_to_decode(clip) -> float:
    began = time.perf_counter()
    capture = cv2.VideoCapture(str(clip))
    while capture.read()[0]:
        pass
    capture.release()
    return time.perf_counter() - began


def test_file_to_masks_on_disk(clips, track, show):
    """One object; the clip's decoding alone is the yardstick that the machine's speed cancels."""
    rows = []
    for clip, clicks in clips.items():
        done = track(clip, clicks[:1])
        rows.append(
            {
                "clip": clip.name,
                "frames": done.frames,
                "frames/s, whole command": round(done.frames / done.wall_s, 1),
                "frames/s, loop": round(done.frames / done.loop_s, 1),
                "read ms": round(1e3 * done.stages["read_s"] / done.frames, 1),
                "track ms": round(1e3 * done.stages["track_s"] / done.frames, 1),
                "write ms": round(1e3 * done.stages["write_s"] / done.frames, 1),
                "times decoding": round(done.wall_s / seconds_to_decode(clip), 1),
            }
        )
    show("video file to masks on disk, one object", rows)


def test_a_further_object(clips, track, show):
    """Of the loop, in parts of what the first object costs; the runs alternate."""
    clip, clicks = next((c, k) for c, k in clips.items() if len(k) >= 16)
    seconds = {1: [], 4: [], 16: []}
    for _ in range(3):
        for count, taken in seconds.items():
            taken.append(track(clip, clicks[:count], "--stop", 60).loop_s / 60)
    best = {count: min(taken) for count, taken in seconds.items()}
    rows = [
        {
            "objects": count,
            "ms a frame": round(1e3 * best[count], 1),
            "a further object": "-"
            if count == 1
            else f"{(best[count] - best[1]) / (count - 1) / best[1]:.1%} of the first",
        }
        for count in best
    ]
    show(f"{clip.name}, 60 frames, best of 3", rows)


def some_frames(shared_data) -> list[np.ndarray]:
    """Thirty frames of 480 lines."""
    with tarfile.open(shared_data / "davis-dev" / "davis-dev.tar") as tar:
        files = [tar.extractfile(f"JPEGImages/blackswan/{number:05d}.jpg") for number in range(30)]
        pictures = [cv2.imdecode(np.frombuffer(file.read(), np.uint8), 1) for file in files]
    return [np.ascontiguousarray(picture[:, :, ::-1]) for picture in pictures]


def things_apart(image: np.ndarray, count: int) -> list[Prompt]:
    """Masks of the surest answers to a grid of clicks that do not overlap."""
    segmenter = propagate.load_segmenter("lite")
    embedding = segmenter.encode(image)
    height, width = image.shape[:2]
    clicks = [
        Prompt(0, 1, points_xy=[[x, y]])
        for y in np.linspace(40, height - 40, 7)
        for x in np.linspace(40, width - 40, 12)
    ]
    answers = [(one.scores.max(), one) for one in segmenter.decode(embedding, clicks)]
    chosen: list[np.ndarray] = []
    for _, answer in sorted(answers, key=lambda each: -each[0]):
        mask = to_picture(answer.logits[answer.scores.argmax()], answer.size_hw)
        apart = all((mask & other).sum() < 0.05 * mask.sum() for other in chosen)
        if 0.003 < mask.mean() < 0.15 and apart and len(chosen) < count:
            chosen.append(mask & ~np.any(chosen, axis=0) if chosen else mask)
    return [Prompt(0, number, mask=mask) for number, mask in enumerate(chosen, 1)]


def by_steps(tracker, frames: list[np.ndarray], prompts: list[Prompt]):
    """As a robot does, which knows no next picture."""
    state = tracker.start()
    for index, image in enumerate(frames):
        state = tracker.step(state, Frame(index, image), prompts if index == 0 else ())
        yield state.last


def as_video(tracker, frames: list[np.ndarray], prompts: list[Prompt]):
    """As a video is tracked: the next picture is encoded meanwhile."""
    return propagate.track(np.stack(frames), prompts, tracker=tracker)


def seconds_a_frame(results, count: int) -> float:
    """Of all but the first three."""
    began = 0.0
    for number, _ in enumerate(results):
        if number == 2:
            began = time.perf_counter()
    return (time.perf_counter() - began) / (count - 3)


def test_frames_in_memory_to_masks(shared_data, show):
    """Step by step and as a video, in 8-bit and in float arithmetic; the runs alternate."""
    frames = some_frames(shared_data)
    prompts = things_apart(frames[0], 8)
    trackers = {
        precision: propagate.load_tracker(segmenter={"name": "lite", "precision": precision})
        for precision in ("auto", "float32")
    }
    taken: dict[tuple[int, str, str], list[float]] = {}
    for _ in range(4):
        for count in (1, len(prompts)):
            for precision, tracker in trackers.items():
                for way in (by_steps, as_video):
                    results = way(tracker, frames, prompts[:count])
                    seconds = seconds_a_frame(results, len(frames))
                    taken.setdefault((count, precision, way.__name__), []).append(seconds)
    rows = [
        {
            "objects": count,
            "precision": precision,
            "how": way,
            "frames/s": round(1 / min(each), 1),
            "of float32 by steps": f"{min(each) / min(taken[count, 'float32', 'by_steps']):.2f}",
        }
        for (count, precision, way), each in taken.items()
    ]
    show("480p frames in memory to masks, best of 4", rows)
