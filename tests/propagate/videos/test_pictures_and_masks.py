"""Single pictures and masks, against Pillow and against the numbers that were written."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from propagate.errors import PromptError, VideoError
from propagate.videos import containers, png
from propagate.videos.images import read_image, read_mask
from propagate.videos.picture_sizes import claimed_size

Image = pytest.importorskip("PIL.Image", reason="the oracle is Pillow: pip install pillow")

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (20, 30, 3), np.uint8)


def save(path: Path, array: np.ndarray, mode: str | None = None, **options) -> Path:
    """Write an array with Pillow."""
    image = Image.fromarray(array)
    if mode == "P":
        image = Image.frombytes("P", array.shape[::-1], array.tobytes())
        image.putpalette(RNG.integers(0, 256, 768).astype(np.uint8).tobytes())
    image.save(path, **options)
    return path


# Pictures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp"])
def test_lossless_pictures_are_read_exactly(tmp_path, suffix):
    options = {"lossless": True} if suffix == "webp" else {}
    path = save(tmp_path / f"a.{suffix}", PICTURE, **options)
    image = read_image(path)
    assert image.dtype == np.uint8
    assert np.array_equal(image, PICTURE)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    from PIL import ImageOps

    smooth = cv2.GaussianBlur(np.kron(PICTURE, np.ones((8, 8, 1), np.uint8)), (0, 0), 8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "a.jpg", smooth, quality=95, exif=exif)
    wanted = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    image = read_image(path)
    assert image.shape == wanted.shape
    assert np.abs(image.astype(int) - wanted).max() <= 8


def test_grey_16_bit_palette_and_alpha(tmp_path):
    grey = PICTURE[..., 0]
    assert np.array_equal(read_image(save(tmp_path / "g.png", grey)), np.dstack([grey] * 3))
    deep = grey.astype(np.uint16) * 257
    assert np.array_equal(read_image(save(tmp_path / "d.png", deep)), np.dstack([grey] * 3))
    alpha = np.dstack([PICTURE, PICTURE[..., 1]])
    assert np.array_equal(read_image(save(tmp_path / "a.png", alpha)), PICTURE)
    path = save(tmp_path / "p.png", grey, "P")
    assert np.array_equal(read_image(path), np.asarray(Image.open(path).convert("RGB")))


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "webp", "tif"])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.97])
def test_a_picture_that_is_cut_short_is_refused_in_one_line(tmp_path, suffix, share):
    data = save(tmp_path / f"whole.{suffix}", PICTURE).read_bytes()
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(data[: max(1, int(len(data) * share))])
    with pytest.raises(VideoError, match=rf"cut\.{suffix}") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"), [(None, "No such file"), (b"", "empty"), (b"text", "not a picture")]
)
def test_what_is_no_picture(tmp_path, content, message):
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VideoError, match=message):
        read_image(path)


def test_a_small_file_that_claims_a_huge_picture_is_not_decoded(tmp_path):
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    bomb = png.SIGNATURE + b"".join(
        png._chunk(kind, body)
        for kind, body in (
            (b"IHDR", header),
            (b"IDAT", zlib.compress(bytes(1000))),
            (b"IEND", b""),
        )
    )
    (tmp_path / "bomb.png").write_bytes(bomb)
    with pytest.raises(VideoError, match="60000x60000 are over the limit of 256 megapixels"):
        read_image(tmp_path / "bomb.png")


@pytest.mark.parametrize("suffix", ["PNG", "JPEG", "BMP", "WEBP", "TIFF"])
@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"progressive": True}])
@given(height=st.integers(1, 300), width=st.integers(1, 300))
def test_the_size_is_read_from_the_header(suffix, options, height, width):
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, suffix, **options)
    assert claimed_size(file.getvalue()) == (height, width)


def test_the_size_of_a_webp_with_an_extended_header():
    file = io.BytesIO()
    Image.new("RGBA", (301, 17), (1, 2, 3, 4)).save(file, "WEBP", exif=b"Exif\0\0II*\0" + bytes(20))
    assert file.getvalue()[12:16] == b"VP8X"
    assert claimed_size(file.getvalue()) == (17, 301)


# Masks -------------------------------------------------------------------------------------------


@given(ids=arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_palette_indices_are_kept(tmp_path_factory, ids):
    ids[0, 0] = 7
    path = save(tmp_path_factory.getbasetemp() / "mask.png", ids, "P")
    labels = read_mask(path, ids.shape)
    assert labels.dtype == np.int32
    assert np.array_equal(labels, ids)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_palettes_of_few_bits(tmp_path, bits):
    ids = RNG.integers(0, 2**bits, (9, 13)).astype(np.uint8)
    path = save(tmp_path / "mask.png", ids, "P", bits=bits)
    assert path.read_bytes()[24] == bits
    assert np.array_equal(read_mask(path, (9, 13)), ids)


def test_a_palette_with_transparency(tmp_path):
    ids = RNG.integers(0, 5, (9, 13)).astype(np.uint8)
    path = save(tmp_path / "mask.png", ids, "P", transparency=0)
    assert np.array_equal(read_mask(path, (9, 13)), ids)


def test_a_palette_keeps_255_as_an_id(tmp_path):
    ids = np.where(np.eye(8), 255, 0).astype(np.uint8)
    assert np.array_equal(read_mask(save(tmp_path / "m.png", ids, "P"), (8, 8)), ids)


@pytest.mark.parametrize("white", [1, 255])
def test_a_binary_mask_is_object_1(tmp_path, white):
    mask = np.where(np.eye(8), white, 0).astype(np.uint8)
    assert np.array_equal(read_mask(save(tmp_path / "m.png", mask), (8, 8)), np.eye(8))
    rgb = np.dstack([mask] * 3)
    assert np.array_equal(read_mask(save(tmp_path / "rgb.png", rgb), (8, 8)), np.eye(8))
    rgba = np.dstack([rgb, np.full((8, 8), 255, np.uint8)])
    assert np.array_equal(read_mask(save(tmp_path / "rgba.png", rgba), (8, 8)), np.eye(8))


def test_a_binary_mask_of_one_bit_or_of_sixteen_is_object_1(tmp_path):
    path = save(tmp_path / "1.png", np.eye(8, dtype=bool))
    assert path.read_bytes()[24] == 1
    assert np.array_equal(read_mask(path, (8, 8)), np.eye(8))
    path = save(tmp_path / "16.png", (np.eye(8) * 65535).astype(np.uint16))
    assert np.array_equal(read_mask(path, (8, 8)), np.eye(8))


def test_several_grey_levels_are_ids(tmp_path):
    ids = RNG.integers(0, 4, (9, 13)).astype(np.uint8) * 60
    assert np.array_equal(read_mask(save(tmp_path / "m.png", ids), (9, 13)), ids)


@given(
    ids=arrays.arrays(np.uint16, (6, 7), elements=st.integers(0, 65534)),
)
def test_ids_over_255_are_16_bit_grey(tmp_path_factory, ids):
    ids[0, 0] = 300
    path = save(tmp_path_factory.getbasetemp() / "deep.png", ids)
    assert np.array_equal(read_mask(path, (6, 7)), ids)


def test_an_interlaced_mask(tmp_path):
    """Adam7, written by hand: one pass for each pixel's place; Pillow only reads it."""
    ids = RNG.integers(0, 9, (8, 8)).astype(np.uint8)
    passes = [
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    ]
    rows = b"".join(
        b"\0" + row.tobytes() for y, x, down, right in passes for row in ids[y::down, x::right]
    )
    data = png.SIGNATURE + b"".join(
        png._chunk(kind, body)
        for kind, body in (
            (b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 3, 0, 0, 1)),
            (b"PLTE", bytes(range(27))),
            (b"IDAT", zlib.compress(rows)),
            (b"IEND", b""),
        )
    )
    path = tmp_path / "m.png"
    path.write_bytes(data)
    assert np.array_equal(np.asarray(Image.open(path)), ids)
    assert np.array_equal(read_mask(path, (8, 8)), ids)


