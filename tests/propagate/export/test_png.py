"""The PNG encoder, judged by readers that others wrote."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays
from PIL import Image

from propagate import plugins
from propagate.errors import OutputError
from propagate.export import Run
from propagate.export.png import davis_palette, encode_png
from propagate.types import Frame, FrameResult, Mask, Missing
from propagate.videos.images import read_mask

SIDES = arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40)


def save(tmp_path, data):
    path = tmp_path / "labels.png"
    path.write_bytes(data)
    return path


@given(labels=arrays.arrays(np.uint8, SIDES))
def test_a_palette_png_holds_the_ids_as_indices(labels, tmp_path_factory):
    path = save(tmp_path_factory.getbasetemp(), encode_png(labels))
    with Image.open(path) as image:
        assert image.mode == "P"
        assert np.array_equal(np.asarray(image), labels)
    shown = cv2.imread(str(path))[..., ::-1]
    assert np.array_equal(shown, davis_palette()[labels])


@given(labels=arrays.arrays(np.uint16, SIDES))
def test_a_wide_png_is_16_bit_grey(labels, tmp_path_factory):
    path = save(tmp_path_factory.getbasetemp(), encode_png(labels.astype(np.int32), wide=True))
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image), labels)
    read = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert read.dtype == np.uint16 and np.array_equal(read, labels)


def test_the_palette_begins_with_the_colours_that_davis_prints():
    first = [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128], [128, 0, 128]]
    assert davis_palette()[:6].tolist() == first
    assert len(np.unique(davis_palette(), axis=0)) == 256


@pytest.mark.parametrize(
    ("labels", "wide"),
    [([[256]], False), ([[-1]], False), ([[65536]], True), (np.zeros((0, 3), int), False)],
)
def test_what_does_not_fit_is_refused(labels, wide):
    with pytest.raises(OutputError, match="ids 0"):
        encode_png(np.array(labels), wide=wide)


def result(*ids, index=0, stem=None, missing=()):
    masks = tuple(Mask(one, np.eye(20, 30, k=place, dtype=bool)) for place, one in enumerate(ids))
    gone = {one: Missing(one, "absent", "left the picture") for one in missing}
    return FrameResult(index, None, (20, 30), masks, gone, stem)


def write(folder, *results, run=None):
    writer = plugins.build("propagate.export", "png").open(folder, run or Run())
    for one in results:
        writer.write(Frame(one.index, np.zeros((20, 30, 3), np.uint8), stem=one.stem), one)
    writer.close()
    return folder / "masks"


def mode(path):
    with Image.open(path) as image:
        return image.mode


def test_frames_are_named_by_index_or_by_the_sources_own_name(tmp_path):
    folder = write(tmp_path, result(1), result(1, index=7), result(2, index=8, stem="shot_0008"))
    assert sorted(p.name for p in folder.iterdir()) == ["00000.png", "00007.png", "shot_0008.png"]
    assert np.array_equal(read_mask(folder / "shot_0008.png", (20, 30)), result(2).label_map())


def test_a_frame_without_objects_still_has_its_file(tmp_path):
    folder = write(tmp_path, result(), result(index=1, missing=[3]))
    for name in ("00000.png", "00001.png"):
        with Image.open(folder / name) as image:
            assert image.size == (30, 20) and not np.asarray(image).any()


def test_an_id_over_255_makes_the_whole_folder_16_bit(tmp_path):
    run = Run(object_ids=(1, 300))
    folder = write(tmp_path, result(1), result(1, 300, index=1), result(1, index=2), run=run)
    assert {mode(path) for path in folder.iterdir()} == {"I;16"}
    assert read_mask(folder / "00001.png", (20, 30)).max() == 300


def test_an_object_that_is_hidden_keeps_its_folder_16_bit(tmp_path):
    folder = write(tmp_path, result(1, 300), result(1, index=1, missing=[300]))
    assert {mode(path) for path in folder.iterdir()} == {"I;16"}


def test_an_id_that_no_png_holds_is_one_clear_line(tmp_path):
    with pytest.raises(OutputError, match="70000 does not fit a PNG; use ids up to 65535"):
        write(tmp_path, result(70000))


def test_only_whole_files_are_left_where_writing_fails(tmp_path):
    write(tmp_path, result(1))
    (tmp_path / "masks" / "00001.png").mkdir()
    with pytest.raises(OutputError, match="00001.png: cannot be written"):
        write(tmp_path, result(1, index=1))
    left = sorted(path.name for path in (tmp_path / "masks").iterdir())
    assert left == ["00000.png", "00001.png"]


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path):
    (tmp_path / "masks").write_text("in the way")
    with pytest.raises(OutputError, match="masks: the folder cannot be made"):
        write(tmp_path, result(1))
