"""Options that several commands share; their help is the reference of the grammar."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Points = Annotated[
    list[str] | None,
    typer.Option(
        "--point",
        metavar="X,Y[@FRAME][#ID][-]",
        help="A click at pixel X,Y; a trailing - says: not on the object. Without @ it is in the "
        "first frame, without # it belongs to object 1. May be repeated.",
    ),
]
Boxes = Annotated[
    list[str] | None,
    typer.Option(
        "--box",
        metavar="X0,Y0,X1,Y1[@FRAME][#ID]",
        help="A box around an object, its end exclusive. Without # each one is an object of its "
        "own: the lowest number that no other option names. May be repeated.",
    ),
]
Masks = Annotated[
    list[str] | None,
    typer.Option(
        "--mask",
        metavar="PNG[@FRAME][#ID]",
        help="A mask of the picture's size, palette or grey: its values are the ids, several if "
        "need be; black and white is one object, 1. A number that another mask of the same frame "
        "has taken becomes the lowest free one. May be repeated.",
    ),
]
Texts = Annotated[
    list[str] | None,
    typer.Option(
        "--text",
        metavar="WORDS[@FRAME]",
        help='What to look for, such as "a dog": each one that is found is an object of its own. '
        "Needs the extra [text]. May be repeated.",
    ),
]
DetectorName = Annotated[
    str | None,
    typer.Option(
        "--detector",
        metavar="FOLDER|NAME",
        help="What finds --text: a saved Grounding DINO or OWLv2, or its name on the Hugging Face "
        "hub, from where it is fetched once.",
    ),
]
TextScore = Annotated[
    float,
    typer.Option("--text-score", metavar="0..1", help="How sure the detector must be of a box."),
]
PromptsFile = Annotated[
    Path | None,
    typer.Option(
        "--prompts",
        metavar="FILE.json",
        help='More prompts: a list of {"frame": 0, "object": 1, "points": [[x, y]], "labels": '
        '[1], "box": [x0, y0, x1, y1], "mask": "file.png"}; {..., "absent": true} says that the '
        "object is not in that frame.",
    ),
]
SegmenterName = Annotated[
    str | None,
    typer.Option("--segmenter", metavar="NAME", help="See `propagate models`. Default: lite."),
]
Checkpoint = Annotated[
    Path | None, typer.Option("--checkpoint", metavar="FILE", help="Other weights for it.")
]
Device = Annotated[
    str | None, typer.Option("--device", metavar="cpu|cuda|auto", help="Default: auto.")
]
Settings = Annotated[
    str,
    typer.Option("--config", metavar="YAML", help="A preset's name or a file of settings."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="One setting, such as segmenter.area=100000. Repeats."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Say nothing but warnings and errors.")]
Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Folder for the results; made, or empty.")
]
Export = Annotated[
    str,
    typer.Option(
        "--export",
        metavar="KINDS",
        help="Comma-separated: png (masks and tracks.json, always made), rle (masks inside "
        "tracks.json as well), overlay (overlay.mp4).",
    ),
]
Start = Annotated[int, typer.Option("--start", metavar="N", help="First frame, counted from 0.")]
Stop = Annotated[
    int | None, typer.Option("--stop", metavar="N", help="Frame after the last one. Default: all.")
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume", help="Go on with a run that was interrupted; start it where there is none."
    ),
]
BothWays = Annotated[
    bool,
    typer.Option(
        "--both-ways",
        help="Where an object has prompts in two frames, track what lies between them from both "
        "sides and fuse it; takes up to three times as long there.",
    ),
]
