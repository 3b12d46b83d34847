"""`lift auto`: a scene without masks, to a labelled cloud."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lifting.cli.options import (
    Every,
    GivenCloud,
    Overrides,
    Quiet,
    Resume,
    SceneArgument,
    SceneFormat,
)


def auto(  # noqa: PLR0913 - one parameter an option
    scene: SceneArgument,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the results; made, or empty.")
    ],
    point: Annotated[
        list[str] | None,
        typer.Option(
            "--point",
            metavar="X,Y[@VIEW][#ID][-]",
            help="Only what is clicked: a place on an object in one view is enough. VIEW is the "
            "number of the picture, from 0, or its name; a trailing - says: not on it. Repeats.",
        ),
    ] = None,
    format: SceneFormat = "auto",
    cloud: GivenCloud = None,
    every: Every = 1,
    override: Overrides = None,
    segmenter: Annotated[
        str, typer.Option("--segmenter", metavar="NAME", help="See `propagate models`.")
    ] = "lite",
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", metavar="FILE", help="Other weights for it.")
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", metavar="cpu|cuda|auto", help="Default: auto.")
    ] = None,
    *,
    resume: Resume = False,
    quiet: Quiet = False,
) -> None:
    """Segment, associate and lift a scene in one go.

    Without --point everything is segmented in each view on its own, and masks that the views agree
    on become objects. With --point the clicked objects are followed through all views, and lifted
    from each --every N-th one.

    Leaves DIR/cloud.ply, DIR/objects (one PLY an object, and objects.json), DIR/cloud.png and
    DIR/masks.
    """
    from lifting.cli.automatic import carry_out
    from lifting.cli.running import Order

    order = Order(scene, format, every, tuple(override or ()), cloud)
    network = (segmenter, checkpoint, device)
    code = carry_out(order, out, point or (), network, resume=resume, quiet=quiet)
    raise typer.Exit(code)