def test_masks_that_cannot_be_used(tmp_path):
    def refused(message, path, size_hw=(20, 30)):
        with pytest.raises(PromptError, match=message) as caught:
            read_mask(path, size_hw)
        assert "\n" not in str(caught.value)

    ids = RNG.integers(0, 3, (20, 30)).astype(np.uint8)
    whole = save(tmp_path / "m.png", ids, "P")
    refused("the mask is 30x20, the picture 20x30", whole, (30, 20))
    refused("the mask is empty", save(tmp_path / "e.png", ids * 0))
    refused("the mask is empty", save(tmp_path / "p.png", ids * 0, "P"))
    refused("the mask is in colours", save(tmp_path / "c.png", PICTURE))
    half = np.dstack([np.dstack([ids] * 3), ids])
    refused("transparent parts", save(tmp_path / "t.png", half))
    soft = np.linspace(0, 255, 600).reshape(20, 30).astype(np.uint8)
    refused("looks like one soft edge", save(tmp_path / "s.png", soft))
    refused("not a PNG; save the mask as a PNG", save(tmp_path / "m.jpg", ids))
    refused("No such file", tmp_path / "missing.png")
    (tmp_path / "empty.png").write_bytes(b"")
    refused("the file is empty", tmp_path / "empty.png")
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:-16])
    refused("cut short", tmp_path / "cut.png")
    data = bytearray(whole.read_bytes())
    data[-20] ^= 1
    (tmp_path / "bad.png").write_bytes(data)
    refused("damaged", tmp_path / "bad.png")


# Hostile bytes -----------------------------------------------------------------------------------


@given(data=st.binary(max_size=300))
def test_headers_of_anything_never_break_the_readers(data):
    for start in (b"", b"\xff\xd8", b"BM", b"II*\0", b"MM\0*", b"RIFF\0\0\0\0WEBPVP8X", b"\x89PNG"):
        claimed_size(start + data)
    for start in (b"", png.SIGNATURE):
        try:
            png.samples(start + data)
        except png.BadPng:
            pass


@given(data=st.binary(max_size=300), place=st.integers(0, 3000), value=st.integers(0, 255))
def test_damaged_structures_never_break_the_checks(tmp_path_factory, data, place, value):
    path = tmp_path_factory.getbasetemp() / "damaged.mp4"
    starts = (b"\0\0\0\x08ftyp", b"\x1a\x45\xdf\xa3", b"RIFF", b"\0\0\x01\0moov\0\0\0\x20trak")
    for start in starts:
        content = bytearray(start + data)
        content[place % len(content)] = value
        path.write_bytes(content)
        for container in (containers.MP4, containers.MATROSKA, containers.AVI):
            containers.is_cut_short(path, container)
        containers.shows_all_of_its_samples(path)


@given(flips=st.lists(st.tuples(st.floats(0, 0.2), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_damaged_index_never_breaks_the_checks(tmp_path_factory, clip, flips):
    data = bytearray(clip("faststart.mp4").read_bytes())
    for share, value in flips:
        data[int(share * len(data))] = value
    path = tmp_path_factory.getbasetemp() / "flipped.mp4"
    path.write_bytes(data)
    containers.is_cut_short(path, containers.MP4)
    containers.shows_all_of_its_samples(path)
