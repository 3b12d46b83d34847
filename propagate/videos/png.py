"""PNG masks with their numbers kept: a palette index stays an index.

OpenCV turns palettes into colours. Told that the same bytes are grey, it returns the indices: so
the header's colour type is rewritten and the palette left out, and libpng does the rest.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from propagate.videos.opencv import quiet

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, COLOUR, PALETTE, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 3, 4, 6

Levels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


class BadPng(ValueError):
    """The bytes are no whole PNG; the message says why."""


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a PNG, kind and body, up to and with IEND; their checksums are verified.

    Raises:
        BadPng: not a PNG, cut short, or damaged.
    """
    if not data.startswith(SIGNATURE):
        raise BadPng("not a PNG")
    place, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        if place + 12 > len(data):
            raise BadPng("cut short")
        length, kind = struct.unpack_from(">I4s", data, place)
        if place + 12 + length > len(data):
            raise BadPng("cut short")
        body = data[place + 8 : place + 8 + length]
        if struct.unpack_from(">I", data, place + 8 + length)[0] != zlib.crc32(kind + body):
            raise BadPng("damaged")
        yield kind, body
        place += 12 + length


def header(data: bytes) -> tuple[tuple[int, int], int, int]:
    """(H, W), bit depth and colour type of a PNG; BadPng where it has none."""
    kind, body = next(chunks(data))
    if kind != b"IHDR" or len(body) != 13:
        raise BadPng("damaged")
    width, height, depth, colour = struct.unpack(">IIBB", body[:10])
    return (height, width), depth, colour


def samples(data: bytes) -> Levels:
    """The numbers stored in a PNG: (H, W) uint8 or uint16, or (H, W, 3 or 4) for colours, BGR.

    Palette indices and grey levels are given as stored, at any bit depth from 1 to 16; transparency
    of palettes and of single colours is left out.

    Raises:
        BadPng: not a PNG, cut short, or damaged.
    """
    _, depth, colour = header(data)
    plain = SIGNATURE + b"".join(
        _chunk(kind, _as_grey(body) if kind == b"IHDR" and colour == PALETTE else body)
        for kind, body in chunks(data)
        if kind in (b"IHDR", b"IDAT", b"IEND")
    )
    with quiet():
        try:
            stored: Any = cv2.imdecode(np.frombuffer(plain, np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error as error:
            raise BadPng("damaged") from error
    if stored is None:
        raise BadPng("damaged")
    if depth < 8:  # libpng has spread the levels over 0..255
        stored = stored // (255 // (2**depth - 1))
    return cast(Levels, stored)


def _as_grey(body: bytes) -> bytes:
    """An IHDR body with the colour type grey."""
    return body[:9] + bytes([GREY]) + body[10:]


def _chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
