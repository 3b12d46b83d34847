"""`lift view`: a cloud in a window, or as a picture where there is no display."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lifting.cli.options import Every, Overrides, Quiet, SceneFormat

if TYPE_CHECKING:
    from lifting.export import Stage
    from lifting.types import LabelledCloud

_VIEWS = 60  # of a scene, at most
_VOXEL_M = 0.015


def view(  # noqa: PLR0913 - one parameter an option
    source: Annotated[Path, typer.Argument(metavar="PLY|SCENE", help="A cloud, or a scene.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Write a picture (.png, .jpg) or a turntable (.mp4) instead of opening a window. "
            "Without a display: the cloud's name with .png, in the current folder.",
        ),
    ] = None,
    format: SceneFormat = "auto",
    every: Every = 1,
    override: Overrides = None,
    *,
    quiet: Quiet = False,
) -> None:
    """Show a cloud, objects tinted by their ids; of a scene, the points of some of its views."""
    from lifting.export import write_picture, write_turntable
    from propagate.console.progress import counted, say
    from propagate.errors import InputError

    if out is not None and out.suffix.lower() not in (".png", ".jpg", ".jpeg", ".mp4"):
        raise InputError(f"{out}: give a name that ends in .png, .jpg or .mp4")
    if source.suffix.lower() == ".ply":
        cloud, stage = _of_file(source)
    else:
        cloud, stage = _of_scene(source, (format, every, override or []), quiet=quiet)
    if out is None and _has_display():
        _window(cloud)
        return
    target = out or Path(f"{source.resolve().stem}.png")
    if target.suffix.lower() == ".mp4":
        write_turntable(target, cloud, stage)
    else:
        write_picture(target, cloud, stage)
    say(f"{target}: {len(cloud)} points, {counted(len(cloud.object_ids), 'object')}", quiet=quiet)


def _of_file(path: Path) -> tuple[LabelledCloud, Stage]:
    from lifting.export import read_ply, read_up, stage_for

    cloud = read_ply(path)
    return cloud, stage_for(cloud, read_up(path))


def _of_scene(
    path: Path, words: tuple[str, int, list[str]], *, quiet: bool
) -> tuple[LabelledCloud, Stage]:
    """The points that the depth of some views makes, or those that come with the scene."""
    from dataclasses import replace

    import numpy as np

    import lifting
    from lifting.cli.running import given_cloud
    from lifting.cli.settings import Chosen, in_units_of
    from lifting.export import stage_for
    from lifting.lifter import Lifter
    from lifting.settings import Settings
    from propagate.console.progress import bar, warn

    format, every, overrides = words
    chosen = Chosen.of(overrides)
    views = lifting.open_views(path, format, every=every, options=chosen.scene)
    warn("lift", views.notes)
    cloud = given_cloud(views, None)
    if cloud is None:
        start, _ = in_units_of(Settings(voxel_m=_VOXEL_M), views, None)
        lifter = Lifter(chosen.settings(start))
        state = lifter.start()
        steps = np.unique(np.linspace(0, len(views) - 1, _VIEWS).astype(int))
        with bar("reading", len(steps), quiet=quiet) as advance:
            for count, at in enumerate(steps, 1):
                one = views[int(at)]
                state = lifter.update(state, replace(one, labels=np.zeros(one.size_hw, np.int32)))
                advance(count)
        cloud = lifter.cloud(state)
    return cloud, stage_for(cloud, seen_from=[shot.camera for shot in views.shots])


def _has_display() -> bool:
    """Whether a window can be opened."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _window(cloud: LabelledCloud) -> None:
    """Open3D's viewer, until it is closed."""
    from lifting._open3d import open3d_for
    from lifting.export.pictures import inks

    open3d = open3d_for("showing a cloud in a window")
    shown = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(cloud.points))
    shown.colors = open3d.utility.Vector3dVector(inks(cloud) / 255)
    open3d.visualization.draw_geometries([shown], window_name="lift")
