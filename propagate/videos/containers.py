"""What a file is, told by its bytes, and whether all of it is there.

Only files whose first bytes are those of a known container reach a decoder, and the decoder is
told which one: demuxers that follow playlists would open any file that a hostile text names.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from propagate.errors import VideoError

HEAD_BYTES = 4096
MAX_BOXES = 100_000
MAX_INDEX_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Container:
    """A kind of file.

    Attributes:
        name: for a person.
        demuxers: FFmpeg's names of the demuxer, comma-separated; nothing else may open the file.
    """

    name: str
    demuxers: str


MP4 = Container("MP4", "mov,mp4,m4a,3gp,3g2,mj2")
MATROSKA = Container("Matroska", "matroska,webm")
AVI = Container("AVI", "avi")
_MPEG_TS = Container("MPEG-TS", "mpegts")
_STARTS = {
    b"\x1a\x45\xdf\xa3": MATROSKA,
    b"\x00\x00\x01\xba": Container("MPEG-PS", "mpeg"),
    b"FLV\x01": Container("FLV", "flv"),
    b"GIF8": Container("GIF", "gif"),
    b"OggS": Container("Ogg", "ogg"),
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": Container("ASF", "asf"),
}
_MP4_FIRST_BOXES = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp"}
_MP4_CONTENT = (b"moov", b"mdat", b"moof")
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*")
_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"<MPD", b"[playlist]")


class Damage(Exception):
    """A stream breaks off or breaks up after the frames that a decoder has given."""


def sniff(path: Path) -> Container:
    """The container of a file, from its first bytes alone; the name does not matter.

    Raises:
        VideoError: unreadable, empty, a playlist, a text, a picture, or nothing known.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise VideoError(f"{path}: cannot be read ({error.strerror})") from error
    container = _container(head)
    if container is None:
        raise VideoError(f"{path}: {_what_else(head)}")
    return container


def _container(head: bytes) -> Container | None:
    """The container that begins with `head`, or None."""
    if head[4:8] in _MP4_FIRST_BOXES:
        return MP4
    if head[:4] == b"RIFF" and head[8:11] == b"AVI":
        return AVI
    # Packets of 188 bytes, or of 192 with a time stamp before each, begin with 0x47.
    for first, step in ((0, 188), (4, 192)):
        if head[first::step][:4] == b"GGGG":
            return _MPEG_TS
    return next((kind for start, kind in _STARTS.items() if head.startswith(start)), None)


def _what_else(head: bytes) -> str:
    """What a file is that is no video, and what to do."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not head:
        return "the file is empty; copy or record it again"
    if any(text.startswith(start) for start in _PLAYLISTS) or b"<MPD" in text[:512]:
        return "a playlist, not a video; give the video file that it names"
    if head.startswith(_PICTURES) or head[8:12] == b"WEBP":
        return "a single picture, not a video; give the folder that holds the pictures"
    if b"\0" not in head and all(byte >= 32 or byte in b"\t\r\n\f" for byte in head):
        return "a text, not a video; check the path"
    return "not a known video format; convert it, for example to MP4 with H.264"


def is_cut_short(path: Path, container: Container) -> bool:
    """Whether the file has fewer bytes than its own structure says.

    True only where that is certain. Streams without a declared length are never cut short.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if container is MP4:
            # Some devices append bytes of their own that are no boxes: those are not judged.
            return any(end > size and kind in _MP4_CONTENT for kind, _, end in boxes(file, 0, size))
        if container is MATROSKA:
            end = _segment_end(file.read(HEAD_BYTES))
            return end is not None and end > size
        if container is AVI:
            return int.from_bytes(file.read(8)[4:], "little") + 8 > size
    return False


