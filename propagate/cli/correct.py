"""`propagate correct`: a frame that came out wrong is put right, and what depends on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from propagate.cli.options import PromptsFile, Quiet

Run = Annotated[
    Path, typer.Argument(metavar="DIR", help="The folder that `propagate track` has left.")
]
Source = Annotated[
    Path | None,
    typer.Option("--source", metavar="PATH", help="Where the source is now, if it was moved."),
]
Absent = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FRAME[#ID]",
        help="The object is not in this frame, nor between two such frames. Repeats.",
    ),
]
Undo = Annotated[bool, typer.Option("--undo", help="Take the last correction back, byte for byte.")]


def correct(  # noqa: PLR0913 - one parameter an option
    folder: Run,
    mask: Annotated[
        list[str] | None,
        typer.Option(
            "--mask",
            metavar="PNG@FRAME[#ID]",
            help="The right mask, kept exactly as it is; its values are the ids. An edited picture "
            "of DIR/masks will do, and what was erased from it is not there. May be repeated.",
        ),
    ] = None,
    point: Annotated[
        list[str] | None,
        typer.Option(
            "--point",
            metavar="X,Y@FRAME[#ID][-]",
            help="A click that corrects what is there; a trailing - says: not on the object. "
            "Without # it is the only object's. May be repeated.",
        ),
    ] = None,
    box: Annotated[
        list[str] | None,
        typer.Option(metavar="X0,Y0,X1,Y1@FRAME[#ID]", help="A box around an object. Repeats."),
    ] = None,
    absent: Absent = None,
    prompts: PromptsFile = None,
    source: Source = None,
    *,
    undo: Undo = False,
    quiet: Quiet = False,
) -> None:
    """Correct frames of a finished run; `propagate review` says which.

    What lies between a corrected frame and the neighbouring frames that you answered for the same
    object is tracked again, from both sides; no other file changes. Interrupted, it leaves the run
    as it was or complete: the same command again ends it.
    """
    from propagate.cli import correcting, undoing
    from propagate.cli.prompts import gather
    from propagate.errors import PromptError

    given = point or box or mask or absent or prompts
    if undo and given:
        raise PromptError("--undo takes the last correction back; give it alone")
    if undo:
        raise typer.Exit(undoing.undo(folder, quiet=quiet))
    if not given:
        raise PromptError("nothing to correct; give --point, --box, --mask, --absent or --prompts")
    asked = gather(point or (), box or (), mask or (), prompts, absent=absent or ())
    raise typer.Exit(correcting.carry_out(folder, asked, source, quiet=quiet))
