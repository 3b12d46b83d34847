"""`lift info` says what is there; `lift view` draws it where there is no display."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

import lifting
from tests.lifting.formats.writers import as_colmap


@pytest.fixture
def cloud(room, masks, tmp_path):
    path = tmp_path / "cloud.ply"
    cloud = lifting.lift(lifting.label_views(lifting.open_views(room), masks))
    lifting.write_ply(path, cloud)
    return path, cloud


def test_what_a_scene_holds(command, room, shown, tmp_path):
    done = command("info", room)
    assert done.code == 0 and done.err == ""
    depth = np.concatenate([shown[at].depth.ravel() for at in (0, 2, 5, 8, 11)])
    for words in ("sevenscenes", "12", "160x120", f"{np.quantile(depth, 0.99):.2f} m"):
        assert words in done.out
    scene = as_colmap(tmp_path, shown, maps=False)
    (scene / "sparse" / "points3D.txt").write_text("1 0 0 1 9 9 9 0.1\n2 0 1 1 9 9 9 0.1 1 2\n")
    done = command("info", scene, "--every", 5)
    assert done.code == 0
    for words in ("colmap", " 3 ", "units of its own", "points of its own │ 2"):
        assert words in done.out


def test_what_a_cloud_holds(command, cloud):
    path, cloud = cloud
    done = command("info", path)
    assert done.code == 0 and done.err == ""
    on = (cloud.labels > 0).sum()
    assert f"{len(cloud)} points with colours, {on} on {len(cloud.object_ids)} objects" in done.out
    line = next(line for line in done.out.splitlines() if line.startswith("│ 300 "))
    assert f" {(cloud.labels == 300).sum()} " in line


def test_a_picture_of_a_cloud(command, cloud, tmp_path, monkeypatch):
    path, _ = cloud
    monkeypatch.chdir(tmp_path)
    assert command("view", path).code == 0
    picture = cv2.imread(str(tmp_path / "cloud.png"))
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 1000
    assert command("view", path, "--out", tmp_path / "other.jpg").code == 0
    assert cv2.imread(str(tmp_path / "other.jpg")).shape == picture.shape
    done = command("view", path, "--out", tmp_path / "cloud.gif")
    assert done.code == 2 and "ends in .png" in done.err


def test_a_picture_of_a_scene(command, room, tmp_path):
    done = command("view", room, "--out", tmp_path / "room.png")
    assert done.code == 0 and "0 objects" in done.out
    picture = cv2.imread(str(tmp_path / "room.png"))
    paper = (picture == picture[0, 0]).all(-1).mean()
    assert paper < 0.95


def test_help_is_there_without_anything_heavy(start):
    after = "import atexit, sys\natexit.register(lambda: print([n for n in ('torch', 'cv2', "
    after += "'scipy', 'open3d') if n in sys.modules]))"
    out, err = start("--help", before=after).communicate(timeout=60)
    assert err == ""
    assert "run" in out and "auto" in out and out.endswith("[]\n")
    out, _ = start("--version").communicate(timeout=60)
    assert out.startswith("lift ")
