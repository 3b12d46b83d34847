"""Clips whose every frame carries its own number, written by PyAV's encoders.

The number is painted as 16 black or white blocks, two rows of eight, so that a decoded picture
says which frame it is, whatever the codec, the container or the reader did to the order.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

BLOCK = 16
SIZE_HW = (64, 160)
RATE = 25


def stamped(number: int) -> np.ndarray:
    """(64, 160, 3) uint8: the number in the upper half, a pattern that moves in the lower half."""
    height, width = SIZE_HW
    image = np.full((height, width, 3), 128, np.uint8)
    for bit in range(16):
        row, column = divmod(bit, 8)
        block = np.s_[row * BLOCK : (row + 1) * BLOCK, column * BLOCK : (column + 1) * BLOCK]
        image[block] = 255 if number >> bit & 1 else 0
    x = np.arange(width)
    image[2 * BLOCK :, :, 0] = (x * 3 + number * 5) % 200
    image[2 * BLOCK :, :, 1] = (np.sin(x / 9 + number / 4) * 80 + 120).astype(np.uint8)
    return image


def stamp_of(image: np.ndarray) -> int:
    """The number painted in a picture; AssertionError where a block is neither black nor white."""
    number = 0
    for bit in range(16):
        row, column = divmod(bit, 8)
        y, x = row * BLOCK + BLOCK // 2, column * BLOCK + BLOCK // 2
        level = float(image[y - 3 : y + 3, x - 3 : x + 3].mean())
        assert level < 70 or level > 185, f"block {bit} is grey ({level:.0f})"
        number |= (level > 128) << bit
    return number


@pytest.fixture(scope="session", name="stamped")
def _stamped() -> Callable[[int], np.ndarray]:
    return stamped


@pytest.fixture(scope="session", name="stamp_of")
def _stamp_of() -> Callable[[np.ndarray], int]:
    return stamp_of


@pytest.fixture(scope="session")
def varied_ms() -> tuple[int, ...]:
    """The times of the frames of varied.*, in milliseconds."""
    return VARIED


def encode(
    path: Path,
    *,
    codec: str = "libx264",
    count: int = 60,
    times: Sequence[int] | None = None,
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
) -> Path:
    """Write `count` stamped frames; `times` are in milliseconds (default: 25 a second)."""
    import av

    coder = dict(options or {})
    muxer = {key: coder.pop(key) for key in ("movflags",) if key in coder}
    with av.open(str(path), "w", options=muxer) as container:
        stream = container.add_stream(codec, rate=RATE, options=coder)
        stream.width, stream.height, stream.pix_fmt = SIZE_HW[1], SIZE_HW[0], pixels
        unit = Fraction(1, 1000) if times else Fraction(1, RATE)
        stream.time_base = stream.codec_context.time_base = unit
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(stamped(number), "rgb24").reformat(format=pixels)
            frame.pts, frame.time_base = (times[number] if times else number), unit
            container.mux(stream.encode(frame))
        if count:
            container.mux(stream.encode(None))
        else:
            container.start_encoding()
    return path


X264 = {"preset": "veryfast", "crf": "18", "threads": "1"}
CLOSED = X264 | {"x264-params": "keyint=12:min-keyint=12:scenecut=0:bframes=3:b-adapt=0"}
OPEN = X264 | {"x264-params": "keyint=12:min-keyint=12:scenecut=0:bframes=3:b-adapt=0:open-gop=1"}
X265 = {
    "preset": "ultrafast",
    "x265-params": "log-level=none:keyint=12:bframes=3:pools=1:open-gop=1",
}
ALT_REF = {
    "auto-alt-ref": "1",
    "lag-in-frames": "16",
    "arnr-maxframes": "7",
    "b": "300k",
    "cpu-used": "4",
    "g": "30",
}
X265_CLOSED = X265 | {"x265-params": X265["x265-params"].replace("open-gop=1", "open-gop=0")}
REFRESH = X264 | {"x264-params": "keyint=12:scenecut=0:bframes=0:intra-refresh=1"}
FASTSTART = {"movflags": "faststart"}
VARIED = tuple(np.cumsum([0, *([20, 33, 140, 7, 60] * 12)])[:60].tolist())


def trimmed(path: Path, whole: Path, first: int) -> Path:
    """Copy packets from the key frame before `first`, as a lossless cut does: an edit list."""
    import av

    with (
        av.open(str(whole)) as source,
        av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as target,
    ):
        video = source.streams.video[0]
        copy = target.add_stream_from_template(video)
        shift = round(first / RATE / video.time_base)
        source.seek(shift, stream=video)
        for packet in source.demux(video):
            if packet.dts is None:
                continue
            packet.pts -= shift
            packet.dts -= shift
            packet.stream = copy
            target.mux(packet)
    return path


def rotated(path: Path, whole: Path, quarter_turns: int) -> Path:
    """Patch the display matrix in the track header, clockwise quarter turns."""
    cos, sin = {1: (0, 1), 2: (-1, 0), 3: (0, -1)}[quarter_turns]
    data = bytearray(whole.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    values = [cos, sin, 0, -sin, cos, 0, 0, 0, 0x4000]
    for place, value in enumerate(values):
        data[matrix + 4 * place : matrix + 4 * place + 4] = (value * 65536).to_bytes(
            4, "big", signed=True
        )
    path.write_bytes(data)
    return path


def shortened(path: Path, whole: Path) -> Path:
    """Patch the edit list so that it ends after half of the samples."""
    data = bytearray(whole.read_bytes())
    entry = data.index(b"elst") + 4 + 8
    duration = int.from_bytes(data[entry : entry + 4], "big")
    data[entry : entry + 4] = (duration // 2).to_bytes(4, "big")
    path.write_bytes(data)
    return path


def zeroed(path: Path, whole: Path) -> Path:
    """A tenth of the bytes overwritten with zeros, in the middle of the pictures."""
    data = bytearray(whole.read_bytes())
    first, last = len(data) * 5 // 10, len(data) * 6 // 10
    data[first:last] = bytes(last - first)
    path.write_bytes(data)
    return path


def cut(path: Path, whole: Path, share: float) -> Path:
    """The first `share` of a file's bytes."""
    data = whole.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def audio_only(path: Path) -> Path:
    """A second of silence in an MP4."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        for _ in range(8):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            frame.sample_rate = 8000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


RECIPES: dict[str, Callable[[Path, Callable[[str], Path]], Path]] = {
    "closed.mp4": lambda path, _: encode(path, options=CLOSED),
    "open.mp4": lambda path, _: encode(path, options=OPEN),
    "varied.mp4": lambda path, _: encode(path, options=CLOSED, times=VARIED),
    "varied.mkv": lambda path, _: encode(path, options=CLOSED, times=VARIED),
    "open.mkv": lambda path, _: encode(path, options=OPEN),
    "altref.webm": lambda path, _: encode(path, codec="libvpx-vp9", options=ALT_REF),
    "altref.mp4": lambda path, _: encode(path, codec="libvpx-vp9", options=ALT_REF),
    "ten.mp4": lambda path, _: encode(path, pixels="yuv420p10le", options=CLOSED),
    "hevc10.mp4": lambda path, _: encode(path, codec="libx265", pixels="yuv420p10le", options=X265),
    "av1.mp4": lambda path, _: encode(path, codec="libsvtav1", count=30, options={"preset": "10"}),
    "plain.avi": lambda path, _: encode(path, codec="mpeg4", options={"b": "4M"}),
    "plain.ts": lambda path, _: encode(path, options=CLOSED),
    "fragmented.mp4": lambda path, _: encode(
        path, options=CLOSED | {"movflags": "frag_keyframe+empty_moov"}
    ),
    "faststart.mp4": lambda path, _: encode(path, options=CLOSED | FASTSTART),
    "edited.mp4": lambda path, make: trimmed(path, make("closed.mp4"), 30),
    "rotated1.mp4": lambda path, make: rotated(path, make("closed.mp4"), 1),
    "rotated2.mp4": lambda path, make: rotated(path, make("closed.mp4"), 2),
    "rotated3.mp4": lambda path, make: rotated(path, make("closed.mp4"), 3),
    "cut.mp4": lambda path, make: cut(path, make("faststart.mp4"), 0.6),
    "cut.mkv": lambda path, make: cut(path, make("varied.mkv"), 0.6),
    "headless.mp4": lambda path, make: cut(path, make("closed.mp4"), 0.6),
    "audio.mp4": lambda path, _: audio_only(path),
    "nothing.mkv": lambda path, _: encode(path, count=0),
    "refresh.mp4": lambda path, _: encode(path, options=REFRESH),
    "hevc.mp4": lambda path, _: encode(path, codec="libx265", options=X265_CLOSED),
    "tail.mp4": lambda path, make: shortened(path, make("closed.mp4")),
    "zeroed.mp4": lambda path, make: zeroed(path, make("faststart.mp4")),
}


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    """A function from a recipe's name to the clip's path; each clip is written once."""
    av = pytest.importorskip("av", reason="clips are written with PyAV: pip install av")
    folder = tmp_path_factory.mktemp("clips")

    @functools.cache
    def make(name: str) -> Path:
        if name == "av1.mp4" and "libsvtav1" not in av.codecs_available:
            pytest.skip("this build of PyAV has no AV1 encoder")
        return RECIPES[name](folder / name, make)

    yield make
    shutil.rmtree(folder, ignore_errors=True)
