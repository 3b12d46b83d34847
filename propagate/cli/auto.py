"""`propagate auto`: masks of everything in pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from propagate.cli.options import Checkpoint, Device, Out, Overrides, Quiet, SegmenterName, Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from propagate.automatic import Config
    from propagate.types import ImageArray


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
    quiet: Quiet = False,
) -> None:
    """Masks of everything, with nothing clicked.

    Leaves DIR/NAME.json for each picture, in the layout of SA-1B (COCO run lengths, box, predicted
    IoU, stability, point), and DIR/NAME.png with all masks drawn.
    """
    from propagate.automatic import generate
    from propagate.cli.run_folder import require_empty
    from propagate.cli.settings import Choice, resolved
    from propagate.cli.weights import load
    from propagate.console.progress import bar, say
    from propagate.videos.images import read_image

    paths = _pictures(source)
    section = resolved(Choice(config, override or (), segmenter, checkpoint, device)).segmenter
    how = _how(section["name"], option or ())
    require_empty(out)
    network = load(section, quiet=quiet)
    count = 0
    with bar("segmenting", len(paths), "pictures", quiet=quiet) as advance:
        for number, path in enumerate(paths, start=1):
            image = read_image(path)
            records = generate(image, network, how)
            _write(out, path, image, records)
            count += len(records)
            advance(number)
    say(f"{count} masks in {len(paths)} pictures: {out}", quiet=quiet)


def _pictures(source: Path) -> list[Path]:
    """The picture, or those of a folder in natural order; VideoError where there is none."""
    if not source.is_dir():
        return [source]
    from propagate.videos.folder import list_pictures

    return list_pictures(source)


def _how(name: str, options: Sequence[str]) -> Config:
    """SAM's own settings for SAM, the defaults for others, and the user's on top."""
    from dataclasses import asdict

    from propagate import automatic
    from propagate.config import apply_overrides, from_mapping

    start = automatic.SAM if "sam" in name.split("-") else automatic.Config()
    return from_mapping(automatic.Config, apply_overrides(asdict(start), options), "--option")


def _write(out: Path, path: Path, image: ImageArray, records: Sequence[dict[str, Any]]) -> None:
    """Records and picture of one image; OutputError where they cannot be written."""
    from propagate.cli.sheet import with_mask
    from propagate.evaluation.pictures import encode_picture
    from propagate.export import make_folder, write_whole
    from propagate.masks import decode_rle
    from propagate.types import Mask

    make_folder(out)
    height, width = image.shape[:2]
    entries = [{"id": number, **record} for number, record in enumerate(records, start=1)]
    values = {
        "image": {"file_name": path.name, "height": height, "width": width},
        "annotations": entries,
    }
    write_whole(out / f"{path.stem}.json", (json.dumps(values) + "\n").encode())
    drawn = image
    for entry in sorted(entries, key=lambda one: -one["area"]):  # small ones on top
        drawn = with_mask(drawn, Mask(entry["id"], decode_rle(entry["segmentation"])))
    write_whole(out / f"{path.stem}.png", encode_picture(drawn))
