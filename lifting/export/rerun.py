"""Clouds, boxes and cameras as a recording that the Rerun viewer opens."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from lifting.export.boxes import shapes_of
from lifting.types import LabelledCloud, View
from propagate.errors import MissingPackageError
from propagate.export import replacing


def write_rrd(
    path: str | os.PathLike[str], cloud: LabelledCloud, views: Iterable[View] = ()
) -> None:
    """Write a recording: the points, one entity an object, their oriented boxes, and the cameras.

    Args:
        path: ends in `.rrd`.
        cloud: labelled.
        views: whose cameras and pictures are shown, each at its own time.

    Raises:
        MissingPackageError: `rerun-sdk` is not installed.
        OutputError: it cannot be written.
    """
    try:
        import rerun
    except ImportError as error:
        raise MissingPackageError("rerun-sdk", "viz", "writing a recording for Rerun") from error

    with replacing(Path(path)) as temporary:
        recording = rerun.RecordingStream("mask-propagate")
        recording.save(temporary)
        _log_points(rerun, recording, cloud)
        _log_boxes(rerun, recording, cloud)
        for index, view in enumerate(views):
            recording.set_time("view", sequence=index)
            _log_view(rerun, recording, view)
        recording.flush()
        recording.disconnect()


def _log_points(rerun: Any, recording: Any, cloud: LabelledCloud) -> None:
    for key in (0, *cloud.object_ids):
        part = cloud.select(cloud.labels == key)
        if len(part):
            name = f"world/objects/{key}" if key else "world/unlabelled"
            points = rerun.Points3D(
                part.points, colors=part.colours, class_ids=np.full(len(part), key % 65536)
            )
            recording.log(name, points, static=True)


def _log_boxes(rerun: Any, recording: Any, cloud: LabelledCloud) -> None:
    from scipy.spatial.transform import Rotation

    for shape in shapes_of(cloud):
        turn = rerun.Quaternion(xyzw=Rotation.from_matrix(shape.axes).as_quat())
        box = rerun.Boxes3D(
            centers=[shape.centre],
            half_sizes=[shape.extent / 2],
            quaternions=[turn],
            labels=[f"object {shape.object_id}"],
        )
        recording.log(f"world/boxes/{shape.object_id}", box, static=True)


def _log_view(rerun: Any, recording: Any, view: View) -> None:
    pose, (height, width) = view.camera.world_T_cam, view.size_hw
    place = rerun.Transform3D(translation=pose[:3, 3], mat3x3=pose[:3, :3])
    recording.log("world/camera", place)
    lens = rerun.Pinhole(image_from_camera=view.camera.K, width=width, height=height)
    recording.log("world/camera", lens)
    if view.image is not None:
        recording.log("world/camera/picture", rerun.Image(view.image).compress(jpeg_quality=85))
