"""Every format gives the geometry that was written: to half a pixel, half a unit, and all axes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import lifting
from lifting import camera as cameras
from propagate import plugins
from tests.lifting.formats.writers import (
    WRITERS,
    as_colmap,
    as_scannet,
    as_sevenscenes,
    as_transforms,
    as_tum,
    write_depth,
    write_text,
)

DATA = Path(__file__).parent / "data"


def test_every_format_is_tested():
    assert sorted(WRITERS) == list(plugins.available("lifting.formats"))


@pytest.mark.parametrize("name", WRITERS)
def test_the_geometry_is_what_was_written(name, written, on_surfaces):
    views = lifting.open_views(written(name))
    assert views.format == name
    assert views.notes == ()
    assert len(views) == 5
    on_surfaces(views)
    on_surfaces(views)  # they can be gone through again


@pytest.mark.parametrize("name", WRITERS)
def test_the_name_of_the_format_may_be_given(name, written):
    folder = written(name)
    assert len(lifting.open_views(folder, name.replace("-", "_"), every=2)) == 3
    assert lifting.open_views(folder, every=4)[1].name == lifting.open_views(folder)[4].name


@pytest.mark.parametrize("kind", ["binary", "text"])
def test_what_pycolmap_wrote(kind):
    """A model of two cameras on a rig, with lenses, and what pycolmap says of its projections."""
    wanted = json.loads((DATA / "colmap_expected.json").read_text())
    views = lifting.open_views(DATA / f"colmap_{kind}")
    assert sorted(wanted["pixels"]) == [shot.name for shot in views.shots]
    assert not views.metric
    for shot in views.shots:
        found, depth = cameras.project(shot.camera, wanted["points"])
        assert (depth > 0).all()
        assert np.abs(found - wanted["pixels"][shot.name]).max() < 1e-8
    cloud = views.cloud()
    assert np.abs(cloud.points - wanted["points"]).max() < 1e-5
    assert cloud.colours is not None


@pytest.mark.parametrize(
    ("model", "numbers"),
    [
        ("SIMPLE_PINHOLE", [600, 320, 240]),
        ("PINHOLE", [600, 590, 330, 250]),
        ("SIMPLE_RADIAL", [600, 320, 240, 0.05]),
        ("RADIAL", [600, 320, 240, 0.05, -0.03]),
        ("OPENCV", [600, 590, 330, 250, 0.05, -0.02, 0.001, -0.002]),
        ("FULL_OPENCV", [600, 590, 330, 250, 0.05, -0.02, 0.001, -0.002, 0.01, 0.02, 0.01, -0.01]),
    ],
)
def test_camera_models_of_pycolmap(model, numbers, tmp_path):
    pycolmap = pytest.importorskip("pycolmap")
    options = pycolmap.SyntheticDatasetOptions()
    options.num_rigs, options.num_cameras_per_rig, options.num_frames_per_rig = 1, 1, 3
    options.num_points3D = 50
    options.camera_model_id = getattr(pycolmap.CameraModelId, model)
    options.camera_width, options.camera_height, options.camera_params = 640, 480, numbers
    truth = pycolmap.synthesize_dataset(options)
    points = np.array([point.xyz for point in truth.points3D.values()])
    for write, name in ((truth.write_binary, "binary"), (truth.write_text, "text")):
        (tmp_path / name / "sparse" / "0").mkdir(parents=True)
        write(str(tmp_path / name / "sparse" / "0"))
        views = lifting.open_views(tmp_path / name, "colmap")
        of = {image.name: image for image in truth.images.values()}
        for shot in views.shots:
            image = of[shot.name]
            lens = truth.cameras[image.camera_id]
            wanted = lens.img_from_cam(image.cam_from_world() * points)
            assert np.abs(cameras.project(shot.camera, points)[0] - wanted).max() < 1e-6


def test_a_model_of_colmap_beside_a_dense_workspace(tmp_path, shown, on_surfaces):
    as_colmap(tmp_path, shown, maps=False)
    as_colmap(tmp_path / "dense", shown)
    on_surfaces(lifting.open_views(tmp_path))


def test_colmap_without_depth_and_without_pictures(tmp_path, shown):
    shutil.rmtree(as_colmap(tmp_path, shown, maps=False) / "images")
    views = lifting.open_views(tmp_path)
    assert views.notes == ("5 of 5 views have no picture, so no colours",)
    assert views[0].depth is None and views[0].image is None
    assert not views.has_depth and views.cloud() is None


def test_depth_smaller_than_the_picture(tmp_path, shown, on_surfaces):
    """The picture is three times as large: K scales with pixel edges, not with centres."""
    large = [
        replace(
            view,
            camera=cameras.resized(view.camera, (180, 240)),
            image=np.repeat(np.repeat(view.image, 3, 0), 3, 1),
            depth=np.repeat(np.repeat(view.depth, 3, 0), 3, 1),
            labels=None,
        )
        for view in shown
    ]
    as_transforms(tmp_path, large)
    for number, view in enumerate(shown):
        write_depth(tmp_path / f"depth/{number}.png", view.depth, 1000)
    views = lifting.open_views(tmp_path)
    assert views[0].size_hw == (60, 80) and views.picture(0).shape == (180, 240, 3)
    on_surfaces(views)


def test_depth_with_a_camera_of_its_own(tmp_path, shown, on_surfaces):
    """As ScanNet's: another focal length, another size, and pictures beyond which depth reaches."""
    as_scannet(tmp_path, shown)
    narrow = shown[0].camera
    K = np.array([[60.0, 0, 30], [0, 60, 21], [0, 0, 1]])
    for number, view in enumerate(shown):
        from tests.lifting.analytic import Scene

        own = replace(view.camera, K=K, size_hw=(44, 60))
        write_depth(tmp_path / f"depth/{number}.png", Scene().look(own).depth, 1000)
    four = np.eye(4)
    four[:3, :3] = K - [[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]]
    write_text(tmp_path / "intrinsic/intrinsic_depth.txt", four)
    views = lifting.open_views(tmp_path)
    assert views[0].size_hw == (44, 60)
    assert not np.allclose(views[0].camera.K, narrow.K)
    for view in views:
        truth = Scene().look(view.camera)
        same = (view.image == truth.image).all(-1)
        assert same.mean() > 0.9  # but for edges, which fall on other pixels
    on_surfaces([replace(view, image=None) for view in views])


