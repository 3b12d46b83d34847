"""What `lift auto` does once its words are understood."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import lifting
import propagate
from lifting.cli.checkpoint import describe_scene
from lifting.cli.clicks import prompts_of
from lifting.cli.everything import segment_views
from lifting.cli.follow import Following
from lifting.cli.mask_files import MaskFiles
from lifting.cli.outputs import write_results
from lifting.cli.running import Order, associated, given_cloud, settled
from lifting.cli.settings import Chosen
from lifting.export import stage_for, write_picture
from lifting.formats import SceneViews
from lifting.types import LabelledCloud
from propagate.console import INTERRUPTED
from propagate.console.progress import say, warn
from propagate.errors import ConfigError, InputError, SceneError
from propagate.export import make_folder, write_whole
from propagate.types import Prompt

_MANY = 20  # views whose masks take a minute or more
_KEPT = {
    False: "the masks that were made are kept",
    True: "masks are kept once the objects were followed to the end",
}

Network = tuple[str, Path | None, str | None]
"""Segmenter, its weights and the device, as written."""


def carry_out(
    order: Order, out: Path, points: Sequence[str], network: Network, *, resume: bool, quiet: bool
) -> int:
    """Segment and lift into a folder; the exit code.

    Everything that can be wrong with what the user gave is found before the folder is made.

    Raises:
        PropagateError: it cannot be done; masks that were made are kept.
    """
    chosen = order.chosen()
    views = replace(order, every=1 if points else order.every).open()  # objects are lost in gaps
    prompts = prompts_of(points, views)
    warn("lift", views.notes)
    given = given_cloud(views, order.cloud)
    _check_pictures(views)
    part = _part(network, tracking=bool(prompts))
    begin(out, _request(views, prompts, network), resume=resume)
    files = MaskFiles(out, views)
    try:
        if prompts:
            following = Following(files, prompts, part, order.every)
            found = _clicked(following, (chosen, given), quiet=quiet)
        else:
            found = _everything(files, part, (chosen, given), quiet=quiet)
    except KeyboardInterrupt:
        print(f"lift: interrupted; {_KEPT[bool(prompts)]}; add --resume to go on", file=sys.stderr)
        return INTERRUPTED
    write_results(out / "cloud.ply", found, views, out / "objects", quiet=quiet)
    stage = stage_for(found, seen_from=[shot.camera for shot in views.shots])
    write_picture(out / "cloud.png", found, stage)
    return 0


def _everything(
    files: MaskFiles, segmenter: Any, how: tuple[Chosen, LabelledCloud | None], *, quiet: bool
) -> LabelledCloud:
    """Masks of everything, and which of them are one object."""
    chosen, given = how
    count = len(files.views)
    if count > _MANY:
        say(f"segmenting {count} views, seconds each; --every N takes fewer", quiet=quiet)
    segment_views(files, segmenter, quiet=quiet)
    views = lifting.label_views(files.views, files.folder / "masks")
    settings = settled(chosen, files.views, given, associating=True)
    return associated(views, given, settings, quiet=quiet)


def _clicked(
    following: Following, how: tuple[Chosen, LabelledCloud | None], *, quiet: bool
) -> LabelledCloud:
    """Clicked objects, followed through the views and then looked for where they were missed."""
    chosen, given = how
    files, lifted = following.files, following.lifted
    settings = settled(chosen, files.views, given, associating=False)
    answers = files.tracks() or following.track(quiet=quiet)
    files.write_tracks(answers)

    def cloud() -> LabelledCloud:
        views = lifting.label_views(lifted, files.folder)
        return _as_clicked(lifting.lift(views, cloud=given, settings=settings), following)

    found = cloud()
    added = following.fill(found, answers, settings, quiet=quiet)
    if added:
        found = cloud()
        say(f"found again from 3D in {added} places", quiet=quiet)
    return found


def _as_clicked(cloud: LabelledCloud, following: Following) -> LabelledCloud:
    """Each object where its first click was, without what the tracker took for it elsewhere."""
    views = lifting.label_views(following.files.views, following.files.folder)
    shown = []
    for at in sorted(set(following.first.values())):
        view = next(views.after(at))
        if view.labels is not None:
            mine = [key for key, where in following.first.items() if where == at]
            shown.append(view.with_labels(np.where(np.isin(view.labels, mine), view.labels, 0)))
    return lifting.anchored(cloud, shown)


def _part(network: Network, *, tracking: bool) -> Any:
    """A tracker, or a segmenter alone; ConfigError where there is no such thing."""
    name, checkpoint, device = network
    if device not in (None, "cpu", "cuda", "auto"):
        raise ConfigError(f"--device must be one of auto, cpu, cuda, got {device!r}")
    weights = None if checkpoint is None else str(checkpoint)
    if not tracking:
        return propagate.load_segmenter(name, weights, device or "auto")
    asked = {"name": name, "checkpoint": weights, "device": device}
    section = {key: value for key, value in asked.items() if value is not None}
    return propagate.load_tracker(segmenter=section)


def begin(out: Path, request: dict[str, Any], *, resume: bool) -> None:
    """Make the folder of a run, or see that the run in it is this one.

    Raises:
        InputError: it holds something else, or a run that was not asked to be continued.
        OutputError: it cannot be made.
    """
    noted = out / "request.json"
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; give a folder for the results")
    if noted.is_file():
        if not resume:
            raise InputError(f"{out}: holds a run; add --resume to go on, or give a new folder")
        try:
            same = json.loads(noted.read_text(encoding="utf-8")) == request
        except ValueError as error:
            raise InputError(f"{noted}: damaged; give a new folder") from error
        if not same:
            raise InputError(
                f"{out}: the run in this folder had another scene, other clicks or another "
                "segmenter; resume it with the same command, or give another folder"
            )
    elif out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out}: the folder is not empty and holds no run; give a new one")
    make_folder(out)
    write_whole(noted, (json.dumps(request, indent=1) + "\n").encode())


def _check_pictures(views: SceneViews) -> None:
    """SceneError where a view has nothing to segment."""
    for shot in views.shots:
        if shot.image is None:
            raise SceneError(f"{views.path}: the view {shot.name!r} has no picture to segment")


def _request(views: SceneViews, prompts: Sequence[Prompt], network: Network) -> dict[str, Any]:
    """What decides which masks are made."""
    return {
        "version": propagate.__version__,
        "scene": describe_scene(views),
        "clicks": [
            [one.frame_index, one.object_id, one.points_xy.tolist(), one.labels.tolist()]
            for one in prompts
            if one.labels is not None
        ],
        "segmenter": [network[0], str(network[1])],
    }
