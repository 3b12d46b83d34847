"""`lift info`: what a scene or a cloud holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lifting.cli.options import Every, Overrides, SceneFormat

if TYPE_CHECKING:
    from lifting.formats import SceneViews
    from lifting.types import LabelledCloud

_READ = 5  # views that are decoded


def info(
    source: Annotated[Path, typer.Argument(metavar="SCENE|PLY", help="A scene, or a cloud.")],
    format: SceneFormat = "auto",
    every: Every = 1,
    override: Overrides = None,
) -> None:
    """Say what is there: views, sizes and depth of a scene; points and objects of a cloud."""
    from lifting.cli.settings import Chosen
    from propagate.console.progress import warn

    if source.suffix.lower() == ".ply":
        from lifting.export import read_ply

        _tell_cloud(read_ply(source))
        return
    import lifting

    options = Chosen.of(override or ()).scene
    views = lifting.open_views(source, format, every=every, options=options)
    warn("lift", views.notes)
    _tell_scene(views)


def _tell_scene(views: SceneViews) -> None:
    import numpy as np
    from rich.table import Table

    from propagate.console.progress import show

    some = [views[int(at)] for at in np.unique(np.linspace(0, len(views) - 1, _READ).astype(int))]
    places = np.array([shot.camera.place for shot in views.shots])
    unit = "m" if views.metric else "units of its own"
    height, width = views.shots[0].camera.size_hw
    rows = [
        ("format", views.format),
        ("views", str(len(views))),
        ("pictures", f"{width}x{height}" if views.shots[0].image else "none"),
    ]
    depths = [view.depth for view in some if view.depth is not None]
    if depths:
        seen = np.concatenate([depth[depth > 0] for depth in depths])
        share = len(seen) / sum(depth.size for depth in depths)
        low, high = np.quantile(seen, [0.01, 0.99]) if len(seen) else (0, 0)
        size = f"{depths[0].shape[1]}x{depths[0].shape[0]}"
        rows.append(("depth", f"{size}, {share:.0%} of pixels, {low:.2f} to {high:.2f} {unit}"))
    else:
        rows.append(("depth", "none"))
    span = " x ".join(f"{side:.2f}" for side in np.ptp(places, axis=0))
    rows.append(("cameras move over", f"{span} {unit}"))
    cloud = views.cloud()
    rows.append(("points of its own", "none" if cloud is None else str(len(cloud))))
    table = Table(show_header=False)
    for name, value in rows:
        table.add_row(name, value)
    show(table)


def _tell_cloud(cloud: LabelledCloud) -> None:
    import numpy as np
    from rich.table import Table

    from propagate.console.progress import counted, say, show

    on = int((cloud.labels > 0).sum())
    colours = "with" if cloud.colours is not None else "without"
    objects = counted(len(cloud.object_ids), "object")
    say(f"{len(cloud)} points {colours} colours, {on} on {objects}")
    table = Table("object", "points", "confidence", "middle (x, y, z)", "size (x, y, z)")
    for key in cloud.object_ids:
        part = cloud.select(cloud.labels == key)
        low, high = part.points.min(axis=0), part.points.max(axis=0)
        middle, size = (low + high) / 2, high - low
        words = (", ".join(f"{one:.3f}" for one in row) for row in (middle, size))
        table.add_row(str(key), str(len(part)), f"{np.mean(part.confidence):.2f}", *words)
    if cloud.object_ids:
        show(table)
