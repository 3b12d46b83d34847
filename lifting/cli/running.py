"""What `lift run` does once its words are understood."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import lifting
import propagate
from lifting.association import associate as joined
from lifting.cli.checkpoint import Checkpoint, describe_masks, describe_scene
from lifting.cli.outputs import check_ply_name, write_results
from lifting.cli.settings import Chosen, in_units_of
from lifting.export import read_ply
from lifting.formats import LabelledViews, SceneViews
from lifting.lifter import Lifter, LiftState
from lifting.settings import Settings
from lifting.types import LabelledCloud, View
from propagate.console import INTERRUPTED
from propagate.console.progress import bar, warn
from propagate.errors import SceneError


@dataclass(frozen=True)
class Order:
    """Which scene is to be lifted, and how.

    Attributes:
        scene: folder or file.
        format: a name, or "auto".
        every: only each so many-th view.
        overrides: as written after --set.
        cloud: points to label, or None.
    """

    scene: Path
    format: str = "auto"
    every: int = 1
    overrides: tuple[str, ...] = ()
    cloud: Path | None = None

    def chosen(self) -> Chosen:
        """What --set says; ConfigError where that makes no sense."""
        return Chosen.of(self.overrides)

    def open(self) -> SceneViews:
        """The views; SceneError or ConfigError where there are none."""
        options = self.chosen().scene
        return lifting.open_views(self.scene, self.format, every=self.every, options=options)


@dataclass(frozen=True)
class Places:
    """Where masks are, and where results go.

    Attributes:
        masks: folder.
        out: the cloud.
        objects: folder for what is made of each object, or None.
    """

    masks: Path
    out: Path
    objects: Path | None = None


def carry_out(order: Order, places: Places, *, associate: bool, resume: bool, quiet: bool) -> int:
    """Lift into a file; the exit code.

    Raises:
        PropagateError: it cannot be done.
    """
    check_ply_name(places.out)
    views = order.open()
    labelled = lifting.label_views(views, places.masks)
    warn("lift", [*views.notes, *labelled.notes])
    given = given_cloud(views, order.cloud)
    settings = settled(order.chosen(), views, given, associating=associate)
    if associate:
        found: LabelledCloud | None = associated(labelled, given, settings, quiet=quiet)
    else:
        request = {
            "version": propagate.__version__,
            "scene": describe_scene(views),
            "masks": describe_masks(labelled),
            "settings": asdict(settings),
            "cloud": _checksum(order.cloud),
        }
        checkpoint = Checkpoint.beside(places.out, request)
        found = _lifted(labelled, given, settings, checkpoint, resume=resume, quiet=quiet)
    if found is None:
        return INTERRUPTED
    write_results(places.out, found, views, places.objects, quiet=quiet)
    return 0


def given_cloud(views: SceneViews, path: Path | None) -> LabelledCloud | None:
    """The points to label: those of a file, or of the scene where it has no depth.

    Raises:
        SceneError: the file cannot be read, or there is neither depth nor a cloud.
    """
    if path is not None:
        return read_ply(path)
    if views.has_depth:
        return None
    cloud = views.cloud()
    if cloud is None:
        raise SceneError(
            f"{views.path}: the scene has neither depth nor points; give a cloud with --cloud PLY"
        )
    return cloud


def settled(
    chosen: Chosen, views: SceneViews, cloud: LabelledCloud | None, *, associating: bool
) -> Settings:
    """The settings for a scene; what they were fitted to is told."""
    start = Settings(unlabelled="unknown") if associating else Settings()
    start, notes = in_units_of(start, views, cloud)
    warn("lift", notes)
    return chosen.settings(start)


def associated(
    views: LabelledViews, cloud: LabelledCloud | None, settings: Settings, *, quiet: bool
) -> LabelledCloud:
    """The cloud of masks whose ids mean nothing from view to view."""
    with bar("lifting", len(views), quiet=quiet) as advance:

        def watched() -> Iterator[View]:
            for count, view in enumerate(views, 1):
                yield view
                advance(count)

        return joined(watched(), cloud=cloud, settings=settings).cloud


def _lifted(
    views: LabelledViews,
    cloud: LabelledCloud | None,
    settings: Settings,
    checkpoint: Checkpoint,
    *,
    resume: bool,
    quiet: bool,
) -> LabelledCloud | None:
    """The cloud; None where the run was interrupted."""
    lifter = Lifter(settings)
    state = lifter.start(cloud)
    if resume:
        state = checkpoint.load(state)
    kept = [state]
    try:
        _take(views, lifter, kept, checkpoint, quiet=quiet)
        found = lifter.cloud(kept[0])
    except KeyboardInterrupt:
        checkpoint.keep(kept[0], now=True)
        words = f"{kept[0].views} of {len(views)} views are kept"
        print(f"lift: interrupted; {words}; add --resume to go on", file=sys.stderr)
        return None
    checkpoint.remove()
    return found


def _take(
    views: LabelledViews,
    lifter: Lifter,
    kept: list[LiftState],
    checkpoint: Checkpoint,
    *,
    quiet: bool,
) -> None:
    """Go through the views that `kept[0]` has not seen; it is always the last whole state."""
    with bar("lifting", len(views), quiet=quiet) as advance:
        for view in views.after(kept[0].views):
            kept[0] = lifter.update(kept[0], view)
            checkpoint.keep(kept[0])
            advance(kept[0].views)


def _checksum(path: Path | None) -> str | None:
    """SHA-256 of a file."""
    return None if path is None else hashlib.sha256(path.read_bytes()).hexdigest()
