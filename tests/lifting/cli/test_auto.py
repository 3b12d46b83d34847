"""`lift auto`: from pictures alone, of everything or of one click, to objects in 3D."""

from __future__ import annotations

import json
import shutil
import signal
import time

import numpy as np
import pytest

import lifting
from lifting.cli.everything import label_map
from lifting.cli.follow import Following
from lifting.cli.mask_files import MaskFiles
from lifting.export import read_ply
from lifting.settings import Settings
from propagate.masks import encode_rle
from propagate.types import Prompt
from tests.lifting.analytic import Scene, looking
from tests.lifting.formats.writers import as_sevenscenes, write_labels

SIZE_HW = (120, 160)


@pytest.fixture(scope="module")
def arc():
    """Fifteen neighbouring views, as a hand-held camera has them."""
    scene, views = Scene(), []
    for angle in np.radians(np.linspace(-75, -15, 15)):
        place = [1.5 * np.cos(angle), 1.4 * np.sin(angle), 1.5]
        views.append(scene.look(looking(np.array(place), np.array([0.1, 0, 0.8]), SIZE_HW)))
    return views


@pytest.fixture(scope="module")
def turned(arc, tmp_path_factory):
    return as_sevenscenes(tmp_path_factory.mktemp("arc"), arc)


def iou(cloud, key, label):
    truth, _ = Scene().truth(cloud.points)
    one, other = cloud.labels == key, truth == label
    return (one & other).sum() / (one | other).sum()


def middle_of(view, label):
    """A pixel well inside an object."""
    from scipy.ndimage import distance_transform_edt

    inside = distance_transform_edt(view.labels == label)
    y, x = np.unravel_index(inside.argmax(), inside.shape)
    return int(x), int(y)


def test_one_click_in_one_view_labels_the_scene(command, turned, arc, tmp_path):
    """Clicked in the middle of the views, so that they are followed both ways."""
    out = tmp_path / "out"
    (x3, y3), (x1, y1) = middle_of(arc[7], 3), middle_of(arc[4], 1)
    words = [f"--point={x3},{y3}@7#3", f"--point={x1},{y1}@frame-000004.color#1"]
    done = command("auto", turned, "--out", out, *words, "--segmenter", "colour")
    assert done.code == 0, done
    cloud = read_ply(out / "cloud.ply")
    assert cloud.object_ids == (1, 3)
    assert iou(cloud, 3, 3) > 0.8 and iou(cloud, 1, 1) > 0.7
    tracks = json.loads((out / "tracks.json").read_text())
    assert len(tracks["frames"]) == 15
    assert len(list((out / "masks").glob("*.png"))) == 15
    told = json.loads((out / "objects" / "objects.json").read_text())
    assert [one["id"] for one in told["objects"]] == [1, 3]
    assert (out / "cloud.png").stat().st_size > 1000
    before = (out / "cloud.ply").read_bytes()
    (out / "cloud.ply").unlink()
    done = command("auto", turned, "--out", out, *words, "--segmenter", "colour", "--resume")
    assert done.code == 0 and (out / "cloud.ply").read_bytes() == before
    again = tmp_path / "again.ply"  # what it left is what `run` takes
    assert command("run", turned, "--masks", out, "--out", again, "--quiet").code == 0
    assert read_ply(again).object_ids == (1, 3)


def test_objects_are_followed_through_views_that_are_not_lifted(command, turned, arc, tmp_path):
    """Clicked in such a view: nothing is lost in the gaps, and less is lifted."""
    out = tmp_path / "out"
    x, y = middle_of(arc[7], 3)
    words = [f"--point={x},{y}@7#3", "--every", 5, "--segmenter", "colour"]
    done = command("auto", turned, "--out", out, *words)
    assert done.code == 0, done
    assert len(list((out / "masks").glob("*.png"))) == 15
    cloud = read_ply(out / "cloud.ply")
    assert cloud.object_ids == (3,) and iou(cloud, 3, 3) > 0.7
    whole = tmp_path / "whole.ply"
    assert command("run", turned, "--masks", out, "--out", whole, "--quiet").code == 0
    assert 0 < len(cloud) < len(read_ply(whole))


