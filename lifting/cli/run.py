"""`lift run`: a scene and masks, to a labelled cloud."""

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


def run(  # noqa: PLR0913 - one parameter an option
    scene: SceneArgument,
    masks: Annotated[
        Path,
        typer.Option(
            "--masks",
            metavar="DIR",
            help="What `propagate track --out DIR` made, or a folder of PNGs of object ids, named "
            "like the pictures or by their number.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="PLY", help="The cloud; an existing one is replaced.")
    ],
    format: SceneFormat = "auto",
    cloud: GivenCloud = None,
    every: Every = 1,
    override: Overrides = None,
    objects: Annotated[
        Path | None,
        typer.Option(
            "--objects",
            metavar="DIR",
            help="Also one PLY an object, and objects.json: boxes, centroids, volumes.",
        ),
    ] = None,
    *,
    associate: Annotated[
        bool,
        typer.Option(
            "--associate",
            help="The ids mean nothing from view to view: find out which masks are one object.",
        ),
    ] = False,
    resume: Resume = False,
    quiet: Quiet = False,
) -> None:
    """Lift masks of many views into one labelled cloud.

    Points are made from the views' depth, or those of a given cloud are labelled. Each point of the
    PLY has a label (the object's id, 0 for none), a confidence and the number of views that saw it.
    """
    from lifting.cli.running import Order, Places, carry_out

    order = Order(scene, format, every, tuple(override or ()), cloud)
    places = Places(masks, out, objects)
    code = carry_out(order, places, associate=associate, resume=resume, quiet=quiet)
    raise typer.Exit(code)
