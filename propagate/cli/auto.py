"""`propagate auto`: masks of everything in pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from propagate.cli.options import (
    Checkpoint,
    Device,
    Out,
    Overrides,
    Quiet,
    Resume,
    SegmenterName,
    Settings,
)


def auto(  # noqa: PLR0913 - one parameter an option
    source: Annotated[
        Path, typer.Argument(metavar="IMAGE|FOLDER", help="A picture, or a folder of pictures.")
    ],
    out: Out,
    segmenter: SegmenterName = None,
    checkpoint: Checkpoint = None,
    config: Settings = "default",
    override: Overrides = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            metavar="KEY=VALUE",
            help="How to look, such as points_per_side=32, sampling=grid or least_score=0.7; see "
            "propagate.automatic.Config. Repeats.",
        ),
    ] = None,
    device: Device = None,
    *,
    resume: Resume = False,
    quiet: Quiet = False,
) -> None:
    """Masks of everything, with nothing clicked.

    Leaves DIR/NAME.json for each picture, in the layout of SA-1B (COCO run lengths, box, predicted
    IoU, stability, point), and DIR/NAME.png with all masks drawn. A picture that cannot be read is
    said and left out; --resume goes on with those that have no masks yet.
    """
    from propagate.cli.everything import Order, carry_out
    from propagate.cli.settings import Choice, resolved

    settings = resolved(Choice(config, override or (), segmenter, checkpoint, device))
    order = Order(source, settings, tuple(option or ()))
    raise typer.Exit(carry_out(order, out, resume=resume, quiet=quiet))
