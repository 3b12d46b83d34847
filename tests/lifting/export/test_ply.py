"""PLY: what we write other programs read, what they write we read, and lies are refused."""

from __future__ import annotations

import tracemalloc

import numpy as np
import plyfile
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifting.export import read_ply, read_up, write_objects, write_ply
from lifting.types import LabelledCloud
from propagate.errors import OutputError, SceneError

HEADER = "ply\nformat binary_little_endian 1.0\nelement vertex {}\n{}end_header\n"
PLACE = "property float x\nproperty float y\nproperty float z\n"


def made(count=50, seed=0, colours=True):
    random = np.random.default_rng(seed)
    return LabelledCloud(
        random.normal(size=(count, 3)).astype(np.float32),
        random.choice([0, 1, 7, 70_000], count).astype(np.int32),
        random.random(count).astype(np.float32),
        random.integers(0, 256, (count, 3)).astype(np.uint8) if colours else None,
        random.integers(0, 30, count).astype(np.int32),
    )


def same(one, other):
    assert np.array_equal(one.points, other.points)
    assert np.array_equal(one.labels, other.labels)
    assert np.array_equal(one.confidence, other.confidence)
    assert np.array_equal(one.view_counts, other.view_counts)
    assert (one.colours is None) == (other.colours is None)
    assert one.colours is None or np.array_equal(one.colours, other.colours)


@pytest.mark.parametrize("colours", [True, False])
@pytest.mark.parametrize("count", [0, 1, 1000])
def test_what_is_written_is_read(tmp_path, count, colours):
    cloud = made(count, colours=colours)
    write_ply(tmp_path / "a.ply", cloud)
    same(read_ply(tmp_path / "a.ply"), cloud)
    assert [path.name for path in tmp_path.iterdir()] == ["a.ply"]


def test_plyfile_reads_it(tmp_path):
    cloud = made()
    write_ply(tmp_path / "a.ply", cloud)
    rows = plyfile.PlyData.read(str(tmp_path / "a.ply"))["vertex"]
    assert np.array_equal(np.c_[rows["x"], rows["y"], rows["z"]], cloud.points)
    assert np.array_equal(np.c_[rows["red"], rows["green"], rows["blue"]], cloud.colours)
    assert np.array_equal(rows["label"], cloud.labels)
    assert np.array_equal(rows["confidence"], cloud.confidence)
    assert np.array_equal(rows["view_count"], cloud.view_counts)


def test_open3d_reads_it_and_we_read_open3ds(tmp_path):
    open3d = pytest.importorskip("open3d")
    cloud = made()
    write_ply(tmp_path / "a.ply", cloud)
    theirs = open3d.t.io.read_point_cloud(str(tmp_path / "a.ply"))
    assert np.array_equal(theirs.point.positions.numpy(), cloud.points)
    assert np.array_equal(theirs.point.colors.numpy(), cloud.colours)
    assert np.array_equal(theirs.point.label.numpy().ravel(), cloud.labels)
    assert np.allclose(theirs.point.confidence.numpy().ravel(), cloud.confidence)
    for text in (False, True):
        path = tmp_path / f"{text}.ply"
        assert open3d.t.io.write_point_cloud(str(path), theirs, write_ascii=text)
        again = read_ply(path)
        assert np.allclose(again.points, cloud.points, atol=1e-5)
        assert np.array_equal(again.labels, cloud.labels)
        assert np.array_equal(again.colours, cloud.colours)


@pytest.mark.parametrize(("text", "order"), [(True, "="), (False, "<"), (False, ">")])
def test_all_forms_of_plyfile_with_other_elements_around(tmp_path, text, order):
    rows = np.array(
        [(1.5, 2, -3, 9, 0.25), (4, 5, 6, -1, 0.5)],
        [("x", "f8"), ("y", "f8"), ("z", "f8"), ("other", "i2"), ("confidence", "f4")],
    )
    before = np.array([(1, 2.0)] * 3, [("a", "u1"), ("b", "f8")])
    faces = np.array([([0, 1, 1],)], [("vertex_indices", "i4", (3,))])
    elements = [
        plyfile.PlyElement.describe(values, name)
        for name, values in (("camera", before), ("vertex", rows), ("face", faces))
    ]
    plyfile.PlyData(elements, text=text, byte_order=order).write(str(tmp_path / "a.ply"))
    cloud = read_ply(tmp_path / "a.ply")
    assert np.array_equal(cloud.points, [[1.5, 2, -3], [4, 5, 6]])
    assert np.array_equal(cloud.confidence, np.float32([0.25, 0.5]))
    assert cloud.labels.tolist() == [0, 0]
    assert cloud.colours is None


def test_colours_as_floats(tmp_path):
    rows = np.zeros(2, [(name, "f4") for name in ("x", "y", "z", "red", "green", "blue")])
    rows["red"] = [0.5, 1.0]
    element = plyfile.PlyElement.describe(rows, "vertex")
    plyfile.PlyData([element]).write(str(tmp_path / "a.ply"))
    assert read_ply(tmp_path / "a.ply").colours.tolist() == [[128, 0, 0], [255, 0, 0]]


def test_one_file_an_object(tmp_path):
    cloud = made(200)
    paths = write_objects(tmp_path / "objects", cloud)
    names = [path.name for path in paths]
    assert names == ["object_00001.ply", "object_00007.ply", "object_70000.ply"]
    for path, key in zip(paths, (1, 7, 70_000), strict=True):
        same(read_ply(path), cloud.select(cloud.labels == key))