def test_tum_takes_the_published_intrinsics_by_the_folders_name(tmp_path, shown):
    folder = tmp_path / "rgbd_dataset_freiburg3_room"
    folder.mkdir()
    large = [replace(view, labels=None) for view in shown]
    (as_tum(folder, large) / "intrinsics.txt").unlink()
    for path in folder.glob("rgb/*.png"):
        cv2.imwrite(str(path), np.zeros((480, 640, 3), np.uint8))
    views = lifting.open_views(folder)
    assert views.shots[0].camera.K.tolist() == [[535.4, 0, 320.6], [0, 539.2, 248.1], [0, 0, 1]]
    other = folder.rename(tmp_path / "mine")
    views = lifting.open_views(other)
    assert "525" in views.notes[0]
    assert views.shots[0].camera.K.tolist() == [[525, 0, 320], [0, 525, 240], [0, 0, 1]]
    own = {"intrinsics": [500, 510, 300, 200, 0.1, 0, 0, 0]}
    lens = lifting.open_views(other, "tum", options=own).shots[0].camera
    assert lens.K.tolist() == [[500, 0, 300.5], [0, 510, 200.5], [0, 0, 1]]
    assert lens.distortion.tolist() == [0.1, 0, 0, 0]


def test_tum_leaves_out_what_has_no_partner(tmp_path, shown, on_surfaces):
    as_tum(tmp_path, shown)
    lines = (tmp_path / "depth.txt").read_text().splitlines()
    (tmp_path / "depth.txt").write_text("\n".join(lines[:2] + lines[3:]))
    poses = (tmp_path / "groundtruth.txt").read_text().splitlines()
    (tmp_path / "groundtruth.txt").write_text("\n".join(poses[:-2]))  # the last one's
    views = lifting.open_views(tmp_path)
    assert [shot.index for shot in views.shots] == [0, 2, 3]
    assert "1 of 5 views skipped: no depth within 0.02 s" in views.notes
    assert "1 of 5 views skipped: their pose is not finite or not rigid" in views.notes
    on_surfaces(views, count=3)


def test_intrinsics_of_each_frame_and_an_angle_of_view(tmp_path, shown, on_surfaces):
    as_transforms(tmp_path, shown)
    path = tmp_path / "transforms.json"
    values = json.loads(path.read_text())
    focal, width = values.pop("fl_x"), values.pop("w")
    for frame in values["frames"]:
        frame |= {"fl_x": focal, "w": width}
    path.write_text(json.dumps(values))
    on_surfaces(lifting.open_views(tmp_path))
    assert lifting.open_views(tmp_path).metric
    for key in ("fl_y", "cx", "cy", "h"):
        values.pop(key)
    for frame in values["frames"]:
        frame.pop("fl_x")
        frame["file_path"] = frame["file_path"].removesuffix(".png")
    values["camera_angle_x"] = 2 * np.arctan(40 / focal)
    path.write_text(json.dumps(values))
    on_surfaces(lifting.open_views(path))


def test_depth_in_units_of_nerfstudio_and_of_instant_ngp(tmp_path, shown, on_surfaces):
    as_transforms(tmp_path, shown)
    path = tmp_path / "transforms.json"
    values = json.loads(path.read_text())
    for number, view in enumerate(shown):
        write_depth(tmp_path / f"depth/{number}.png", view.depth, 2000)
    path.write_text(json.dumps({**values, "depth_unit_scale_factor": 0.0005}))
    on_surfaces(lifting.open_views(tmp_path))
    for frame in values["frames"]:
        frame["depth_path"] = frame.pop("depth_file_path")
    path.write_text(json.dumps({**values, "integer_depth_scale": 0.0005}))
    on_surfaces(lifting.open_views(tmp_path))


