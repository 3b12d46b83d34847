"""Damaged, lying and incomplete scenes: one clear line each, no memory for claims."""

from __future__ import annotations

import json
import struct
import tracemalloc
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

import lifting
from propagate.errors import ConfigError, SceneError
from tests.lifting.formats.writers import (
    WRITERS,
    as_colmap,
    as_plain,
    as_scannet,
    as_sevenscenes,
    as_transforms,
    as_tum,
    write_depth,
    write_text,
)

DATA = Path(__file__).parent / "data"
FOUR_BILLION = 4_000_000_000


def refused(scene, *words, read=True):
    """Opening, and reading every view, ends in one line with these words."""
    with pytest.raises(SceneError) as caught:
        views = lifting.open_views(scene)
        views.cloud()
        if read:
            list(views)
    line = str(caught.value)
    assert "\n" not in line
    for word in words:
        assert word in line, line


@pytest.fixture
def model(tmp_path):
    """A binary model that pycolmap wrote, to be damaged."""
    for path in (DATA / "colmap_binary").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.mark.parametrize("name", ["cameras", "images", "points3D"])
def test_binary_models_that_are_cut_short_anywhere(name, model):
    path = model / f"{name}.bin"
    whole = path.read_bytes()
    for end in [0, 4, 8, 12, *range(20, len(whole), 97), len(whole) - 1]:
        path.write_bytes(whole[:end])
        refused(model, f"{name}.bin", read=False)


@pytest.mark.parametrize("name", ["cameras", "images", "points3D"])
@pytest.mark.parametrize("count", [FOUR_BILLION, 2**63])
def test_binary_models_that_claim_billions_of_entries(name, count, model):
    path = model / f"{name}.bin"
    path.write_bytes(struct.pack("<Q", count) + path.read_bytes()[8:])
    tracemalloc.start()
    refused(model, f"{name}.bin: claims {count} entries", read=False)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


def test_an_image_that_claims_billions_of_points(model):
    data = (model / "images.bin").read_bytes()
    at = data.index(b"\0", 8 + 64) + 1
    (model / "images.bin").write_bytes(data[:at] + struct.pack("<Q", FOUR_BILLION) + data[at + 8 :])
    refused(model, "images.bin: cut short")


def test_a_camera_model_that_is_not_known(model):
    data = (model / "cameras.bin").read_bytes()
    for number, words in ((99, "number 99"), (5, "fisheye (OPENCV_FISHEYE)"), (7, "FOV")):
        changed = data[:12] + struct.pack("<i", number) + data[16:]
        (model / "cameras.bin").write_bytes(changed + b"\0" * 96)
        refused(model, words)


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("cameras.txt", " PINHOLE ", " CUBE ", "known are SIMPLE_PINHOLE, PINHOLE"),
        ("cameras.txt", " PINHOLE ", " OPENCV ", "OPENCV has 8 parameters, got 4"),
        ("cameras.txt", "80 60 ", "80 60 0 0 ", "PINHOLE has 4 parameters, got 6"),
        ("cameras.txt", "80 60", "80 0", "size_hw must be 1 or more"),
        ("cameras.txt", "80 60", "8000000000 6000000000", "too many pixels"),
        ("cameras.txt", "80 60", "40 30", "principal point"),
        ("cameras.txt", "1 PINHOLE", "one PINHOLE", "cameras.txt, line 2"),
        ("cameras.txt", "1 PINHOLE", "7 PINHOLE", "is of camera 1, not listed"),
        ("images.txt", "1 ", "", "images.txt, line 2"),
        ("images.txt", " 1 0.png", " 1", "images.txt, line 2"),
        ("images.txt", "0.", "zero.", "images.txt, line 2"),
    ],
)
def test_text_models_that_are_wrong(file, old, new, words, tmp_path, shown):
    path = as_colmap(tmp_path, shown) / "sparse" / file
    path.write_text(path.read_text().replace(old, new, 1))
    refused(tmp_path, words)