BAD = {
    "not PLY": (b"PK\x03\x04 something", "not a PLY file"),
    "empty": (b"", "not a PLY file"),
    "no end": (b"ply\nformat ascii 1.0\nelement vertex 3\n", "cut short"),
    "no format": (b"ply\nelement vertex 0\nend_header\n", "no 'format' line"),
    "unknown format": (b"ply\nformat binary_middle 1.0\nend_header\n", "unknown format"),
    "no vertex": (b"ply\nformat ascii 1.0\nelement face 0\nend_header\n", "no element 'vertex'"),
    "orphan": (b"ply\nformat ascii 1.0\nproperty float x\nend_header\n", "before its first"),
    "count": (HEADER.format("-4", PLACE).encode(), "names no count"),
    "count of words": (HEADER.format("many", PLACE).encode(), "names no count"),
    "type": (HEADER.format(1, "property quaternion x\n").encode(), "no known type"),
    "twice": (HEADER.format(1, PLACE + "property float x\n").encode(), "there twice"),
    "no place": (HEADER.format(0, "property float red\n").encode(), "no x, y and z"),
    "nothing at all": (HEADER.format(2**32, "").encode(), "no x, y and z"),
    "list": (
        HEADER.format(1, PLACE + "property list uchar int n\n").encode(),
        "lists in or before",
    ),
    "4 billion": (HEADER.format(2**32, PLACE).encode() + bytes(24), "51539607552 bytes, 24"),
    "more than any integer": (HEADER.format(10**30, PLACE).encode() + bytes(24), "cut short"),
    "4 billion of something else": (
        b"ply\nformat binary_little_endian 1.0\nelement extra 4294967296\nproperty double a\n"
        b"element vertex 1\n" + PLACE.encode() + b"end_header\n" + bytes(12),
        "cut short",
    ),
    "4 billion lines": (
        HEADER.format(2**32, PLACE).replace("binary_little_endian", "ascii").encode() + b"1 2 3\n",
        "cut short",
    ),
    "truncated": (HEADER.format(3, PLACE).encode() + bytes(30), "36 bytes, 30 are there"),
    "truncated text": (
        HEADER.format(2, PLACE).replace("binary_little_endian", "ascii").encode()
        + b"1.0000 2.0000 3.0000\n",
        "cut short",
    ),
    "words": (
        HEADER.format(1, PLACE).replace("binary_little_endian", "ascii").encode() + b"1 2 north\n",
        "no table of numbers",
    ),
    "NaN": (
        HEADER.format(1, PLACE).encode() + np.float32([1, np.nan, 2]).tobytes(),
        "NaN or infinity",
    ),
    "half labels": (
        HEADER.format(1, PLACE + "property float label\n").encode()
        + np.float32([1, 2, 3, 0.5]).tobytes(),
        "whole numbers",
    ),
    "a long header": (b"ply\n" + b"comment x\n" * 20_000, "cut short"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_files_are_refused_in_one_line_and_cost_nothing(tmp_path, what):
    data, message = BAD[what]
    path = tmp_path / "bad.ply"
    path.write_bytes(data)
    tracemalloc.start()
    with pytest.raises(SceneError) as caught:
        read_ply(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert message in str(caught.value)
    assert "bad.ply" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert peak < 2_000_000


@given(data=st.binary(max_size=300), cut=st.integers(0, 400), place=st.integers(0, 399))
def test_no_damage_brings_anything_but_a_clear_error(tmp_path_factory, data, cut, place):
    path = tmp_path_factory.mktemp("damage") / "a.ply"
    write_ply(path, made(5))
    whole = path.read_bytes()
    path.write_bytes((whole[:place] + data + whole[place + len(data) :])[:cut])
    try:
        read_ply(path)
    except SceneError as error:
        assert "\n" not in str(error)


def test_a_missing_file_and_a_missing_folder(tmp_path):
    with pytest.raises(SceneError, match="cannot be read"):
        read_ply(tmp_path / "none.ply")
    with pytest.raises(OutputError, match="cannot be written"):
        write_ply(tmp_path / "no" / "a.ply", made())


def test_which_way_is_up_comes_back(tmp_path):
    up = np.array([-0.07, -0.996, 0.05])
    write_ply(tmp_path / "a.ply", made(), up=up)
    np.testing.assert_allclose(read_up(tmp_path / "a.ply"), up)
    assert len(read_ply(tmp_path / "a.ply")) == len(made())
    (path, *_) = write_objects(tmp_path / "objects", made(), up=up)
    np.testing.assert_allclose(read_up(path), up)
    write_ply(tmp_path / "b.ply", made())
    assert read_up(tmp_path / "b.ply") is None


@pytest.mark.parametrize("remark", ["up and away", "up 1 2", "up 0 0 0", "up nan 0 1", "made up"])
def test_what_another_program_remarks_is_no_direction(tmp_path, remark):
    write_ply(tmp_path / "a.ply", made(), up=(0, 1, 0))
    whole = (tmp_path / "a.ply").read_bytes()
    (tmp_path / "b.ply").write_bytes(whole.replace(b"up 0 1 0", remark.encode()))
    assert read_up(tmp_path / "b.ply") is None
    assert len(read_ply(tmp_path / "b.ply")) == len(made())


def test_an_up_that_is_none_is_refused(tmp_path):
    with pytest.raises(SceneError, match="direction"):
        write_ply(tmp_path / "a.ply", made(), up=(0, 0, 0))
    assert not list(tmp_path.iterdir())