def test_what_the_tracker_missed_is_found_from_3d(turned, arc, tmp_path):
    """Masks of half of the views; the others are asked with boxes and points from the cloud."""
    import propagate

    views = lifting.open_views(turned)
    files = MaskFiles(tmp_path, views)
    answers = {}
    for at, view in enumerate(arc):
        known = at < 7
        files.write(at, np.where(view.labels == 3, 3, 0) * known)
        said = {"id": 3, "state": "tracked" if known else "lost", "score": 1.0}
        answers[at] = [{**said, "box": [0, 0, 1, 1]} if known else said]
    files.write_tracks(answers)
    cloud = lifting.lift(lifting.label_views(views, tmp_path))
    tracker = propagate.load_tracker()
    following = Following(files, [Prompt(0, 3, points_xy=[[5, 5]])], tracker)
    assert following.fill(cloud, answers, Settings(), quiet=True) >= 6
    overlaps = []
    for at in range(7, 15):
        mine, truth = files.read(at) == 3, arc[at].labels == 3
        assert (mine & truth).sum() >= 0.9 * mine.sum()
        overlaps.append((mine & truth).sum() / (mine | truth).sum())
    assert np.mean(overlaps) > 0.8
    assert (
        following.fill(cloud, answers, Settings(), quiet=True) <= 2
    )  # what was found is not asked for again


def test_everything_at_once(command, turned, tmp_path):
    out = tmp_path / "out"
    words = ["auto", turned, "--out", out, "--segmenter", "colour", "--every", 3]
    done = command(*words)
    assert done.code == 0, done
    cloud = read_ply(out / "cloud.ply")
    assert max(iou(cloud, key, 3) for key in cloud.object_ids) > 0.6
    masks = {path: path.stat().st_mtime_ns for path in (out / "masks").iterdir()}
    assert len(masks) == 5
    done = command(*words)
    assert done.code == 2 and "add --resume" in done.err
    done = command(*words, "--point=80,60", "--resume")
    assert done.code == 2 and "other clicks" in done.err
    before = (out / "cloud.ply").read_bytes()
    removed = sorted(masks)[2]
    removed.unlink()
    shutil.rmtree(out / "objects")
    assert command(*words, "--resume").code == 0
    kept = {path: path.stat().st_mtime_ns for path in (out / "masks").iterdir()}
    assert {path for path in masks if kept[path] != masks[path]} == {removed}
    assert (out / "cloud.ply").read_bytes() == before


SLOW = """
import time, propagate
whole = propagate.generate_masks
def generate_masks(*words, **more):
    time.sleep(0.3)
    return whole(*words, **more)
propagate.generate_masks = generate_masks
"""


def test_everything_is_interrupted_and_goes_on(start, command, turned, tmp_path):
    out = tmp_path / "out"
    words = ["auto", turned, "--out", out, "--segmenter", "colour", "--every", 8]
    process = start(*words, before=SLOW)
    deadline = time.monotonic() + 60
    while not list(out.glob("masks/[!.]*.png")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.startswith("lift: interrupted; the masks") and err.count("\n") == 1
    first = min((out / "masks").iterdir())
    written = first.stat().st_mtime_ns
    assert command(*words, "--resume").code == 0
    assert first.stat().st_mtime_ns == written
    assert len(list(out.glob("masks/*.png"))) == 2


def test_smaller_masks_lie_on_larger_ones():
    large, small, speck = (np.zeros((100, 120), bool) for _ in range(3))
    large[10:90, 10:90], small[20:40, 30:60], speck[0, :2] = True, True, True
    records = [{"segmentation": encode_rle(m), "area": int(m.sum())} for m in (small, large, speck)]
    labels = label_map(records, (100, 120))
    wanted = np.where(small, 1, np.where(large, 2, 0))
    assert (labels == wanted).all()


def test_masks_of_pictures_in_folders_of_their_own(tmp_path, arc):
    """Two cameras with the same names of pictures, each in a folder: no mask is taken for two."""
    from tests.lifting.formats.writers import as_plain

    folder = tmp_path / "scene"
    folder.mkdir()
    values = json.loads((as_plain(folder, arc[:4]) / "scene.json").read_text())
    for number, view in enumerate(values["views"]):
        name = f"cam{number % 2}/{number // 2}.png"
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / view["image"]).rename(folder / name)
        view["image"] = name
    (folder / "scene.json").write_text(json.dumps(values))
    views = lifting.open_views(folder)
    files = MaskFiles(tmp_path / "out", views)
    for at in range(4):
        files.write(at, np.full(SIZE_HW, at + 1))
    assert (tmp_path / "out" / "masks" / "cam1" / "0.png").is_file()
    found = lifting.label_views(views, tmp_path / "out")
    assert [int(view.labels.max()) for view in found] == [1, 2, 3, 4]
    write_labels(tmp_path / "flat" / "1.png", np.full(SIZE_HW, 9))
    flat = lifting.label_views(views, tmp_path / "flat")
    assert flat.notes == ("2 of 4 views have no mask",)  # cam0/1 and cam1/1 both
