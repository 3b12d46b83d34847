"""The room of planes and balls, written in each format as its documentation says."""

from __future__ import annotations

import json

import cv2
import numpy as np
from scipy.spatial.transform import Rotation


def write_colour(path, view):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.ascontiguousarray(view.image[:, :, ::-1]))


def write_depth(path, depth, units_per_metre):
    """16-bit PNG of the nearest whole units."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.rint(depth * units_per_metre).astype(np.uint16))


def write_labels(path, labels):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), labels.astype(np.uint16))


def opencv_K(camera):
    return camera.K - np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])


def write_text(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, np.asarray(values))


def as_colmap(folder, views, *, maps=True):
    """A dense workspace: text model, and depth maps as COLMAP's own script for them writes."""
    sparse = folder / "sparse"
    sparse.mkdir(parents=True, exist_ok=True)
    K, (height, width) = views[0].camera.K, views[0].size_hw
    (sparse / "cameras.txt").write_text(
        f"# cameras\n1 PINHOLE {width} {height} {K[0, 0]} {K[1, 1]} {K[0, 2]} {K[1, 2]}\n"
    )
    lines = ["# images"]
    for number, view in enumerate(views):
        pose = view.camera.cam_T_world
        x, y, z, w = Rotation.from_matrix(pose[:3, :3]).as_quat()
        name = f"{number}.png"
        numbers = " ".join(repr(float(one)) for one in (w, x, y, z, *pose[:3, 3]))
        lines += [f"{number + 1} {numbers} 1 {name}", ""]
        write_colour(folder / "images" / name, view)
        if maps:
            path = folder / "stereo" / "depth_maps" / f"{name}.geometric.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(f"{width}&{height}&1&".encode() + view.depth.astype("<f4").tobytes())
    (sparse / "images.txt").write_text("\n".join(lines) + "\n")
    return folder


def as_transforms(folder, views):
    frames = []
    for number, view in enumerate(views):
        name = f"images/{number}.png"
        write_colour(folder / name, view)
        write_depth(folder / f"depth/{number}.png", view.depth, 1000)
        pose = view.camera.world_T_cam.copy()
        pose[:3, 1:3] *= -1
        frames.append(
            {
                "file_path": name,
                "depth_file_path": f"depth/{number}.png",
                "transform_matrix": pose.tolist(),
            }
        )
    K, (height, width) = views[0].camera.K, views[0].size_hw
    values = {"fl_x": K[0, 0], "fl_y": K[1, 1], "cx": K[0, 2], "cy": K[1, 2], "w": width}
    values |= {"h": height, "frames": frames[::-1]}
    (folder / "transforms.json").write_text(json.dumps(values))
    return folder


def as_tum(folder, views):
    """Stamps of depth and poses lie some milliseconds beside those of colours."""
    rgb, depth, poses = ["# time file"], ["# time file"], ["# t tx ty tz qx qy qz qw"]
    for number, view in enumerate(views):
        stamp = 1305031102.0 + number / 30
        write_colour(folder / f"rgb/{number}.png", view)
        write_depth(folder / f"depth/{number}.png", view.depth, 5000)
        rgb.append(f"{stamp:.6f} rgb/{number}.png")
        depth.append(f"{stamp + 0.007:.6f} depth/{number}.png")
        pose = view.camera.world_T_cam
        numbers = [*pose[:3, 3], *Rotation.from_matrix(pose[:3, :3]).as_quat()]
        row = " ".join(f"{one:.9f}" for one in numbers)
        poses += [f"{stamp - 0.004:.4f} {row}", f"{stamp + 0.012:.4f} 9 9 9 0 0 0 1"]
    for name, lines in (("rgb", rgb), ("depth", depth), ("groundtruth", poses)):
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    K = opencv_K(views[0].camera)
    numbers = (K[0, 0], K[1, 1], K[0, 2], K[1, 2])
    (folder / "intrinsics.txt").write_text(" ".join(map(str, numbers)))
    return folder


def as_scannet(folder, views):
    for number, view in enumerate(views):
        write_colour(folder / f"color/{number}.png", view)
        write_depth(folder / f"depth/{number}.png", view.depth, 1000)
        write_text(folder / f"pose/{number}.txt", view.camera.world_T_cam)
    K = np.eye(4)
    K[:3, :3] = opencv_K(views[0].camera)
    write_text(folder / "intrinsic/intrinsic_color.txt", K)
    write_text(folder / "intrinsic/intrinsic_depth.txt", K)
    return folder


def as_sevenscenes(folder, views):
    for number, view in enumerate(views):
        stem = folder / f"frame-{number:06d}"
        write_colour(stem.with_suffix(".color.png"), view)
        depth = np.where(view.depth > 0, view.depth, 65.535)
        write_depth(stem.with_suffix(".depth.png"), depth, 1000)
        write_text(stem.with_suffix(".pose.txt"), view.camera.world_T_cam)
    write_text(folder / "camera-intrinsics.txt", opencv_K(views[0].camera))
    return folder


def as_plain(folder, views):
    (folder / "d").mkdir(parents=True, exist_ok=True)
    K, (height, width) = views[0].camera.K, views[0].size_hw
    camera = {"fx": K[0, 0], "fy": K[1, 1], "cx": K[0, 2], "cy": K[1, 2]}
    listed = []
    for number, view in enumerate(views):
        write_colour(folder / f"{number}.png", view)
        np.save(folder / f"d/{number}.npy", view.depth)
        pose = view.camera.world_T_cam.tolist()
        listed.append({"image": f"{number}.png", "depth": f"d/{number}.npy", "world_T_cam": pose})
    values = {"format": "lifting-scene", "version": 1, "views": listed}
    values["camera"] = {**camera, "width": width, "height": height}
    (folder / "scene.json").write_text(json.dumps(values))
    return folder


WRITERS = {
    "colmap": as_colmap,
    "transforms-json": as_transforms,
    "tum": as_tum,
    "scannet": as_scannet,
    "sevenscenes": as_sevenscenes,
    "plain": as_plain,
}