@pytest.mark.parametrize("name", WRITERS)
def test_zero_intrinsics(name, written):
    folder = written(name)
    if name == "colmap":
        (folder / "sparse/cameras.txt").write_text("1 PINHOLE 80 60 0 0 40 30\n")
    elif name in ("transforms-json", "plain"):
        path = next(folder.glob("*.json"))
        text = path.read_text()
        for key in ("fl_x", "fl_y", "fx", "fy"):
            text = text.replace(f'"{key}": ', f'"{key}": 0, "old_{key}": ')
        values = json.loads(text)
        for key in ("old_fx", "old_fy"):
            values.get("camera", {}).pop(key, None)
        path.write_text(json.dumps(values))
    elif name == "tum":
        (folder / "intrinsics.txt").write_text("0 0 0 0")
    else:
        for path in [*folder.glob("intrinsic/*.txt"), *folder.glob("camera-intrinsics.txt")]:
            write_text(path, np.zeros((3, 3)))
    refused(folder, "focal lengths must be above 0")


@pytest.mark.parametrize("name", WRITERS)
def test_poses_that_are_all_nan(name, written):
    folder = written(name)
    nan = [[float("nan")] * 4] * 4
    if name in ("transforms-json", "plain"):
        path = next(folder.glob("*.json"))
        values = json.loads(path.read_text())
        for one in values.get("frames", values.get("views")):
            one["transform_matrix" if "frames" in values else "world_T_cam"] = nan
        path.write_text(json.dumps(values))
    elif name == "tum":
        rows = [f"{1305031102.0 + n / 30:.4f}" + " nan" * 7 for n in range(5)]
        (folder / "groundtruth.txt").write_text("\n".join(rows))
    elif name == "colmap":
        rows = [f"{n + 1}{' nan' * 7} 1 {n}.png\n" for n in range(5)]
        (folder / "sparse/images.txt").write_text("\n".join(rows))
    else:
        for path in [*folder.glob("pose/*.txt"), *folder.glob("*.pose.txt")]:
            write_text(path, nan)
    refused(folder, "none of the 5 poses is a finite rotation and translation")


@pytest.mark.parametrize("name", ["scannet", "sevenscenes"])
def test_a_pose_that_is_missing(name, written):
    folder = written(name)
    next(iter([*folder.glob("pose/2.txt"), *folder.glob("frame-000002.pose.txt")])).unlink()
    refused(folder, "its pose", "2", "is missing")


def test_a_pose_that_is_missing_in_json(tmp_path, shown):
    for make, key, name in (
        (as_transforms, "transform_matrix", "transforms.json"),
        (as_plain, "world_T_cam", "scene.json"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        path = make(folder, shown) / name
        values = json.loads(path.read_text())
        views = values.get("frames", values.get("views"))
        for wrong in (3, [[1, 2], [3, 4]], [[1], [2, 3]], "x", None):
            views[1][key] = wrong
            path.write_text(json.dumps(values))
            refused(folder, key)
        del views[1][key]
        path.write_text(json.dumps(values))
        refused(folder, f"no {key}, the pose")


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "tum"])
def test_depth_that_is_missing(name, written):
    folder = written(name)
    maps = sorted([*folder.rglob("depth/*"), *folder.rglob("d/*"), *folder.rglob("*.depth.png")])
    maps += sorted(folder.rglob("*.geometric.bin"))
    assert len(maps) == 5
    maps[1].unlink()
    views = lifting.open_views(folder)
    assert views.notes == ("1 of 5 views skipped: their depth picture is missing",)
    assert len(list(views)) == 4
    for path in maps:
        path.unlink(missing_ok=True)
    refused(folder, "depth")