@pytest.mark.parametrize("suffix", [".npy", ".tiff", ".exr"])
def test_depth_of_floats_with_pixels_that_are_none(suffix, tmp_path, shown, on_surfaces):
    folder = WRITERS["plain"](tmp_path, shown)
    values = json.loads((folder / "scene.json").read_text())
    for number, view in enumerate(shown):
        depth = view.depth.copy()
        depth[0, :4] = np.nan, np.inf, -1, -np.inf
        name = f"d/f{number}{suffix}"
        values["views"][number]["depth"] = name
        if suffix == ".npy":
            np.save(folder / name, depth.astype(np.float64))
        elif suffix == ".tiff":
            assert cv2.imwrite(str(folder / name), depth)
        else:
            OpenEXR = pytest.importorskip("OpenEXR")
            OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION}, {"Z": depth}).write(
                str(folder / name)
            )
    (folder / "scene.json").write_text(json.dumps(values))
    views = lifting.open_views(folder)
    on_surfaces(views)
    assert (views[0].depth[0, :4] == 0).all() and (views[0].depth[0, 4:] > 0).all()


def test_zero_and_65535_are_no_depth(tmp_path, shown):
    as_sevenscenes(tmp_path, shown)
    depth = np.full((60, 80), 1500, np.uint16)
    depth[0], depth[1] = 0, 65535
    cv2.imwrite(str(tmp_path / "frame-000000.depth.png"), depth)
    found = lifting.open_views(tmp_path)[0].depth
    assert (found[:2] == 0).all() and np.allclose(found[2:], 1.5)


@pytest.mark.parametrize("centres", [0, 0.5])
def test_plain_folders_say_how_they_count(centres, tmp_path, shown, on_surfaces):
    folder = WRITERS["plain"](tmp_path, shown)
    values = json.loads((folder / "scene.json").read_text())
    values |= {"pixel_centres": centres, "axes": "opengl"}
    for key in ("cx", "cy"):
        values["camera"][key] -= 0.5 - centres
    for view in values["views"]:
        view["world_T_cam"] = (np.array(view["world_T_cam"]) @ np.diag([1, -1, -1, 1])).tolist()
    (folder / "scene.json").write_text(json.dumps(values))
    on_surfaces(lifting.open_views(folder))


@pytest.mark.parametrize("name", ["scannet", "sevenscenes", "transforms-json", "plain"])
def test_poses_that_are_none_are_skipped_and_counted(name, written, on_surfaces):
    folder = written(name)
    bad = np.full((4, 4), -np.inf), np.diag([2.0, 2, 2, 1])
    if name in ("scannet", "sevenscenes"):
        paths = [*folder.glob("pose/[13].txt"), *folder.glob("frame-00000[13].pose.txt")]
        for path, pose in zip(paths, bad, strict=True):
            write_text(path, pose)
    else:
        path = next(folder.glob("*.json"))
        values = json.loads(path.read_text())
        key = "frames" if name == "transforms-json" else "views"
        which = "transform_matrix" if key == "frames" else "world_T_cam"
        for at, pose in zip((1, 3), bad, strict=True):
            values[key][at][which] = pose.tolist()
        path.write_text(json.dumps(values))  # with Infinity, as Python writes it
    views = lifting.open_views(folder)
    assert views.notes == ("2 of 5 views skipped: their pose is not finite or not rigid",)
    assert [shot.index for shot in views.shots] == [0, 2, 4]
    on_surfaces(views, count=3)


def test_a_real_room(shared_data, tmp_path):
    """Neighbouring views of 7-Scenes' kitchen agree about where its surfaces are."""
    import tarfile

    from scipy.spatial import cKDTree

    with tarfile.open(shared_data / "rgbd" / "redkitchen.tar") as tar:
        members = [one for one in tar if one.name.rpartition("/")[2][:12] < "frame-000030"]
        tar.extraction_filter = getattr(tarfile, "data_filter", None)  # from Python 3.11.4 on
        tar.extractall(tmp_path, members)
    views = lifting.open_views(tmp_path / "redkitchen")
    assert views.format == "sevenscenes" and len(views) == 3 and views[0].size_hw == (480, 640)
    points = []
    for view in views[:2]:
        y, x = np.nonzero((view.depth > 0) & (view.depth < 2.5))
        some = slice(None, None, 50)
        places = np.stack([x[some], y[some]], 1) + 0.5
        points.append(cameras.back_project(view.camera, places, view.depth[y, x][some]))
    apart, _ = cKDTree(points[0]).query(points[1])
    assert np.median(apart) < 0.02
