"""From where a cloud of a scene is best drawn: from where its cameras stood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lifting.export import Stage, stage_for, up_of
from lifting.types import Camera, LabelledCloud

_STEP = 15  # degrees


def stage_among(cloud: LabelledCloud, cameras: Sequence[Camera]) -> Stage:
    """A stage on the side that the cameras looked from: no wall that they faced stands between.

    Raises:
        SceneError: a cloud without a point, or cameras that do not say where up is.
    """
    stage = stage_for(cloud, up_of(cameras))
    towards = np.mean([camera.place for camera in cameras], axis=0) - stage.middle
    turn = max(
        range(0, 360, _STEP), key=lambda at: (stage.camera(at).place - stage.middle) @ towards
    )
    return replace(stage, azimuth=stage.azimuth + turn)
