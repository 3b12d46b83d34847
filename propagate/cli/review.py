"""`propagate review`: the frames of a finished run in which a correction helps most."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from propagate.cli.options import Quiet


def review(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder that `propagate track` has left.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder for the results. Default: DIR/review."),
    ] = None,
    count: Annotated[
        int, typer.Option("--count", metavar="N", min=1, help="Most frames that are shown.")
    ] = 12,
    source: Annotated[
        Path | None,
        typer.Option("--source", metavar="PATH", help="Where the source is now, if it was moved."),
    ] = None,
    *,
    quiet: Quiet = False,
) -> None:
    """Say which frames look wrong, worst first, and how to correct them.

    Leaves review.json, sheet.png (these frames, with what is around the object) and scores.png (the
    score of every object over time). Look at the sheet, then use `propagate correct`.
    """
    from propagate.cli.reviewing import carry_out

    carry_out(folder, folder / "review" if out is None else out, count, source, quiet=quiet)
