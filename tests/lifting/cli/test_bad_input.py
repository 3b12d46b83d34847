"""Wrong input: exit code 2, one line that says how to mend it, and nothing left behind."""

from __future__ import annotations

import json
import os
import shutil

import cv2
import numpy as np
import pytest

import lifting
from lifting.types import LabelledCloud
from tests.lifting.formats.writers import as_colmap, as_plain, write_labels, write_text


@pytest.fixture
def refused(command, room, masks, tmp_path):
    """Run `run` with bad words; check what every refusal has; return the line on stderr."""

    def run(*words, scene=room, masks=masks, out=None):
        out = tmp_path / "cloud.ply" if out is None else out
        before = sorted(tmp_path.rglob("*"))
        done = command("run", scene, "--masks", masks, "--out", out, *words)
        assert done.code == 2, done
        assert done.out == ""
        assert done.err.startswith("lift: ") and done.err.count("\n") == 1, done.err
        assert sorted(tmp_path.rglob("*")) == before, "something was left behind"
        return done.err

    return run


@pytest.fixture
def scene(room, tmp_path):
    """A copy of the room that may be spoilt."""
    return shutil.copytree(room, tmp_path / "scene")


@pytest.fixture
def plain(shown, tmp_path):
    folder = tmp_path / "plain"
    folder.mkdir()
    return as_plain(folder, shown)


def numbered(shown, folder):
    for number, view in enumerate(shown):
        write_labels(folder / f"{number}.png", view.labels)
    return folder


def test_a_missing_pose(refused, scene):
    (scene / "frame-000007.pose.txt").unlink()
    assert "frame-000007.pose.txt, is missing" in refused(scene=scene)


def test_a_missing_pose_in_a_plain_scene(refused, plain, shown, tmp_path):
    values = json.loads((plain / "scene.json").read_text())
    del values["views"][3]["world_T_cam"]
    (plain / "scene.json").write_text(json.dumps(values))
    masks = numbered(shown, tmp_path / "m")
    assert "view 3 has no world_T_cam, the pose" in refused(scene=plain, masks=masks)


def test_depth_that_is_nan(refused, command, plain, shown, tmp_path):
    """Some of it is no depth there; all of it is no depth at all."""
    masks = numbered(shown, tmp_path / "m")
    for path in (plain / "d").iterdir():
        depth = np.load(path)
        depth[:60] = np.nan
        np.save(path, depth)
    out = tmp_path / "half.ply"
    assert command("run", plain, "--masks", masks, "--out", out, "--quiet").code == 0
    for path in (plain / "d").iterdir():
        np.save(path, np.full((120, 160), np.nan))
    assert "show no point: is the depth all 0" in refused(scene=plain, masks=masks)


def test_zero_intrinsics(refused, scene):
    write_text(scene / "camera-intrinsics.txt", np.zeros((3, 3)))
    line = refused(scene=scene)
    assert "camera-intrinsics.txt" in line and "focal lengths must be above 0" in line


def test_masks_of_another_size(refused, shown, tmp_path):
    for number, view in enumerate(shown):
        write_labels(tmp_path / "m" / f"frame-{number:06d}.png", view.labels[::2, ::2])
    line = refused(masks=tmp_path / "m")
    assert "80x60" in line and "160x120" in line


def test_an_empty_scene(refused, tmp_path):
    (tmp_path / "nothing").mkdir()
    assert "no scene of a known format" in refused(scene=tmp_path / "nothing")
    assert "no such file" in refused(scene=tmp_path / "absent")


def test_a_scene_without_a_view(refused, plain, masks):
    values = json.loads((plain / "scene.json").read_text())
    (plain / "scene.json").write_text(json.dumps({**values, "views": []}))
    assert "the scene is empty" in refused(scene=plain)


def test_two_cameras_mixed(refused, scene):
    cv2.imwrite(str(scene / "frame-000005.color.png"), np.zeros((240, 320, 3), np.uint8))
    line = refused(scene=scene)
    assert "frame-000005.color.png" in line and "two cameras are mixed" in line


@pytest.fixture
def ply(tmp_path):
    path = tmp_path / "given.ply"
    points = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    lifting.write_ply(path, LabelledCloud(points, np.zeros(500, np.int32)))
    return path


def test_a_truncated_ply(refused, command, ply):
    ply.write_bytes(ply.read_bytes()[:-100])
    assert "given.ply" in refused("--cloud", ply)
    for words in (["info", ply], ["view", ply, "--out", ply.with_suffix(".png")]):
        done = command(*words)
        assert done.code == 2 and done.err.count("\n") == 1 and "cut short" in done.err


