"""`lift run`: the cloud that the library makes, on disk; interrupted runs go on."""

from __future__ import annotations

import json
import signal
import time
from dataclasses import replace

import numpy as np
import pytest

import lifting
from lifting.export import read_ply
from lifting.settings import Settings
from lifting.types import LabelledCloud
from tests.lifting.analytic import Scene
from tests.lifting.formats.writers import as_colmap, write_labels


def same(one, other):
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("points", "labels", "confidence", "view_counts", "colours")
    )


def test_a_cloud_with_true_labels(command, room, masks, tmp_path):
    out = tmp_path / "cloud.ply"
    done = command("run", room, "--masks", masks, "--out", out)
    assert done.code == 0 and done.err == ""
    assert str(out) in done.out
    cloud = read_ply(out)
    views = lifting.label_views(lifting.open_views(room), masks)
    assert same(cloud, lifting.lift(views))
    truth, apart = Scene().truth(cloud.points)
    assert (truth == cloud.labels)[apart < 0.03].mean() > 0.95
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cloud.ply"]


def test_options_reach_the_library(command, room, masks, tmp_path):
    out, objects = tmp_path / "cloud.ply", tmp_path / "objects"
    words = ["--every", 2, "--set", "voxel_m=0.05", "--set", "unlabelled=unknown"]
    words += ["--format", "sevenscenes", "--set", "scene.metres_per_unit=0.001"]
    done = command("run", room, "--masks", masks, "--out", out, "--objects", objects, *words)
    assert done.code == 0, done
    views = lifting.label_views(lifting.open_views(room, every=2), masks)
    wanted = lifting.lift(views, settings=Settings(voxel_m=0.05, unlabelled="unknown"))
    assert same(read_ply(out), wanted)
    told = json.loads((objects / "objects.json").read_text())
    assert [one["id"] for one in told["objects"]] == list(wanted.object_ids)
    assert len(list(objects.glob("*.ply"))) == len(wanted.object_ids)
    assert command("run", room, "--masks", masks, "--out", out, "--quiet").out == ""


def test_a_given_cloud_is_labelled(command, room, masks, tmp_path):
    random = np.random.default_rng(0)
    points = read_points(room)[random.permutation(20_000)[:5_000]]
    lifting.write_ply(tmp_path / "given.ply", LabelledCloud(points, np.zeros(5_000, np.int32)))
    out = tmp_path / "out.ply"
    done = command(
        "run", room, "--masks", masks, "--out", out, "--cloud", tmp_path / "given.ply", "--quiet"
    )
    assert done.code == 0, done
    cloud = read_ply(out)
    assert np.array_equal(cloud.points, points)
    truth, _ = Scene().truth(points)
    seen = cloud.view_counts > 0
    assert seen.mean() > 0.9 and (cloud.labels == truth)[seen].mean() > 0.9


def read_points(room):
    view = lifting.open_views(room)[0]
    points = []
    for view in lifting.open_views(room):
        y, x = np.nonzero(view.depth > 0)
        places = np.stack([x, y], 1) + 0.5
        points.append(lifting.camera.back_project(view.camera, places, view.depth[y, x]))
    return np.concatenate(points)[::7][:20_000].astype(np.float32)


@pytest.mark.parametrize("scale", [1.0, 40.0])
def test_a_scene_of_colmap_in_a_unit_of_its_own(scale, command, shown, masks, tmp_path):
    """Lengths follow the scene's unit, and the user is told."""
    large = []
    for view in shown:
        pose = view.camera.world_T_cam.copy()
        pose[:3, 3] *= scale
        camera = replace(view.camera, world_T_cam=pose)
        large.append(replace(view, camera=camera, depth=view.depth * np.float32(scale)))
    scene = as_colmap(tmp_path / "scene", large)
    for number, view in enumerate(shown):
        write_labels(tmp_path / "m" / f"{number}.png", view.labels)
    out = tmp_path / "cloud.ply"
    done = command("run", scene, "--masks", tmp_path / "m", "--out", out)
    assert done.code == 0, done
    assert done.err.count("\n") == 1 and "the scene's own unit" in done.err
    cloud = read_ply(out)
    truth, apart = Scene().truth(cloud.points / scale)
    assert (truth == cloud.labels)[apart < 0.03].mean() > 0.95
    assert {1, 3, 4, 6, 7, 10} <= set(cloud.object_ids)