@pytest.mark.parametrize("name", WRITERS)
def test_pictures_that_are_damaged(name, written):
    folder = written(name)
    files = [path for path in folder.rglob("*") if path.suffix in (".png", ".bin", ".npy")]
    for path in sorted(files)[::4]:
        whole = path.read_bytes()
        for data in (b"", whole[:20], whole[: len(whole) // 2], b"nothing of the kind" * 9):
            path.write_bytes(data)
            refused(folder, path.name)
        path.write_bytes(whole)


def test_other_kinds_of_pictures_that_are_damaged(tmp_path, shown):
    as_sevenscenes(tmp_path, shown)
    old = tmp_path / "frame-000002.color.png"
    picture = cv2.imread(str(old))
    old.unlink()
    for suffix in (".jpg", ".webp", ".bmp"):
        path = old.with_suffix(suffix)
        assert cv2.imwrite(str(path), picture)
        assert lifting.open_views(tmp_path)[2].image.shape == (60, 80, 3)
        whole = path.read_bytes()
        for end in (40, len(whole) // 2):
            path.write_bytes(whole[:end])
            refused(tmp_path, path.name)
        path.unlink()


def test_pictures_that_claim_more_than_there_is(tmp_path, shown):
    as_sevenscenes(tmp_path, shown)
    path = tmp_path / "frame-000002.depth.png"
    good = path.read_bytes()
    head = b"IHDR" + struct.pack(">II", 60_000, 60_000) + good[24:29]
    check = struct.pack(">I", zlib.crc32(head))
    path.write_bytes(good[:12] + head + check + good[33:])
    refused(tmp_path, "60000 x 60000")
    folder = tmp_path / "plain"
    folder.mkdir()
    as_plain(folder, shown)
    array = folder / "d" / "0.npy"
    said = b"{'descr': '<f4', 'fortran_order': False, 'shape': (65536, 65536), }"
    array.write_bytes((b"\x93NUMPY\x01\x00v\x00" + said).ljust(127) + b"\n" + b"\0" * 64)
    refused(folder, "0.npy", "cut short")
    for shape in ((0, 80), (60, 0), (60,), (60, 80, 2)):
        np.save(array, np.ones(shape, np.float32))
        refused(folder, "0.npy: depth must be one channel")
    np.save(array, np.array([{}], object), allow_pickle=True)
    refused(folder, "0.npy")


def test_a_depth_map_of_colmap_that_claims_more_than_there_is(tmp_path, shown):
    folder = as_colmap(tmp_path, shown) / "stereo" / "depth_maps"
    path = folder / "0.png.geometric.bin"
    for head in (b"80&60&2&", b"800000&600000&1&", b"-80&-60&1&", b"80&60&", b"&&&"):
        path.write_bytes(head + b"\0" * 80 * 60 * 4)
        refused(tmp_path, "0.png.geometric.bin")


def test_depth_that_is_no_depth(tmp_path, shown):
    as_sevenscenes(tmp_path, shown)
    path = tmp_path / "frame-000000.depth.png"
    for picture in (np.zeros((60, 80), np.uint8), np.zeros((60, 80, 3), np.uint16)):
        cv2.imwrite(str(path), picture)
        refused(tmp_path, "frame-000000.depth.png: depth must be one channel")


def test_two_cameras_in_one_folder(tmp_path, shown):
    as_sevenscenes(tmp_path, shown)
    cv2.imwrite(str(tmp_path / "frame-000003.color.png"), np.zeros((30, 40, 3), np.uint8))
    refused(tmp_path, "frame-000003.color.png", "40x30", "80x60", "two cameras are mixed")


def test_depth_of_another_camera(tmp_path, shown):
    as_sevenscenes(tmp_path, shown)
    write_depth(tmp_path / "frame-000001.depth.png", np.ones((42, 51)), 1000)
    refused(tmp_path, "frame-000001.depth.png", "51x42", "another camera")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"frames": []}, "the scene is empty"),
        ({"frames": 3}, 'must have a list "frames"'),
        ({"frames": [3]}, 'must have a list "frames"'),
        ({"frames": [{}]}, "no file_path"),
        ({"camera_model": "OPENCV_FISHEYE"}, "FISHEYE"),
        ({"camera_model": "EQUIRECTANGULAR"}, "EQUIRECTANGULAR"),
        ({"is_fisheye": True}, "fisheye"),
        ({"fl_x": "wide"}, "fl_x must be a finite number"),
        ({"fl_x": float("nan")}, "fl_x must be a finite number"),
        ({"cx": 1e9}, "principal point"),
        ({"w": -80}, "size_hw must be 1 or more"),
        ({"w": 40, "cx": 20}, "two cameras are mixed"),
        ({"k4": 0.1}, "k4"),
        ({"depth_unit_scale_factor": 0}, "above 0"),
    ],
)
def test_transforms_that_are_wrong(change, words, tmp_path, shown):
    path = as_transforms(tmp_path, shown) / "transforms.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    refused(tmp_path, words)


def test_transforms_without_intrinsics(tmp_path, shown):
    path = as_transforms(tmp_path, shown) / "transforms.json"
    values = json.loads(path.read_text())
    del values["fl_x"], values["fl_y"]
    path.write_text(json.dumps(values))
    refused(tmp_path, "no intrinsics")
    for angle in (0, 4, -1):
        path.write_text(json.dumps({**values, "camera_angle_x": angle}))
        refused(tmp_path, "camera_angle_x must be between 0 and pi")


