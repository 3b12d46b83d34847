"""Options that several commands share; their help is the reference of the grammar."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SceneArgument = Annotated[
    Path, typer.Argument(metavar="SCENE", help="A folder, or the file that describes a scene.")
]
SceneFormat = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="NAME",
        help="auto, colmap, transforms-json, tum, scannet, sevenscenes or plain.",
    ),
]
GivenCloud = Annotated[
    Path | None,
    typer.Option(
        "--cloud",
        metavar="PLY",
        help="Label these points instead of making points from depth. Where no view has depth, the "
        "points that come with a COLMAP scene are taken.",
    ),
]
Every = Annotated[
    int, typer.Option("--every", metavar="N", help="Only each so many-th view, from the first.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="One setting, such as voxel_m=0.01 (see lifting.settings); scene.KEY=VALUE is one of "
        "the format's, such as scene.units_per_metre=1000. Repeats.",
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume", help="Go on with a run that was interrupted; start it where there is none."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Say nothing but warnings and errors.")]
