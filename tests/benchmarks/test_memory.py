"""Memory does not grow with the length of a video.

pytest -m bench tests/benchmarks
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from propagate.videos import open_video

pytestmark = pytest.mark.bench

AT = (200, 1000, 2000)


def looped(clip: Path, frames: int, target: Path) -> Path:
    """The clip again and again, as one file."""
    av = pytest.importorskip("av", reason="writing the long clip needs PyAV")
    with av.open(str(target), "w") as file:
        video = open_video(clip)
        height, width = video.size_hw
        stream = file.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        written = 0
        while written < frames:
            for frame in video:
                picture = av.VideoFrame.from_ndarray(frame.image, "rgb24")
                file.mux(stream.encode(picture))
                written += 1
                if written == frames:
                    break
        file.mux(stream.encode())
    return target


def peak_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("the process is gone")


def test_peak_memory_at_frame_2000(clips, begin, show, tmp_path):
    clip, clicks = next(iter(clips.items()))
    long = looped(clip, AT[-1] + 30, tmp_path / "long.mp4")
    out = tmp_path / "out"
    process = begin("track", long, "--out", out, "--quiet", "--point", clicks[0])
    peaks = {}
    for index in AT:
        while not (out / "masks" / f"{index:05d}.png").exists():
            assert process.poll() is None
            time.sleep(0.02)
        peaks[index] = peak_mb(process.pid)
    assert process.wait() == 0
    rows = [
        {"frame": i, "peak RSS, MB": round(mb), "of frame 200": f"{mb / peaks[AT[0]]:.3f}"}
        for i, mb in peaks.items()
    ]
    show(f"{clip.name} looped, one object", rows)
    assert peaks[AT[-1]] < 1.03 * peaks[AT[0]]
    assert peaks[AT[-1]] < 1500
