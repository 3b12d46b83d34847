"""Reading data sets laid out like DAVIS; what is wrong with one is said in a line."""

from __future__ import annotations

import shutil
import tarfile

import cv2
import numpy as np
import pytest

from propagate.errors import InputError
from propagate.evaluation.davis import open_davis
from propagate.export.png import encode_png


def test_sequences_are_found_and_can_be_chosen(data_set):
    assert [one.name for one in open_davis(data_set)] == ["one", "two"]
    assert [one.name for one in open_davis(data_set, ["two"])] == ["two"]


@pytest.mark.parametrize("name", ["one", "two"])
def test_the_truth_is_what_was_written(data_set, videos, name):
    (sequence,) = open_davis(data_set, [name])
    assert len(sequence.annotated) == 9
    for frame in sequence.video():
        truth = videos[name].result(frame.index).label_map()
        assert np.array_equal(sequence.truth(frame.stem), truth)
    assert sequence.truth("99999") is None


def test_the_folder_of_the_resolution_may_be_absent(data_set, tmp_path):
    for kind in ("JPEGImages", "Annotations"):
        shutil.copytree(data_set / kind / "480p", tmp_path / kind)
    assert [one.name for one in open_davis(tmp_path)] == ["one", "two"]


def test_beside_ids_255_is_do_not_care(data_set, tmp_path):
    shutil.copytree(data_set, tmp_path / "set")
    labels = np.zeros((64, 96), np.uint8)
    labels[:9], labels[20:30], labels[40:] = 1, 2, 255
    path = tmp_path / "set" / "Annotations" / "480p" / "two" / "00000.png"
    path.write_bytes(encode_png(labels))
    (sequence,) = open_davis(tmp_path / "set", ["two"])
    assert np.array_equal(sequence.truth("00000"), np.where(labels == 255, 0, labels))


def test_an_unknown_sequence_names_the_nearest(data_set):
    with pytest.raises(InputError, match="no sequence 'tow'.*two.*there are: one, two"):
        open_davis(data_set, ["tow"])


def test_an_archive_is_to_be_unpacked(data_set, tmp_path):
    path = tmp_path / "davis.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(data_set, "DAVIS")
    with pytest.raises(InputError, match=r"davis\.tar is a file; unpack it"):
        open_davis(path)


@pytest.mark.parametrize(
    ("remove", "message"),
    [
        ("Annotations", "no folder 'Annotations'"),
        ("JPEGImages", "no folder 'JPEGImages'"),
        ("JPEGImages/480p/two", "'two' has masks but no pictures"),
    ],
)
def test_a_missing_half_is_named(data_set, tmp_path, remove, message):
    shutil.copytree(data_set, tmp_path / "set")
    shutil.rmtree(tmp_path / "set" / remove)
    with pytest.raises(InputError, match=message):
        open_davis(tmp_path / "set")


def test_folders_without_sequences_or_masks_are_named(tmp_path):
    for kind in ("JPEGImages", "Annotations"):
        (tmp_path / kind).mkdir()
    with pytest.raises(InputError, match="no sequences"):
        open_davis(tmp_path)
    for kind in ("JPEGImages", "Annotations"):
        (tmp_path / kind / "cat").mkdir()
    with pytest.raises(InputError, match="no PNG masks"):
        open_davis(tmp_path)


@pytest.mark.parametrize("kind", ["colours", "damaged"])
def test_a_mask_that_cannot_be_read_is_named(data_set, tmp_path, kind):
    shutil.copytree(data_set, tmp_path / "set")
    path = tmp_path / "set" / "Annotations" / "480p" / "two" / "00003.png"
    if kind == "colours":
        cv2.imwrite(str(path), np.full((64, 96, 3), (9, 0, 200), np.uint8))
    else:
        path.write_bytes(path.read_bytes()[:-20])
    (sequence,) = open_davis(tmp_path / "set", ["two"])
    with pytest.raises(InputError, match=r"00003\.png: .*save it|save the mask"):
        sequence.truth("00003")


def test_the_real_thing(shared_data, tmp_path):
    with tarfile.open(shared_data / "davis-dev" / "davis-dev.tar") as archive:
        wanted = [one for one in archive if "/libby/0000" in one.name]
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # from Python 3.11.4 on
        archive.extractall(tmp_path, wanted)
    top = next(path.parent for path in tmp_path.rglob("Annotations"))
    (sequence,) = open_davis(top)
    frames = list(sequence.video())
    assert (sequence.name, len(frames), frames[0].size_hw) == ("libby", 10, (480, 854))
    truth = sequence.truth("00000")
    assert truth.shape == (480, 854) and np.unique(truth).tolist() == [0, 1]
