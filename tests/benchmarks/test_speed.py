"""How fast: from a video file to masks on disk, and what a further object costs.

pytest -m bench tests/benchmarks
"""

from __future__ import annotations

import time

import cv2
import pytest

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
