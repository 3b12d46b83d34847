"""`propagate export-onnx`: networks for other runtimes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from propagate.cli.options import Checkpoint, Quiet


def export_onnx(
    segmenter: Annotated[
        str, typer.Argument(metavar="SEGMENTER", help="lite, sam-vit-b|l|h or mobile-sam.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the files.")],
    checkpoint: Checkpoint = None,
    size: Annotated[
        str | None,
        typer.Option(
            "--size", metavar="HxW", help="Of lite's input, multiples of 32. Default: for 16:9."
        ),
    ] = None,
    *,
    quiet: Quiet = False,
) -> None:
    """Write a network as ONNX: SAM's decoder, or the encoder and decoder of lite.

    The number of prompts is open. Each file is compared with torch on random prompts before it
    gets its name. Leaves DIR/SEGMENTER-PART.onnx and DIR/SEGMENTER.json (size, inputs, outputs,
    difference from torch, milliseconds).
    """
    from rich.table import Table

    from propagate.console.progress import bar, say, show
    from propagate.export import write_whole
    from propagate.onnx_export import export, parse_size

    size_hw = None if size is None else parse_size(size)
    done = []
    with bar("exporting", None, "files", quiet=quiet) as advance:
        for one in export(segmenter, out, checkpoint, size_hw):
            done.append(one)
            advance(len(done))
    report = {"segmenter": segmenter, "files": [one.as_json() for one in done]}
    write_whole(out / f"{segmenter}.json", (json.dumps(report, indent=1) + "\n").encode())
    if quiet:
        return
    grid = Table("file", "MB", "apart from torch", "prompts", "onnxruntime ms", "torch ms")
    for one in done:
        for count, each in one.milliseconds.items():
            times = str(each["onnxruntime"]), str(each["torch"])
            apart = f"{one.largest_difference:.1e}"
            grid.add_row(one.file, str(one.megabytes), apart, count, *times)
    show(grid)
    say(str(out), quiet=quiet)
