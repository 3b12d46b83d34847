"""Single frames by index with decord, for files that are proven to be safe for it.

decord 0.6 seeks by the number of a packet. It returns wrong pictures, silently, where the display
order differs from what that assumes: after a seek in open groups of pictures or in intra refresh,
and in files with an edit list; pictures of more than 8 bits come out with other levels; VP9 and
MPEG-TS differ or fail. It also decodes ahead without bound for as long as a reader lives.

The rule: a file is proven when every packet that is marked as a key is an instantaneous refresh
(an IDR picture of H.264 or H.265), no picture stored after a key is shown before it or the other
way round, the pictures are 8-bit 4:2:0, and no edit list leaves a part out. Then decoding may
begin at any key, and the n-th packet time in order is the time of the n-th picture. A picture is
taken only if decord counts as many and gives it that time. Everything else is decoded from the
beginning. The reader lives for one call, with one thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from propagate.types import Frame
from propagate.videos import containers
from propagate.videos.containers import Container
from propagate.videos.opencv import codec, opened

_H264, _H265 = (0, 31, {5}), (1, 63, {19, 20})  # shift, mask, types of IDR units
_UNITS = {"h264": _H264, "avc1": _H264, "hevc": _H265, "hvc1": _H265, "hev1": _H265}
_TOLERANCE_S = 0.001


@dataclass(frozen=True)
class RandomAccess:
    """Frames of one file by index, where that is proven to be right."""

    path: Path
    container: Container

    @cached_property
    def times(self) -> npt.NDArray[np.float64] | None:
        """Times of all frames in seconds from the first one, or None: not proven."""
        if self.container is containers.MP4:
            if not containers.shows_all_of_its_samples(self.path):
                return None
        elif self.container is not containers.MATROSKA:
            return None
        if containers.is_cut_short(self.path, self.container):
            return None
        return _proven_times(self.path, self.container)

    def frames(self, indices: Sequence[int]) -> list[Frame] | None:
        """The frames with these indices, in this order; None where that is not safe."""
        times = self.times
        if times is None or max(indices) >= len(times):
            return None
        import decord
        from decord._ffi.base import DECORDError

        decord.logging.set_level(decord.logging.QUIET)
        try:
            reader = decord.VideoReader(str(self.path.absolute()), num_threads=1)
            said = reader.get_frame_timestamp(list(indices))[:, 0]
            wanted = times[list(indices)]
            if len(reader) != len(times) or np.abs(said - wanted).max() > _TOLERANCE_S:
                return None
            images = reader.get_batch(list(indices)).asnumpy()
        except (DECORDError, RuntimeError, IndexError):
            return None
        return [
            Frame(index, image.copy(), float(time))  # a kept frame must not keep the whole batch
            for index, image, time in zip(indices, images, wanted, strict=True)
        ]


def _proven_times(path: Path, container: Container) -> npt.NDArray[np.float64] | None:
    """The packets' times in display order, if the packets fulfil the rule; without decoding."""
    with opened(path, container, cv2.CAP_PROP_FORMAT, -1) as capture:
        if not capture.isOpened() or codec(capture) not in _UNITS:
            return None
        if int(capture.get(cv2.CAP_PROP_CODEC_PIXEL_FORMAT)) != cv2.VideoWriter.fourcc(*"I420"):
            return None
        kind = codec(capture)
        times: list[float] = []
        keys: list[int] = []
        while capture.grab():
            if capture.get(cv2.CAP_PROP_LRF_HAS_KEY_FRAME):
                if not _is_refresh(capture.retrieve()[1].tobytes(), kind):
                    return None
                keys.append(len(times))
            times.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    stored = np.array(times)
    shown = np.unique(stored)
    if not keys or keys[0] != 0 or len(shown) != len(stored):
        return None
    # A key splits time as it splits the file: then its place in both orders is the same.
    if not np.array_equal(np.searchsorted(shown, stored[keys]), keys):
        return None
    if any(stored[:key].max() > stored[key] for key in keys[1:]):
        return None
    return np.asarray(shown - shown[0], np.float64)


def _is_refresh(packet: bytes, kind: str) -> bool:
    """Whether a packet (Annex B) holds an IDR picture."""
    shift, mask, wanted = _UNITS[kind]
    place = packet.find(b"\0\0\1")
    while 0 <= place < len(packet) - 3:
        if packet[place + 3] >> shift & mask in wanted:
            return True
        place = packet.find(b"\0\0\1", place + 3)
    return False