def test_a_header_of_four_billion_vertices(refused, command, ply):
    ply.write_bytes(ply.read_bytes().replace(b"vertex 500", b"vertex 4000000000"))
    line = refused("--cloud", ply)
    assert "4000000000" in line
    done = command("info", ply)
    assert done.code == 2 and done.err == line


def test_a_model_that_claims_four_billion_cameras(refused, shown, masks, tmp_path):
    scene = as_colmap(tmp_path / "c", shown)
    for name in ("cameras", "images"):
        (scene / "sparse" / f"{name}.bin").write_bytes((4 * 10**9).to_bytes(8, "little") * 20)
    assert "claims 4000000000 entries" in refused(scene=scene)


def test_a_ply_that_is_missing_or_none(refused, tmp_path):
    assert "no.ply" in refused("--cloud", tmp_path / "no.ply")
    (tmp_path / "text.ply").write_text("not a cloud")
    assert "text.ply" in refused("--cloud", tmp_path / "text.ply")


def test_neither_depth_nor_points(refused, shown, tmp_path):
    scene = as_colmap(tmp_path / "c", shown, maps=False)
    masks = numbered(shown, tmp_path / "m")
    assert "neither depth nor points" in refused(scene=scene, masks=masks)


def test_masks_that_belong_to_nothing(refused, tmp_path):
    write_labels(tmp_path / "m" / "other.png", np.ones((120, 160), int))
    assert "named like a view" in refused(masks=tmp_path / "m")
    assert "no such folder" in refused(masks=tmp_path / "no")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "colmaps"], "did you mean 'colmap'"),
        (["--format", "tum"], "missing rgb.txt"),
        (["--every", "0"], "every must be 1 or more"),
        (["--every", "x"], "--every"),
        (["--set", "voxels_m=1"], "did you mean 'voxel_m'"),
        (["--set", "voxel_m=-1"], "above 0"),
        (["--set", "voxel_m"], "voxel_m"),
        (["--set", "scene.meters_per_unit=1"], "did you mean 'metres_per_unit'"),
        (["--set", "scene=3"], "scene.KEY=VALUE"),
        (["--frames", "3"], "--frames"),
    ],
)
def test_words_that_make_no_sense(refused, words, message):
    assert message in refused(*words)


def test_an_output_that_cannot_be(refused, tmp_path):
    assert "ends in .ply" in refused(out=tmp_path / "cloud.pcd")
    assert "no such folder" in refused(out=tmp_path / "no" / "cloud.ply")
    (tmp_path / "a.ply").mkdir()
    assert "is a folder" in refused(out=tmp_path / "a.ply")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(refused, tmp_path):
    (tmp_path / "out").mkdir(mode=0o500)
    assert "cannot be written" in refused(out=tmp_path / "out" / "cloud.ply")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--point=5"], "write X,Y"),
        (["--point=500,5"], "outside of the picture"),
        (["--point=5,5@99"], "no view '99'"),
        (["--point=5,5@holiday"], "no view 'holiday'"),
        (["--point=5,5#0"], "object ids start at 1"),
        (["--point=5,5#2-"], "object 2 has no click on it"),
        (["--segmenter", "light"], "segmenter"),
        (["--device", "abacus"], "--device"),
    ],
)
def test_words_of_auto_that_make_no_sense(command, room, words, message, tmp_path):
    done = command("auto", room, "--out", tmp_path / "out", *words)
    assert done.code == 2 and done.err.count("\n") == 1
    assert message in done.err
    assert not (tmp_path / "out").exists()


def test_a_folder_of_auto_with_something_in_it(command, room, tmp_path):
    (tmp_path / "holiday.txt").write_text("keep me")
    for words in ([], ["--resume"]):
        done = command("auto", room, "--out", tmp_path, *words)
        assert done.code == 2 and "not empty" in done.err
    done = command("auto", room, "--out", tmp_path / "holiday.txt")
    assert done.code == 2 and "is a file" in done.err


def test_the_traceback_comes_only_when_it_is_wanted(command, tmp_path, monkeypatch):
    words = ["info", tmp_path / "no"]
    assert "Traceback" not in command(*words).err
    monkeypatch.setenv("PROPAGATE_DEBUG", "1")
    done = command(*words)
    assert done.code == 2 and "Traceback" in done.err


def test_a_fault_of_our_own_is_one_line_and_exit_code_1(start, room):
    spoil = "import lifting.formats; del lifting.formats.plugins"
    process = start("info", room, before=spoil)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert err.count("\n") == 1 and "NameError" in err and "PROPAGATE_DEBUG" in err
