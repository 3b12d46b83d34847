"""Masks as PNG pictures: the value of a pixel is the object's id, 0 where there is none.

Up to id 255 the file is a palette PNG with the colours that DAVIS uses; where an object has a
higher id it is 16-bit grey. The kind follows from the ids that the run knows when a frame is
written, seen or not: a folder changes its kind only if an object over 255 is added midway.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from propagate.errors import OutputError
from propagate.export import Run, make_folder, write_whole
from propagate.types import Frame, FrameResult

MAX_PALETTE_ID = 255
MAX_ID = 65535

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _PALETTE = 0, 3
_FILTER_UP = 2
_TAIL = 64  # bytes among which a file's last chunk begins; other programs write some behind it


@dataclass(frozen=True)
class Config:
    """Settings.

    Attributes:
        folder: name of the folder of masks inside the output folder.
    """

    folder: str = "masks"


def build(config: Config) -> PngExporter:
    """Make the exporter."""
    return PngExporter(config)


@dataclass(frozen=True)
class PngExporter:
    """One PNG a frame, named by its index or, where the source has names, by the source's own."""

    config: Config

    def open(self, folder: Path, run: Run) -> PngWriter:
        """See `propagate.export.Exporter`; what an earlier run left there is overwritten."""
        return PngWriter(make_folder(folder / self.config.folder), max(run.object_ids, default=0))


@dataclass(frozen=True)
class PngWriter:
    """Writes one file a frame; holds nothing that a resumed run would need."""

    folder: Path
    highest_id: int

    def write(self, frame: Frame, result: FrameResult) -> None:
        """See `propagate.export.Writer`."""
        ids = [mask.object_id for mask in result.masks]
        highest = max(self.highest_id, *ids, *result.missing, 0)
        if highest > MAX_ID:
            raise OutputError(f"object id {highest} does not fit a PNG; use ids up to {MAX_ID}")
        data = encode_png(result.label_map(), wide=highest > MAX_PALETTE_ID)
        write_whole(self.folder / f"{file_stem(result)}.png", data)

    def close(self) -> None:
        """Nothing is left to do."""


def file_stem(result: FrameResult) -> str:
    """The name of a frame's files: the source's own, else the index with five digits."""
    return f"{result.index:05d}" if result.stem is None else result.stem


def is_whole(path: Path) -> bool:
    """Whether a PNG is there to its end: not after a power cut, perhaps."""
    try:
        return path.read_bytes()[-_TAIL:].find(b"IEND") >= 0
    except OSError:
        return False


def encode_png(labels: npt.NDArray[np.integer[Any]], *, wide: bool = False) -> bytes:
    """A label map (H, W) as the bytes of a PNG; the same labels give the same bytes.

    Args:
        labels: (H, W) integers, 0..255, or 0..65535 where `wide`.
        wide: 16-bit grey instead of a palette.

    Raises:
        OutputError: an id that does not fit.
    """
    limit = MAX_ID if wide else MAX_PALETTE_ID
    if labels.size == 0 or labels.min() < 0 or labels.max() > limit:
        raise OutputError(f"a PNG label map needs a pixel and ids 0..{limit}")
    height, width = labels.shape
    kind, palette = (_GREY, b"") if wide else (_PALETTE, _chunk(b"PLTE", _PALETTE_BYTES))
    header = struct.pack(">IIBBBBB", width, height, 16 if wide else 8, kind, 0, 0, 0)
    rows = labels.astype(">u2" if wide else np.uint8).view(np.uint8).reshape(height, -1)
    return b"".join(
        (
            _SIGNATURE,
            _chunk(b"IHDR", header),
            palette,
            _chunk(b"IDAT", _deflate(_minus_row_above(rows))),
            _chunk(b"IEND", b""),
        )
    )


def davis_palette() -> npt.NDArray[np.uint8]:
    """(256, 3) RGB, the colours of DAVIS and PASCAL VOC: bits of the id, dealt out to channels."""
    index = np.arange(256)
    palette = np.zeros((256, 3), int)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= (index >> channel & 1) << (7 - bit)
        index >>= 3
    return palette.astype(np.uint8)


_PALETTE_BYTES = davis_palette().tobytes()


def _minus_row_above(rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Scanlines under the filter "up": on masks nearly all zero, so they pack fast and small."""
    lines = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    lines[:, 0] = _FILTER_UP
    lines[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=lines[1:, 1:])
    return lines


def _deflate(lines: npt.NDArray[np.uint8]) -> bytes:
    """Deflate looking for runs only: on such lines the fastest way and the smallest result."""
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    return packer.compress(lines.data) + packer.flush()


def _chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