def boxes(file: BinaryIO, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes of an MP4 between two offsets: kind, offset of the body, end.

    The end may lie beyond `stop`: then the file, or the box around it, is cut short. ISO 14496-12.
    """
    for _ in range(MAX_BOXES):
        if start + 8 > stop:
            return
        file.seek(start)
        head = file.read(16)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head[:8])
        body = start + 8
        if length == 1 and len(head) == 16:
            length, body = struct.unpack(">Q", head[8:])[0], start + 16
        end = stop if length == 0 else start + length
        if end < body:
            return
        yield kind, body, end
        start = end


def shows_all_of_its_samples(path: Path) -> bool:
    """Whether an MP4 shows all the video it stores: no edit list that leaves out a part.

    A lossless cut stores whole groups of pictures and says in an edit list which part to show.
    False also where the file does not say, as in fragmented files.
    """
    with path.open("rb") as file:
        for kind, start, end in boxes(file, 0, path.stat().st_size):
            if kind == b"moov" and end - start <= MAX_INDEX_BYTES:
                return _movie_shows_all(file, start, end)
    return False


def _movie_shows_all(file: BinaryIO, start: int, end: int) -> bool:
    """`shows_all_of_its_samples` for a moov box."""
    movie = _inside(file, (start, end))
    tracks = [
        (first, min(last, end)) for kind, first, last in boxes(file, start, end) if kind == b"trak"
    ]
    if b"mvhd" not in movie or b"mvex" in movie or not tracks:
        return False
    clock = _scale_and_duration(file, *movie[b"mvhd"])
    return clock is not None and all(_track_shows_all(file, track, clock[0]) for track in tracks)


def _track_shows_all(file: BinaryIO, track: tuple[int, int], movie_scale: int) -> bool:
    """Whether a track has no picture, or its edits last as long as its samples."""
    inside = _inside(file, track)
    media = _inside(file, inside.get(b"mdia", (0, 0)))
    if b"hdlr" not in media or b"mdhd" not in media:
        return False
    if _read(file, media[b"hdlr"])[8:12] != b"vide" or b"edts" not in inside:
        return True
    edits = [
        edit
        for kind, first, last in boxes(file, *inside[b"edts"])
        if kind == b"elst"
        for edit in _edits(_read(file, (first, last)))
        if edit[1] >= 0  # a start of -1 is a pause before the first picture
    ]
    clock = _scale_and_duration(file, *media[b"mdhd"])
    if clock is None or len(edits) != 1:
        return False
    # Two ticks of the movie's clock: it is often coarser than the track's.
    return edits[0][0] / movie_scale + 2 / movie_scale >= clock[1] / clock[0]


def _inside(file: BinaryIO, place: tuple[int, int]) -> dict[bytes, tuple[int, int]]:
    """Kind → (offset of the body, end) of the boxes in a box, none longer than the box itself."""
    return {kind: (first, min(last, place[1])) for kind, first, last in boxes(file, *place)}


def _edits(body: bytes) -> list[tuple[int, int]]:
    """(duration, start) of each edit in an elst box; the duration in the movie's units."""
    form = ">Qqi" if body[:1] == b"\1" else ">Iii"
    entries = body[8 : 8 + struct.calcsize(form) * 1000]
    whole = len(entries) // struct.calcsize(form) * struct.calcsize(form)
    return [(duration, start) for duration, start, _ in struct.iter_unpack(form, entries[:whole])]


def _scale_and_duration(file: BinaryIO, start: int, end: int) -> tuple[int, int] | None:
    """Ticks a second and duration in ticks of an mvhd or mdhd box; None where it makes no sense."""
    body = _read(file, (start, end))
    form, place = (">IQ", 20) if body[:1] == b"\1" else (">II", 12)
    if len(body) < place + struct.calcsize(form):
        return None
    scale, duration = struct.unpack_from(form, body, place)
    return (scale, duration) if scale else None


def _read(file: BinaryIO, place: tuple[int, int]) -> bytes:
    """The first 64 kB of a box's body."""
    file.seek(place[0])
    return file.read(min(max(0, place[1] - place[0]), 2**16))


def _segment_end(head: bytes) -> int | None:
    """Where a Matroska's segment ends, or None where it does not say. RFC 8794, 9559."""
    first = _vint(head, 4)
    if first is None:
        return None
    place = first[0] + first[1]
    if head[place : place + 4] != b"\x18\x53\x80\x67":
        return None
    length = _vint(head, place + 4)
    return None if length is None else length[0] + length[1]


def _vint(data: bytes, place: int) -> tuple[int, int] | None:
    """(offset after it, value) of an EBML variable-length size; None where unknown."""
    if place >= len(data) or not data[place]:
        return None
    width = 9 - data[place].bit_length()
    value = int.from_bytes(data[place : place + width], "big") - (1 << 7 * width)
    return None if value == (1 << 7 * width) - 1 else (place + width, value)