def test_masks_whose_ids_mean_nothing(command, room, shown, tmp_path):
    random = np.random.default_rng(1)
    for number, view in enumerate(shown):
        ids = np.unique(view.labels)
        new = np.zeros(ids.max() + 1, np.int32)
        new[ids[ids > 0]] = random.permutation((ids > 0).sum()) + 1
        write_labels(tmp_path / "m" / f"{number:05d}.png", new[view.labels])
    out = tmp_path / "cloud.ply"
    words = ["--associate", "--set", "voxel_m=0.04"]
    done = command("run", room, "--masks", tmp_path / "m", "--out", out, *words)
    assert done.code == 0, done
    cloud = read_ply(out)
    truth, _ = Scene().truth(cloud.points)
    for key in (1, 3, 6, 7, 10):
        mine = truth == key
        best = max(((cloud.labels == one) & mine).sum() for one in cloud.object_ids)
        assert best / mine.sum() > 0.8, key


def test_views_that_are_left_out_are_told(command, room, masks, tmp_path):
    import shutil

    scene = tmp_path / "scene"
    shutil.copytree(room, scene)
    (scene / "frame-000002.pose.txt").write_text("nan " * 16)
    (scene / "frame-000003.depth.png").unlink()
    some = tmp_path / "some"
    shutil.copytree(masks, some)
    (some / "frame-000004.color.png").unlink()
    done = command("run", scene, "--masks", some, "--out", tmp_path / "c.ply")
    assert done.code == 0
    assert done.err.splitlines() == [
        "lift: warning: 1 of 12 views skipped: their pose is not finite or not rigid",
        "lift: warning: 1 of 12 views skipped: their depth picture is missing",
        "lift: warning: 1 of 10 views have no mask",
    ]


SLOW = """
import time
from lifting.lifter import Lifter
whole = Lifter.update
def update(self, state, view):
    time.sleep(0.3)
    return whole(self, state, view)
Lifter.update = update
"""
EAGER = "from lifting.cli import checkpoint; checkpoint._SOONEST_S = 0\n"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_goes_on(how, start, command, room, masks, tmp_path):
    """What it ends with is what an uninterrupted run ends with; no view is read twice."""
    out, part = tmp_path / "cloud.ply", tmp_path / ".cloud.ply.part.npz"
    words = ["run", room, "--masks", masks, "--out", out]
    process = start(*words, before=EAGER + SLOW)
    deadline = time.monotonic() + 60
    while not part.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(how)
    _, err = process.communicate(timeout=60)
    assert not out.exists() and part.exists()
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert err.startswith("lift: interrupted; ") and "--resume" in err
    with np.load(part) as archive:
        assert 1 <= archive["counts"][0] < 12
    other = command(*words, "--resume", "--set", "voxel_m=0.05")
    assert other.code == 2 and "other settings" in other.err
    other = command(*words, "--resume", "--every", 2)
    assert other.code == 2 and "another scene" in other.err
    assert command(*words, "--resume").code == 0
    assert not part.exists()
    whole = tmp_path / "whole.ply"
    assert command("run", room, "--masks", masks, "--out", whole).code == 0
    assert out.read_bytes() == whole.read_bytes()


def test_a_checkpoint_that_is_damaged(command, room, masks, tmp_path):
    part = tmp_path / ".cloud.ply.part.npz"
    words = ["run", room, "--masks", masks, "--out", tmp_path / "cloud.ply"]
    for data in (b"", b"PK\3\4 nothing", b"x" * 1000):
        part.write_bytes(data)
        done = command(*words, "--resume")
        assert done.code == 2 and "damaged" in done.err
    assert command(*words).code == 0  # without --resume it starts anew


def test_the_cloud_says_which_way_is_up(command, room, masks, tmp_path):
    from lifting.export import read_up, up_of

    out = tmp_path / "cloud.ply"
    assert command("run", room, "--masks", masks, "--out", out).code == 0
    wanted = up_of(shot.camera for shot in lifting.open_views(room).shots)
    assert np.allclose(read_up(out), wanted, atol=1e-4)
