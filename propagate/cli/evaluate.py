"""`propagate eval`: J, F and J&F on a data set laid out like DAVIS."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated

import typer

from propagate.cli.options import (
    Checkpoint,
    Device,
    Out,
    Overrides,
    Quiet,
    SegmenterName,
    Settings,
)

_PROMPT_HELP = (
    "What the tracker is given in frame 0; boxes: the true box in every frame, each answered "
    "afresh, to know what following costs."
)


def evaluate(  # noqa: PLR0913 - one parameter an option
    root: Annotated[
        Path, typer.Argument(metavar="DAVIS_ROOT", help="Holds JPEGImages and Annotations.")
    ],
    out: Out,
    sequences: Annotated[
        str | None, typer.Option(metavar="A,B", help="Only these, by name. Default: all.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many sequences.")
    ] = None,
    prompt: Annotated[
        str,
        typer.Option(metavar="mask|box|click|boxes", help=_PROMPT_HELP),
    ] = "mask",
    segmenter: SegmenterName = None,
    checkpoint: Checkpoint = None,
    config: Settings = "default",
    override: Overrides = None,
    device: Device = None,
    *,
    quiet: Quiet = False,
) -> None:
    """Measure the tracker: each object is given once, then compared with its true masks.

    Leaves DIR/results.json and results.csv, DIR/masks in DAVIS's own layout, a plot a sequence,
    and DIR/worst.png, where it went wrong.
    """
    from propagate.cli.run_folder import require_empty
    from propagate.cli.settings import Choice, resolved
    from propagate.console.progress import bar, show
    from propagate.evaluation import runner
    from propagate.evaluation.davis import open_davis
    from propagate.evaluation.report import table, write_report
    from propagate.tracker import build

    kind = runner.check_measure(prompt)
    require_empty(out)
    wanted = None if sequences is None else [name.strip() for name in sequences.split(",")]
    found = open_davis(root, wanted)[:limit]
    settings = resolved(Choice(config, override or (), segmenter, checkpoint, device))
    frames = sum(one.video().length_hint or 0 for one in found)
    with bar("measuring", frames, quiet=quiet) as advance:
        done = itertools.count(1)
        names, tracker = [one.name for one in found], build(settings)
        each = runner.evaluate(root, tracker, names, kind, out, lambda: advance(next(done)))
        results = list(each)
    write_report(results, out)
    if not quiet:
        show(table(results))