@pytest.mark.parametrize("text", ["", "{", "[1]", "{}", "\0\0", "[" * 100_000])
@pytest.mark.parametrize("name", ["transforms.json", "scene.json"])
def test_json_that_is_none(name, text, tmp_path):
    (tmp_path / name).write_text(text)
    refused(tmp_path, name)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"views": []}, "the scene is empty"),
        ({"version": 2}, '"version": 1'),
        ({"axes": "blender"}, "axes must be"),
        ({"pixel_centres": 1}, "pixel_centres must be"),
        ({"depth_scale": 0}, "depth_scale must be above 0"),
        ({"camera": None}, "has no camera"),
        ({"camera": {"fx": 1}}, "fy must be a finite number"),
        ({"cameras": {}}, "did you mean 'camera'"),
        ({"views": [{"image": 3, "world_T_cam": np.eye(4).tolist()}]}, "path of a file"),
        ({"views": [{"images": "x", "world_T_cam": []}]}, "did you mean 'image'"),
    ],
)
def test_plain_scenes_that_are_wrong(change, words, tmp_path, shown):
    path = as_plain(tmp_path, shown) / "scene.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    refused(tmp_path, words)


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("rgb.txt", "# nothing\n", "rgb.txt: the list is empty"),
        ("depth.txt", "1305031102.0", "depth.txt, line 1: must have 2 words"),
        ("groundtruth.txt", "1 2 3", "groundtruth.txt, line 1: must have 8 words"),
        ("groundtruth.txt", "1 2 3 4 5 6 7 x", "groundtruth.txt: must hold numbers"),
        ("groundtruth.txt", "1 0 0 0 0 0 0 1", "none of the 5 poses"),
        ("groundtruth.txt", "1305031102.0 0 0 0 0 0 0 0", "none of the 5 poses"),
        ("depth.txt", "1 depth/0.png", "no picture has depth within"),
        ("rgb.txt", "now rgb/0.png", "a stamp is no number"),
        ("intrinsics.txt", "1 2 3", "intrinsics.txt: must hold"),
        ("intrinsics.txt", "a b c d", "intrinsics.txt: must hold numbers only"),
    ],
)
def test_tum_lists_that_are_wrong(file, text, words, tmp_path, shown):
    (as_tum(tmp_path, shown) / file).write_text(text)
    refused(tmp_path, words)


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (["color", "depth"], ("'scannet'", "lacks pose/", "intrinsic_color")),
        (["rgb.txt", "depth.txt"], ("'tum'", "lacks groundtruth.txt")),
        (["frame-000000.color.png"], ("'sevenscenes'", "lacks frame-….depth.png")),
        (["sparse/cameras.txt"], ("'colmap'", "lacks images.bin or images.txt")),
        (["holiday.txt"], ("no scene of a known format", "colmap", "plain")),
        ([], ("no scene of a known format",)),
    ],
)
def test_what_is_missing_for_the_nearest_format(pieces, words, tmp_path):
    for piece in pieces:
        path = tmp_path / piece
        if piece in ("color", "depth"):
            path = path / "0.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    refused(tmp_path, *words)


def test_a_scene_that_may_be_of_two_formats(tmp_path, shown):
    as_transforms(tmp_path, shown)
    as_colmap(tmp_path, shown)
    refused(tmp_path, "colmap and transforms-json", "--format")
    assert lifting.open_views(tmp_path, "colmap").format == "colmap"


def test_words_that_make_no_sense(tmp_path, shown):
    folder = as_scannet(tmp_path, shown)
    with pytest.raises(SceneError, match="no such file or folder"):
        lifting.open_views(tmp_path / "no")
    with pytest.raises(ConfigError, match="did you mean 'colmap'"):
        lifting.open_views(folder, "colmaps")
    with pytest.raises(ConfigError, match="every must be 1 or more"):
        lifting.open_views(folder, every=0)
    with pytest.raises(ConfigError, match="did you mean 'metres_per_unit'"):
        lifting.open_views(folder, "scannet", options={"meters_per_unit": 1})
    with pytest.raises(SceneError, match=r"not a scene of format 'tum': missing rgb\.txt, depth"):
        lifting.open_views(folder, "tum")
