"""The size that a picture's header claims, so that none is decoded that would fill the memory."""

from __future__ import annotations

import struct

_JPEG_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
_JPEG_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def claimed_size(data: bytes) -> tuple[int, int] | None:
    """(H, W) as stored, before rotation, of a PNG, JPEG, BMP, WebP or TIFF; None: none of these."""
    try:
        if data.startswith(b"\x89PNG"):
            width, height = struct.unpack_from(">II", data, 16)
        elif data.startswith(b"\xff\xd8"):
            return _jpeg(data)
        elif data.startswith(b"BM"):
            width, height = struct.unpack_from("<ii", data, 18)
        elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
        elif data[:4] in (b"II*\0", b"MM\0*"):
            return _tiff(data, "<" if data.startswith(b"II") else ">")
        else:
            return None
    except struct.error:  # the header itself is cut short
        return None
    return abs(height), abs(width)


def _jpeg(data: bytes) -> tuple[int, int] | None:
    """Size from the first frame header. ITU-T T.81 annex B."""
    place = 2
    while True:
        fill, marker = struct.unpack_from(">BB", data, place)
        if fill != 0xFF:
            return None
        if marker == 0xFF or marker in _JPEG_WITHOUT_LENGTH:
            place += 1 if marker == 0xFF else 2
            continue
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, place + 5)
            return height, width
        place += 2 + struct.unpack_from(">H", data, place + 2)[0]


def _webp(data: bytes) -> tuple[int, int] | None:
    """Size from the first chunk. RFC 9649."""
    kind = data[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return height & 0x3FFF, width & 0x3FFF
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    if kind == b"VP8X":
        low_w, high_w, low_h, high_h = struct.unpack_from("<HBHB", data, 24)
        return (low_h | high_h << 16) + 1, (low_w | high_w << 16) + 1
    return None


def _tiff(data: bytes, order: str) -> tuple[int, int] | None:
    """Size from the first directory. TIFF 6.0, tags 256 and 257."""
    (place,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, place)
    found: dict[int, int] = {}
    for entry in range(place + 2, place + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(order + "HH", data, entry)
        if tag in (256, 257):
            found[tag] = struct.unpack_from(order + ("H" if kind == 3 else "I"), data, entry + 8)[0]
    return (found[257], found[256]) if len(found) == 2 else None
