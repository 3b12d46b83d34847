"""Scenes of which every point is known, for tests of lifting and of trackers.

`table_top` and `room` make scenes by seed; `around` moves a camera through them; `Scene.look` gives
views with a natural picture, exact depth and exact labels; `Sensor` spoils them as real ones are;
`frames` and `clicks` are what `propagate.track` takes; `Scene.truth` and `Scene.cloud` know the
answer. Needs Open3D (`mask-propagate[lift]`).

>>> scene = table_top(seed=3)
>>> views = list(scene.views(around(scene, 24)))
>>> cloud = lifting.lift(views)
>>> right = (cloud.labels == scene.truth(cloud.points)[0]).mean()
"""

from __future__ import annotations

from lifting.testing.materials import Material
from lifting.testing.meshes import Mesh
from lifting.testing.motion import around, looking
from lifting.testing.rooms import room, table_top
from lifting.testing.scenes import Scene, Solid
from lifting.testing.sensor import KINECT, Sensor
from lifting.testing.video import clearest, clicks, frames

__all__ = [
    "KINECT",
    "Material",
    "Mesh",
    "Scene",
    "Sensor",
    "Solid",
    "around",
    "clearest",
    "clicks",
    "frames",
    "looking",
    "room",
    "table_top",
]
