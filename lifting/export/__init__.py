"""Where lifted clouds go: PLY, boxes as JSON, meshes, pictures, recordings for Rerun.

Every file is written under a temporary name beside it and renamed. What is heavy (scipy, OpenCV,
Open3D, Rerun) is loaded by the function that needs it.
"""

from __future__ import annotations

from lifting.export.boxes import ObjectShape, shapes_of, write_shapes
from lifting.export.mesh import ObjectMesh, object_meshes, write_mesh
from lifting.export.pictures import (
    Stage,
    draw_cloud,
    stage_for,
    up_of,
    write_picture,
    write_turntable,
)
from lifting.export.ply import read_ply, read_up, write_objects, write_ply
from lifting.export.rerun import write_rrd

__all__ = [
    "ObjectMesh",
    "ObjectShape",
    "Stage",
    "draw_cloud",
    "object_meshes",
    "read_ply",
    "read_up",
    "shapes_of",
    "stage_for",
    "up_of",
    "write_mesh",
    "write_objects",
    "write_picture",
    "write_ply",
    "write_rrd",
    "write_shapes",
    "write_turntable",
]
