"""`propagate track`: masks of the objects that were asked for, in every frame of a video."""

from __future__ import annotations

from typing import Annotated

import typer

from propagate.cli.options import (
    BothWays,
    Boxes,
    Checkpoint,
    DetectorName,
    Device,
    Export,
    Masks,
    Out,
    Overrides,
    Points,
    PromptsFile,
    Quiet,
    Resume,
    SegmenterName,
    Settings,
    Start,
    Stop,
    Texts,
    TextScore,
)


def track(  # noqa: PLR0913 - one parameter an option
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A video file, or a folder of pictures.")
    ],
    out: Out,
    mask: Masks = None,
    point: Points = None,
    box: Boxes = None,
    text: Texts = None,
    prompts: PromptsFile = None,
    segmenter: SegmenterName = None,
    checkpoint: Checkpoint = None,
    config: Settings = "default",
    override: Overrides = None,
    export: Export = "png",
    start: Start = 0,
    stop: Stop = None,
    device: Device = None,
    detector: DetectorName = None,
    text_score: TextScore = 0.25,
    *,
    both_ways: BothWays = False,
    resume: Resume = False,
    quiet: Quiet = False,
) -> None:
    """Follow objects through a video; click, box or paint each of them once.

    Leaves DIR/masks/00000.png … (the value of a pixel is the object's id), DIR/tracks.json and
    DIR/run.json. A later prompt for an object that is followed corrects it from that frame on.
    """
    from propagate.cli.phrases import spoken
    from propagate.cli.prompts import gather
    from propagate.cli.settings import Choice, resolved
    from propagate.cli.tracking import Order, carry_out

    said = spoken(text or (), detector, text_score, device)
    asked = gather(point or (), box or (), mask or (), prompts, said)
    names = tuple(name.strip() for name in export.split(",") if name.strip())
    settings = resolved(Choice(config, override or (), segmenter, checkpoint, device))
    order = Order(source, asked, settings, names, start, stop, said, both_ways=both_ways)
    code = carry_out(order, out, resume=resume, quiet=quiet)
    raise typer.Exit(code)
