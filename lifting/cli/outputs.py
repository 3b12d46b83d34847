"""What commands leave, and what they say of it."""

from __future__ import annotations

from pathlib import Path

from lifting.export import up_of, write_objects, write_ply, write_shapes
from lifting.formats import SceneViews
from lifting.types import DoubleArray, LabelledCloud
from propagate.console.progress import counted, say
from propagate.errors import InputError, SceneError


def check_ply_name(out: Path) -> None:
    """InputError where a cloud cannot be written there."""
    if out.suffix.lower() != ".ply":
        raise InputError(f"{out}: the cloud is written as PLY; give a name that ends in .ply")
    if out.is_dir():
        raise InputError(f"{out}: is a folder; give the name of a file")
    if not out.parent.is_dir():
        raise InputError(f"{out.parent}: no such folder; make it first")


def write_results(
    out: Path,
    cloud: LabelledCloud,
    views: SceneViews,
    objects: Path | None = None,
    *,
    quiet: bool,
) -> None:
    """Write the cloud, its objects where they are wanted, and say what there is.

    Args:
        out: the cloud's file.
        cloud: what was found.
        views: that it is of; their cameras say which way is up.
        objects: folder for what is made of each object, or None.
        quiet: say nothing.

    Raises:
        OutputError: they cannot be written.
    """
    up = _up(views)
    write_ply(out, cloud, up=up)
    if objects is not None:
        write_objects(objects, cloud, up=up)
        write_shapes(objects / "objects.json", cloud)
    count = counted(len(cloud.object_ids), "object")
    on = int((cloud.labels > 0).sum())
    say(f"{len(cloud)} points, {on} of them on {count}: {out}", quiet=quiet)


def _up(views: SceneViews) -> DoubleArray | None:
    """(3,) up, or None where the cameras do not say."""
    try:
        return up_of(shot.camera for shot in views.shots)
    except SceneError:
        return None
