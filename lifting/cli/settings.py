"""Settings from the words of the command line, and lengths of scenes that are not in metres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from lifting import camera as cameras
from lifting.formats import SceneViews
from lifting.settings import Settings
from lifting.types import LabelledCloud
from propagate.config import apply_overrides, from_mapping
from propagate.errors import ConfigError

_LENGTHS = ("voxel_m", "farthest_m", "near_m", "depth_tolerance_m")
_USUAL_M = 2.0  # metres from a camera to what it looks at, which the defaults are meant for
_SOME = 2000


@dataclass(frozen=True)
class Chosen:
    """What --set says.

    Attributes:
        lift: for `lifting.settings.Settings`, by name.
        scene: for the `Config` of the scene's format, by name.
    """

    lift: dict[str, Any]
    scene: dict[str, Any]

    @staticmethod
    def of(overrides: Sequence[str]) -> Chosen:
        """Read KEY=VALUE; ConfigError for what is no setting or of the wrong kind."""
        values = apply_overrides({}, overrides)
        scene = values.pop("scene", {})
        if not isinstance(scene, dict):
            raise ConfigError("--set scene needs a name: scene.KEY=VALUE")
        from_mapping(Settings, values)
        return Chosen(values, scene)

    def settings(self, start: Settings) -> Settings:
        """The settings: those given, the others from `start`."""
        return from_mapping(Settings, {**asdict(start), **self.lift})


def in_units_of(
    settings: Settings, views: SceneViews, cloud: LabelledCloud | None
) -> tuple[Settings, tuple[str, ...]]:
    """Settings whose lengths fit a scene in a unit of its own, and what to tell the user.

    The defaults are meant for things two metres away; here they are scaled to the distance at
    which the cameras see the given points, or at which the depth of some views lies.

    Args:
        settings: in metres.
        views: of the scene.
        cloud: the points to label, or None.
    """
    if views.metric:
        return settings, ()
    far = _distance(views, cloud)
    if far is None:
        return settings, ()
    unit = far / _USUAL_M
    scaled: dict[str, Any] = {
        name: float(f"{getattr(settings, name) * unit:.3g}") for name in _LENGTHS
    }
    note = (
        f"lengths are in the scene's own unit: things lie about {far:.3g} away, so voxel_m is "
        f"{scaled['voxel_m']:g} and farthest_m {scaled['farthest_m']:g} (--set changes them)"
    )
    return replace(settings, **scaled), (note,)


def _distance(views: SceneViews, cloud: LabelledCloud | None) -> float | None:
    """The median depth of what cameras see; None where nothing is seen."""
    depths = []
    for index in np.unique(np.linspace(0, len(views) - 1, 5).astype(int)):
        if cloud is not None:
            camera = views.shots[index].camera
            points = cloud.points[:: max(1, len(cloud) // _SOME)]
            pixels, depth = cameras.project(camera, points)
            depths.append(
                depth[cameras.in_picture(camera, pixels, cameras.to_camera(camera, points))]
            )
        else:
            seen = views[int(index)].depth
            depths.append(np.zeros(0) if seen is None else seen[seen > 0].astype(np.float64))
    every = np.concatenate(depths)
    return float(np.median(every)) if len(every) else None
